//! A message's body: nothing, bytes at hand, or bytes that are still coming.

use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::fault::Fault;
use super::pipe::{self, Abandoned, BodySender, Receiver};

/// The body of a request.
pub type RequestBody = Body<BodyError>;

/// The body of a response.
pub type ResponseBody = Body<Fault>;

/// Why a request's body can not be read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The client went away, or sent less than it announced.
    #[error("the request body is incomplete: the client sent less than it announced")]
    Incomplete,
    /// The operator's limit for request bodies is exceeded.
    #[error("the request body is larger than the operator's limit (--max-body)")]
    TooLarge,
}

impl From<Abandoned> for BodyError {
    fn from(_: Abandoned) -> Self {
        Self::Incomplete
    }
}

/// A body that is read frame by frame, as [`http_body::Body`] has it, and that
/// may fail with `E`.
pub struct Body<E> {
    source: Source<E>,
    /// Kept until the body is dropped: the place of the request that it answers.
    held: Option<Arc<dyn Any + Send + Sync>>,
}

enum Source<E> {
    Full(Bytes),
    Pipe(Receiver<E>),
    Other(Pin<Box<dyn HttpBody<Data = Bytes, Error = E> + Send>>),
}

impl<E: From<Abandoned>> Body<E> {
    /// A body whose bytes come through the other end of a pipe that holds
    /// about [`PIPE_BYTES`](super::PIPE_BYTES).
    pub fn pipe() -> (BodySender<E>, Self) {
        let (sender, receiver) = pipe::pipe();
        (sender, Self::from_source(Source::Pipe(receiver)))
    }
}

impl<E> Body<E> {
    /// A body of any kind.
    pub fn new(body: impl HttpBody<Data = Bytes, Error = E> + Send + 'static) -> Self {
        Self::from_source(Source::Other(Box::pin(body)))
    }

    /// Keeps `held` alive for as long as this body.
    #[must_use]
    pub fn holding(mut self, held: Arc<dyn Any + Send + Sync>) -> Self {
        self.held = Some(held);
        self
    }

    /// What it keeps alive, without the body: where nobody reads that any more.
    pub(crate) fn into_held(self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.held
    }

    fn from_source(source: Source<E>) -> Self {
        Self { source, held: None }
    }
}

impl<E> Default for Body<E> {
    fn default() -> Self {
        Self::from_source(Source::Full(Bytes::new()))
    }
}

impl<E, B: Into<Bytes>> From<B> for Body<E> {
    fn from(bytes: B) -> Self {
        Self::from_source(Source::Full(bytes.into()))
    }
}

impl<E: From<Abandoned>> HttpBody for Body<E> {
    type Data = Bytes;
    type Error = E;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, E>>> {
        match &mut self.source {
            Source::Full(bytes) if bytes.is_empty() => Poll::Ready(None),
            Source::Full(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Source::Pipe(receiver) => receiver.poll_next(cx).map_ok(Frame::data),
            Source::Other(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Full(bytes) => bytes.is_empty(),
            Source::Pipe(_) => false,
            Source::Other(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Pipe(_) => SizeHint::default(),
            Source::Other(body) => body.size_hint(),
        }
    }
}

impl<E> fmt::Debug for Body<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Full(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            Source::Pipe(_) => f.write_str("Body(pipe)"),
            Source::Other(_) => f.write_str("Body(stream)"),
        }
    }
}
