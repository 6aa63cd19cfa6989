//! Moves a response body that wasmtime hands out to the reply, as far as both
//! sides allow.

use std::pin::Pin;
use std::task::{Context, Poll};

use http::{HeaderMap, Method, StatusCode};
use http_body::Body as _;
use wasmtime_wasi_http::{Error, WasiBody};

use crate::cgi;
use crate::message::Fault;
use crate::sandbox::fault::beginning;
use crate::sandbox::reply::Reply;

/// A response on its way from a guest to the reply.
pub(super) struct Pump {
    /// `None` once it is over.
    body: Option<WasiBody>,
    reply: Reply,
}

/// What a pump waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Guest,
    Reader,
    Over,
}

impl Pump {
    /// Begins with the head. Without a body, if the response has none: what
    /// the guest makes of a body that nobody gets is no matter.
    pub(super) fn start(
        reply: Reply,
        method: &Method,
        status: StatusCode,
        headers: HeaderMap,
        body: WasiBody,
    ) -> Self {
        let has_body = method != Method::HEAD && cgi::may_have_body(status);
        let mut body = has_body.then_some(body);
        match reply.start(status, headers) {
            Ok(()) if has_body => {}
            Ok(()) => reply.finish(),
            Err(complaint) => {
                reply.fail(Fault::BadResponse(complaint));
                body = None;
            }
        }
        Self { body, reply }
    }

    pub(super) fn advance(&mut self, cx: &mut Context<'_>) -> Step {
        while let Some(body) = &mut self.body {
            match self.reply.poll_ready(cx) {
                Poll::Pending => return Step::Reader,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => {
                    self.body = None;
                    break;
                }
            }
            match Pin::new(body).poll_frame(cx) {
                Poll::Pending => return Step::Guest,
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(bytes) => self.reply.push(bytes),
                    Err(_) => self.reply.note_trailers(),
                },
                Poll::Ready(Some(Err(error))) => {
                    self.reply.fail(Fault::BadResponse(complaint(&error)));
                    self.body = None;
                }
                Poll::Ready(None) => {
                    self.reply.finish();
                    self.body = None;
                }
            }
        }
        Step::Over
    }
}

fn complaint(error: &Error) -> String {
    match error {
        // What wasmtime makes of a body that is ended by force.
        Error::HttpProtocolError => {
            "its body has not the length that its content-length says".to_owned()
        }
        other => beginning(format_args!("{other}")),
    }
}
