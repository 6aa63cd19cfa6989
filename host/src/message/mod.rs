//! The waist: what any front-end asks and any guest answers.
//!
//! Both sides know only this room, and are tested with a closure in place of
//! the other. Nothing here knows a socket, a clock or a runtime.

mod body;
mod fault;
mod journal;
mod observer;
mod params;
mod pieces;
mod pipe;
mod pot;
mod printable;
mod waits;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};

pub use body::{Body, BodyError, RequestBody, ResponseBody};
pub use fault::Fault;
pub(crate) use fault::readable;
pub use journal::{JOURNAL_BYTES_MAX, Journal, Owner, Stage, Usage};
pub use observer::{Asked, Deployed, Notice, Observer, Observers, Record};
pub use params::Params;
pub(crate) use params::lossy;
pub(crate) use pieces::Pieces;
pub use pipe::{Abandoned, BodySender, Gone, PIPE_BYTES};
pub(crate) use pot::{Portion, Pot};
pub(crate) use printable::is_command;
pub use printable::printable;

/// A future on the heap, as [`Handler::handle`] returns it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Answers requests. Front-ends call it; routers, apps and test closures are it.
///
/// Dropping the future, or the body of the response it gave, cancels the
/// request: nobody wants the answer any more.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request as soon as the head of the response is known; its
    /// body may still be on its way.
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Fault>>;
}

impl<F, A> Handler for F
where
    F: Fn(Request) -> A + Send + Sync + 'static,
    A: Future<Output = Result<Response, Fault>> + Send + 'static,
{
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Fault>> {
        Box::pin(self(request))
    }
}

/// What is asked of the application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// To answer the request.
    #[default]
    Responder,
    /// To say whether the request may pass.
    Authorizer,
    /// To answer the request by transforming a file.
    Filter,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Responder => "responder",
            Self::Authorizer => "authorizer",
            Self::Filter => "filter",
        })
    }
}

/// One request, in the shape that FastCGI and CGI give it (RFC 3875 §4).
#[derive(Debug, Default)]
pub struct Request {
    /// What is asked.
    pub role: Role,
    /// The meta-variables: `REQUEST_METHOD`, `SCRIPT_NAME`, `HTTP_HOST` …
    pub params: Params,
    /// What the client sent.
    pub body: RequestBody,
    /// The file that a [`Role::Filter`] transforms; else empty.
    pub data: RequestBody,
    /// Where everything goes that is said of this request beside its answer.
    pub journal: Arc<Journal>,
}

/// The answer to one request, in the shape of HTTP.
#[derive(Debug, Default)]
pub struct Response {
    /// 200 to 599.
    pub status: StatusCode,
    /// The header fields, in order, without those of a connection.
    pub headers: HeaderMap,
    /// The body. Dropping it ends the guest that writes it.
    pub body: ResponseBody,
    /// A [`Role::Authorizer`]'s leave for the request to pass, with the
    /// variables that it sets for what serves the request next. Without it the
    /// response refuses the request, whatever its status: so no handler gives
    /// leave by accident. Other roles have no use for it.
    pub leave: Option<Params>,
}

impl Response {
    /// An authorizer's leave, with these variables.
    pub fn allow(variables: Params) -> Self {
        Self {
            leave: Some(variables),
            ..Self::default()
        }
    }

    /// A plain text answer.
    pub fn text(status: StatusCode, text: impl Into<Bytes>) -> Self {
        let mut headers = HeaderMap::new();
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, plain);
        Self {
            status,
            headers,
            body: Body::from(text.into()),
            leave: None,
        }
    }
}
