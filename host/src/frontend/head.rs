//! What every response has to be, whichever handler made it and whichever
//! front-end sends it.

use std::time::Duration;

use ::http::{HeaderMap, StatusCode, header};
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::time::timeout;

use crate::cgi;
use crate::message::{Fault, Response, ResponseBody};

/// Whether a response of this status may have a body (RFC 9110 §6.4.1).
pub(super) fn may_have_body(status: StatusCode) -> bool {
    status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED
}

/// The response's head as CGI has it, completed by the length of a body that is
/// all there: so the web server can keep the client's connection.
pub(super) fn write_head(response: &mut Response, is_head: bool) -> Result<BytesMut, Fault> {
    let status = response.status;
    if !(200..600).contains(&status.as_u16()) {
        let complaint = format!("its status is {}, not one from 200 to 599", status.as_u16());
        return Err(Fault::BadResponse(complaint));
    }
    check_length(&mut response.headers)?;
    // The body of a HEAD may be left out, so its being empty says nothing.
    if let Some(bytes) = response.body.size_hint().exact()
        && may_have_body(status)
        && !(is_head && bytes == 0)
        && !response.headers.contains_key(header::CONTENT_LENGTH)
    {
        let length = bytes.into();
        response.headers.insert(header::CONTENT_LENGTH, length);
    }
    let mut head = BytesMut::with_capacity(256);
    cgi::write_head(status, &response.headers, &mut head);
    if head.len() > cgi::HEAD_BYTES_MAX {
        let complaint = format!(
            "its head has {} bytes, over {}; {}",
            head.len(),
            cgi::HEAD_BYTES_MAX,
            cgi::largest(&response.headers)
        );
        return Err(Fault::BadResponse(complaint));
    }
    Ok(head)
}

/// One Content-Length, a number: where web servers see two, or another text,
/// they disagree on where the response ends (RFC 9110 §8.6).
fn check_length(headers: &mut HeaderMap) -> Result<(), Fault> {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(length) = lengths.next().cloned() else {
        return Ok(());
    };
    let is_number = !length.is_empty() && length.as_bytes().iter().all(u8::is_ascii_digit);
    if !is_number || lengths.any(|other| *other != length) {
        let lengths: Vec<_> = headers.get_all(header::CONTENT_LENGTH).iter().collect();
        let complaint = format!("its content-length is {lengths:?}");
        return Err(Fault::BadResponse(complaint));
    }
    headers.insert(header::CONTENT_LENGTH, length);
    Ok(())
}

/// How long, and how much, of a body that nobody gets is taken, so that its
/// handler can come to its end. After that it is dropped, as when a client
/// goes away.
const DISCARD_TIME_MAX: Duration = Duration::from_secs(1);
const DISCARD_BYTES_MAX: usize = 1024 * 1024;

/// Takes a body that nobody gets, within limits.
pub(super) fn discard(mut body: ResponseBody) {
    if body.is_end_stream() {
        return;
    }
    tokio::spawn(async move {
        let taking = async {
            let mut left = DISCARD_BYTES_MAX;
            while let Some(Ok(frame)) = body.frame().await {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                match left.checked_sub(bytes) {
                    Some(fewer) => left = fewer,
                    None => return,
                }
            }
        };
        // Out of time or not, the body is dropped now.
        let _ = timeout(DISCARD_TIME_MAX, taking).await;
    });
}
