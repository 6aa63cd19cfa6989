//! The body of a request: where it comes from, and reading it piece by piece.

use crate::BodyError;
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body::Frame;
use std::fmt;
use std::io;
use std::io::Cursor;
use std::io::Read;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;

/// The body of a request.
///
/// There are three ways to read it. [`Read`] takes it piece by piece and waits for the client
/// while doing so. [`bytes`](Body::bytes), [`text`](Body::text), [`json`](Body::json) and
/// [`form`](Body::form) gather all of it in memory, at most [`Body::BYTES_MAX`] or
/// the [`limit`](Body::limit) you choose. And as an [`http_body::Body`] it goes into axum and
/// other tower services; polling it waits for the client like `read`, it is never pending.
///
/// The limit holds only for gathering. How much a client may send at all is up to the operator;
/// beyond that every way fails with [`BodyError::TooLarge`].
pub struct Body {
    pub(crate) source: Box<dyn Read + Send>,
    pub(crate) bytes_max: usize,
    /// What the request's `content-type` says, empty without one; `None` for a body that was
    /// made by hand and came with no request.
    pub(crate) content_type: Option<String>,
}

impl Body {
    /// A body that reads as `source` does, for tests of what a slow or failing client causes.
    pub fn reader(source: impl Read + Send + 'static) -> Self {
        Self {
            source: Box::new(source),
            bytes_max: Self::BYTES_MAX,
            content_type: None,
        }
    }

    /// Notes with which headers this body came.
    pub(crate) fn received_with(self, headers: &HeaderMap) -> Self {
        let content_type = headers
            .get(CONTENT_TYPE)
            .map_or("".into(), |value| String::from_utf8_lossy(value.as_bytes()));
        Self {
            content_type: Some(content_type.into_owned()),
            ..self
        }
    }
}

/// What is asked of the host for one frame.
const FRAME_BYTES_MAX: usize = 64 * 1024;

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}

/// Waits for the next bytes. The error of a failed read carries a [`BodyError`].
impl Read for Body {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.source.read(into)
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut piece = vec![0; FRAME_BYTES_MAX];
        Poll::Ready(match self.read(&mut piece) {
            Ok(0) => None,
            Ok(length) => {
                piece.truncate(length);
                Some(Ok(Frame::data(piece.into())))
            }
            Err(error) => Some(Err(error.into())),
        })
    }
}

/// An empty body.
impl From<()> for Body {
    fn from((): ()) -> Self {
        Self::reader(io::empty())
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::reader(text.as_bytes())
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::reader(Cursor::new(bytes))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::reader(Cursor::new(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    /// A client that sends `bytes` and goes away.
    fn cut_off(bytes: &'static [u8]) -> Body {
        struct Gone;
        impl Read for Gone {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(BodyError::Incomplete.into())
            }
        }
        Body::reader(bytes.chain(Gone))
    }

    #[test]
    fn an_incomplete_body_is_an_error_each_way_it_is_read() {
        assert_eq!(cut_off(b"ab").bytes(), Err(BodyError::Incomplete));
        let error = io::read_to_string(cut_off(b"ab")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(BodyError::from(error), BodyError::Incomplete);
    }

    #[test]
    fn frames_bring_the_same_bytes() {
        let collect = |body: Body| now(body.collect());
        let sent = vec![b'x'; 2 * FRAME_BYTES_MAX + 1];
        let collected = collect(sent.clone().into()).unwrap().to_bytes();
        assert_eq!(collected, sent);
        let error = collect(cut_off(b"ab")).unwrap_err();
        assert_eq!(error, BodyError::Incomplete);
    }

    /// The output of a future that never waits.
    fn now<F: Future>(future: F) -> F::Output {
        let mut context = Context::from_waker(std::task::Waker::noop());
        match std::pin::pin!(future).poll(&mut context) {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("a body is never pending"),
        }
    }
}
