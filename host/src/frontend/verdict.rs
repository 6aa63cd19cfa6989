//! An authorizer's answers (FastCGI §6.3), so that no web server takes anything
//! else for leave.
//!
//! lighttpd lets a request pass if its authorizer ends without a complete head
//! with a status in it. So there always is one, and it is 200 only for a leave.

use ::http::StatusCode;
use bytes::{Bytes, BytesMut};

use super::report::Report;
use crate::cgi;
use crate::message::{Fault, Response};

/// What the web server gets if it does not wait for the answer any more.
pub(super) const UNANSWERED: Bytes = Bytes::from_static(b"Status: 503 Service Unavailable\r\n\r\n");

/// The head of an authorizer's response: its leave, or a refusal.
pub(super) fn write_verdict(
    response: &mut Response,
    is_head: bool,
    report: &Report,
) -> Result<BytesMut, Fault> {
    if let Some(variables) = &response.leave {
        let mut head = BytesMut::with_capacity(256);
        cgi::write_leave(variables, &mut head).map_err(Fault::BadResponse)?;
        response.status = StatusCode::OK;
        return Ok(head);
    }
    if let Some(status) = cgi::refuse_success(response) {
        let note = format!("an authorizer answered {status} without leave to pass: sent as a 403");
        report.note(&note);
    }
    cgi::response_head(response, is_head)
}
