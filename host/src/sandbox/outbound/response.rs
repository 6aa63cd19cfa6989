//! A response's body, within limits.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep};
use wasmtime_wasi_http::{Error, WasiBody};

/// The largest body that a guest gets, bytes: it is streamed, so this is about
/// time and traffic.
const BODY_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// A body that breaks off when it is silent for too long, or too long.
pub(super) struct Limited {
    body: Incoming,
    bytes_left: u64,
    silence_max: Duration,
    alarm: Pin<Box<Sleep>>,
}

impl Limited {
    pub(super) fn body(body: Incoming, silence_max: Duration) -> WasiBody {
        let limited = Self {
            body,
            bytes_left: BODY_BYTES_MAX,
            silence_max,
            alarm: Box::pin(sleep(silence_max)),
        };
        limited.boxed_unsync()
    }
}

impl Body for Limited {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
            let silence = this.alarm.as_mut().poll(cx);
            return silence.map(|()| Some(Err(Error::ConnectionReadTimeout)));
        };
        this.alarm.as_mut().reset(Instant::now() + this.silence_max);
        let bytes = match &frame {
            Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len) as u64,
            _ => 0,
        };
        match this.bytes_left.checked_sub(bytes) {
            Some(left) => this.bytes_left = left,
            None => return Poll::Ready(Some(Err(Error::HttpResponseBodySize(None)))),
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Error::from)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
