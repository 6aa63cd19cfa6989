//! A request's body on its way into a guest: cut off where the operator's
//! limit is, and in the portions that the guest asks for.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::limits::Meter;
use crate::message::{Body, BodyError, RequestBody};

/// A body that is read in portions.
#[derive(Default)]
pub(super) struct Incoming {
    body: RequestBody,
    /// What is left of the frame that was read last.
    rest: Bytes,
    /// What was gathered, and is read before that.
    gathered: BytesMut,
    end: Option<Result<(), BodyError>>,
}

impl Incoming {
    pub(super) fn new(body: RequestBody) -> Self {
        Self {
            body,
            ..Self::default()
        }
    }

    /// Waits for the next bytes, at most so many. Empty at the end, and then
    /// ever again, as is an error.
    pub(super) async fn read(&mut self, bytes_max: usize) -> Result<Bytes, BodyError> {
        poll_fn(|cx| self.poll_read(bytes_max, cx)).await
    }

    /// As [`read`](Self::read). With 0 it waits until there is something.
    pub(super) fn poll_read(
        &mut self,
        bytes_max: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Bytes, BodyError>> {
        if !self.gathered.is_empty() {
            let length = bytes_max.min(self.gathered.len());
            return Poll::Ready(Ok(self.gathered.split_to(length).freeze()));
        }
        self.poll_rest(bytes_max, cx)
    }

    /// Waits for the end of the body, but for no more bytes than these; they
    /// can be read afterwards. Its length, if that was all of it.
    pub(super) async fn gather(&mut self, bytes_max: usize) -> Option<usize> {
        loop {
            // One more, to see whether there is one.
            let room = bytes_max + 1 - self.gathered.len();
            let read = poll_fn(|cx| self.poll_rest(room, cx)).await;
            match read {
                Ok(bytes) if bytes.is_empty() => return Some(self.gathered.len()),
                Ok(bytes) => self.gathered.extend_from_slice(&bytes),
                Err(_) => return None,
            }
            if self.gathered.len() > bytes_max {
                return None;
            }
        }
    }

    /// Waits for the end of the body, to make way for what comes behind it on
    /// the connection. What it keeps can be read afterwards; a body of more
    /// bytes than these then fails with `TooLarge`.
    pub(super) async fn set_aside(&mut self, bytes_max: usize) {
        let is_over = self.end.is_some() && self.rest.is_empty();
        if !is_over && self.gather(bytes_max).await.is_none() && self.end.is_none() {
            self.body = Body::default();
            self.rest = Bytes::new();
            self.end = Some(Err(BodyError::TooLarge));
        }
    }

    fn poll_rest(
        &mut self,
        bytes_max: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Bytes, BodyError>> {
        while self.rest.is_empty() {
            if let Some(end) = self.end {
                return Poll::Ready(end.map(|()| Bytes::new()));
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => self.rest = frame.into_data().unwrap_or_default(),
                Some(Err(error)) => self.end = Some(Err(error)),
                None => self.end = Some(Ok(())),
            }
        }
        Poll::Ready(Ok(self.rest.split_to(bytes_max.min(self.rest.len()))))
    }
}

/// The same body, failing with `TooLarge` after so many bytes; the meter learns
/// of that, and of the time that the client takes to send it.
pub(super) fn limit_body(body: RequestBody, bytes_max: u64, meter: &Arc<Meter>) -> RequestBody {
    // What is all there, and small enough, needs no watching.
    match body.size_hint().exact() {
        Some(bytes) if bytes <= bytes_max => body,
        _ => Body::new(Limited {
            body: Some(body),
            bytes_left: bytes_max,
            meter: meter.clone(),
        }),
    }
}

/// The error as guests of `wasi:http` see it.
pub(super) fn to_wasi(error: BodyError) -> wasmtime_wasi_http::Error {
    match error {
        BodyError::Incomplete => wasmtime_wasi_http::Error::ConnectionTerminated,
        BodyError::TooLarge => wasmtime_wasi_http::Error::HttpRequestBodySize(None),
    }
}

struct Limited {
    /// `None` once it is over.
    body: Option<RequestBody>,
    bytes_left: u64,
    meter: Arc<Meter>,
}

impl HttpBody for Limited {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let Some(body) = &mut this.body else {
            return Poll::Ready(None);
        };
        let Poll::Ready(frame) = this.meter.of_client(Pin::new(body).poll_frame(cx)) else {
            return Poll::Pending;
        };
        let bytes = match &frame {
            Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len) as u64,
            _ => 0,
        };
        Poll::Ready(match this.bytes_left.checked_sub(bytes) {
            Some(left) => {
                this.bytes_left = left;
                frame
            }
            None => {
                this.body = None;
                this.meter.note_large_body();
                Some(Err(BodyError::TooLarge))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(SizeHint::default, HttpBody::size_hint)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn read(pieces: &[&'static str], bytes_max: u64) -> Result<usize, BodyError> {
        let (mut sender, body) = Body::pipe();
        for piece in pieces {
            sender.push(Bytes::from_static(piece.as_bytes()));
        }
        sender.finish();
        let body = limit_body(body, bytes_max, &Meter::new(Arc::default(), None))
            .collect()
            .await?;
        Ok(body.to_bytes().len())
    }

    #[tokio::test]
    async fn conformance_91_a_body_over_the_limit_is_an_error() {
        assert_eq!(read(&["abc", "de"], 5).await, Ok(5));
        assert_eq!(read(&["abc", "def"], 5).await, Err(BodyError::TooLarge));
        assert_eq!(read(&[], 0).await, Ok(0));
        let whole: RequestBody =
            limit_body(Body::from("abcdef"), 5, &Meter::new(Arc::default(), None));
        assert!(whole.collect().await.is_err());
    }

    #[tokio::test]
    async fn what_was_gathered_is_read_first() {
        let piped = || {
            let (mut sender, body) = Body::pipe();
            sender.push(Bytes::from_static(b"abc"));
            sender.push(Bytes::from_static(b"defg"));
            sender.finish();
            Incoming::new(body)
        };
        for (bytes_max, length) in [
            (7, Some(7)),
            (6, None),
            (3, None),
            (2, None),
            (100, Some(7)),
        ] {
            let mut incoming = piped();
            assert_eq!(incoming.gather(bytes_max).await, length, "{bytes_max}");
            let mut all = Vec::new();
            while let Ok(bytes) = incoming.read(2).await
                && !bytes.is_empty()
            {
                all.extend_from_slice(&bytes);
            }
            assert_eq!(all, b"abcdefg", "{bytes_max}");
        }
    }

    #[tokio::test]
    async fn a_body_is_read_in_portions_and_ends_for_good() {
        let (mut sender, body) = Body::pipe();
        sender.push(Bytes::from_static(b"abcde"));
        sender.fail(BodyError::Incomplete);
        let mut incoming = Incoming::new(body);
        assert_eq!(incoming.read(3).await, Ok(Bytes::from_static(b"abc")));
        assert_eq!(incoming.read(0).await, Ok(Bytes::new()));
        assert_eq!(incoming.read(3).await, Ok(Bytes::from_static(b"de")));
        assert_eq!(incoming.read(3).await, Err(BodyError::Incomplete));
        assert_eq!(incoming.read(3).await, Err(BodyError::Incomplete));
        let mut empty = Incoming::default();
        assert_eq!(empty.gather(3).await, Some(0));
        assert_eq!(empty.read(3).await, Ok(Bytes::new()));
    }
}
