//! Runs a handler, an authorizer or a filter without a host, for native unit tests.
//!
//! ```
//! use fcgi_wasm_sdk::prelude::*;
//! use fcgi_wasm_sdk::testing;
//!
//! fn app(request: Request) -> Result<impl IntoResponse> {
//!     let name = request.into_body().text()?;
//!     Ok(format!("Hello {name}"))
//! }
//!
//! # fn main() -> Result<()> {
//! let response = testing::run(app, Request::post("/").body("Ada")?);
//! assert_eq!(response.status(), 200);
//! assert_eq!(response.body(), "Hello Ada");
//! # Ok(())
//! # }
//! ```

use crate::Body;
use crate::IntoResponse;
use crate::IntoVerdict;
use crate::Request;
use crate::Response;
use crate::Result;
use crate::Source;
use crate::Verdict;
use crate::send::Sink;
use crate::send::answer;
use crate::verdict::judge;
use bytes::Bytes;
use http::HeaderMap;
use http::StatusCode;
use std::io;

/// What `app` answers to `request`, all of it, as the host would pass it on.
///
/// The request's body is anything that is `Into<Body>`: text, bytes, `()`. An app that fails
/// where the visitor is not told gives a 500, and one that fails in the middle of its body what
/// has gone out until then; in both cases [`error_log`] has the error.
pub fn run<R, B>(app: impl FnOnce(Request) -> R, request: Request<B>) -> Response<Bytes>
where
    R: IntoResponse,
    B: Into<Body>,
{
    record(app(received(request)).into_response())
}

/// [`run`] for an `async fn`. What waits for the host, a timer or an outbound request, panics
/// here: there is no host.
#[cfg(feature = "async")]
pub fn run_async<F, B>(app: impl FnOnce(Request) -> F, request: Request<B>) -> Response<Bytes>
where
    F: Future<Output: IntoResponse>,
    B: Into<Body>,
{
    record(wstd::runtime::block_on(async {
        app(received(request)).await.into_response()
    }))
}

/// What an authorizer decides about `request`, as the host would carry it out.
///
/// ```
/// use fcgi_wasm_sdk::prelude::*;
/// use fcgi_wasm_sdk::testing;
///
/// fn gate(request: Request) -> Verdict {
///     match request.uri().path() {
///         "/public" => Verdict::allow().variable("REMOTE_USER", "guest"),
///         _ => Verdict::deny("Members only.\n"),
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let passed = testing::authorize(gate, Request::get("/public").body(())?);
/// assert_eq!(passed.variable("REMOTE_USER"), Some("guest"));
/// let refused = testing::authorize(gate, Request::get("/").body(())?);
/// assert_eq!(refused.refusal().map(Response::status), Some(StatusCode::FORBIDDEN));
/// # Ok(())
/// # }
/// ```
pub fn authorize<R, B>(app: impl FnOnce(Request) -> R, request: Request<B>) -> Ruling
where
    R: IntoVerdict,
    B: Into<Body>,
{
    rule(app(received(request)).into_verdict())
}

/// [`authorize`] for an `async fn`; see [`run_async`].
#[cfg(feature = "async")]
pub fn authorize_async<F, B>(app: impl FnOnce(Request) -> F, request: Request<B>) -> Ruling
where
    F: Future<Output: IntoVerdict>,
    B: Into<Body>,
{
    rule(wstd::runtime::block_on(async {
        app(received(request)).await.into_verdict()
    }))
}

/// What a filter answers to `request` with the file `source`; see [`run`].
pub fn filter<R, B>(
    app: impl FnOnce(Request, Source) -> R,
    request: Request<B>,
    source: Source,
) -> Response<Bytes>
where
    R: IntoResponse,
    B: Into<Body>,
{
    run(|request| app(request, source), request)
}

/// [`filter`](fn@filter) for an `async fn`; see [`run_async`].
#[cfg(feature = "async")]
pub fn filter_async<F, B>(
    app: impl FnOnce(Request, Source) -> F,
    request: Request<B>,
    source: Source,
) -> Response<Bytes>
where
    F: Future<Output: IntoResponse>,
    B: Into<Body>,
{
    run_async(|request| app(request, source), request)
}

/// What came of an authorizer's verdict.
#[derive(Debug)]
pub enum Ruling {
    /// The request passes, with these variables.
    Allowed(Vec<(String, Vec<u8>)>),
    /// The visitor gets this response.
    Refused(Response<Bytes>),
}

impl Ruling {
    /// The variable of this name, if the request passes with one, and it is text.
    pub fn variable(&self, name: &str) -> Option<&str> {
        let Self::Allowed(variables) = self else {
            return None;
        };
        let (_, value) = variables.iter().find(|(known, _)| known == name)?;
        str::from_utf8(value).ok()
    }

    /// What the visitor gets, if the request does not pass.
    pub fn refusal(&self) -> Option<&Response<Bytes>> {
        match self {
            Self::Allowed(_) => None,
            Self::Refused(response) => Some(response),
        }
    }
}

fn rule(outcome: Result<Verdict>) -> Ruling {
    let mut recording = Recording::new();
    match judge(outcome, &mut recording) {
        Ok(Some(variables)) => Ruling::Allowed(variables),
        Ok(None) => Ruling::Refused(recorded(Ok(()), recording)),
        Err(text) => Ruling::Refused(recorded(Err(text), recording)),
    }
}

/// What the web server's error log would say about a response of [`run`].
pub fn error_log<B>(response: &Response<B>) -> Option<&str> {
    let logged = response.extensions().get::<Logged>();
    logged.map(|Logged(text)| text.as_str())
}

#[derive(Clone)]
struct Logged(String);

/// Keeps a response instead of sending it.
pub(crate) struct Recording(Option<Response<Vec<u8>>>);

impl Recording {
    pub(crate) fn new() -> Self {
        Self(None)
    }

    /// What the handler is to return after this response was sent: natively, the response.
    pub(crate) fn finished(self) -> Response {
        self.0.unwrap_or_default().map(Into::into)
    }
}

impl Sink for Recording {
    fn start(&mut self, status: StatusCode, headers: &HeaderMap) -> Result<(), String> {
        if self.0.is_some() {
            return Err("the response was started before".into());
        }
        if !(200..=599).contains(&status.as_u16()) {
            return Err(format!("{status} is no status of a response"));
        }
        let response = self.0.insert(Response::default());
        *response.status_mut() = status;
        response.headers_mut().clone_from(headers);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let response = self.0.get_or_insert_default();
        response.body_mut().extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn received<B: Into<Body>>(request: Request<B>) -> Request {
    let (head, body) = request.into_parts();
    let body = body.into().received_with(&head.headers);
    Request::from_parts(head, body)
}

fn record(outcome: Result<Response>) -> Response<Bytes> {
    let mut recording = Recording::new();
    let answered = answer(outcome, &mut recording);
    recorded(answered, recording)
}

fn recorded(answered: Result<(), String>, recording: Recording) -> Response<Bytes> {
    let response = match answered {
        Ok(()) => recording.0.unwrap_or_default(),
        Err(text) => {
            let mut response = recording.0.unwrap_or_else(plain_500);
            response.extensions_mut().insert(Logged(text));
            response
        }
    };
    response.map(Bytes::from)
}

/// What the host answers for an app that failed before it started a response.
fn plain_500() -> Response<Vec<u8>> {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;
    use crate::Finished;
    use crate::ResponseBody;
    use crate::finish;

    fn get() -> Request<()> {
        Request::default()
    }

    #[test]
    fn an_app_that_fails_gives_a_500_and_a_log_entry() {
        let response = run(|_| -> Result<()> { Err("disk full".into()) }, get());
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.body(), "");
        assert_eq!(error_log(&response), Some("disk full"));
    }

    #[test]
    fn an_app_that_fails_in_the_middle_keeps_what_was_written() {
        let body = || {
            ResponseBody::writer(|out| {
                write!(out, "half")?;
                out.flush()?;
                Err("disk full".into())
            })
        };
        let response = run(|_| body(), get());
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.body(), "half");
        assert_eq!(error_log(&response), Some("disk full"));
    }

    #[test]
    fn a_finished_response_is_the_response() {
        let mut worked_on = false;
        let app = |_: Request| -> Result<Finished> {
            let finished = finish((StatusCode::ACCEPTED, "soon"))?;
            worked_on = true;
            Ok(finished)
        };
        let response = run(app, get());
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        assert_eq!(
            response.headers()["content-type"],
            "text/plain; charset=utf-8"
        );
        assert_eq!(response.body(), "soon");
        assert_eq!(error_log(&response), None);
        assert!(worked_on);
    }

    #[test]
    fn a_status_that_is_no_response_is_an_error() {
        let response = run(|_| StatusCode::CONTINUE, get());
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let expected = "100 Continue is no status of a response";
        assert_eq!(error_log(&response), Some(expected));
        let told = run(|_| Error::new(StatusCode::CONTINUE, "text"), get());
        assert_eq!(error_log(&told), Some("text"));
    }

    #[test]
    fn an_authorizer_that_fails_refuses() {
        let ruling = authorize(|_| Err::<Verdict, _>("no secret"), get());
        let refusal = ruling.refusal().unwrap();
        assert_eq!(refusal.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(error_log(refusal), Some("no secret"));
        assert_eq!(ruling.variable("REMOTE_USER"), None);
        let allowed = authorize(|_| Verdict::allow().variable("A", *b"\xFF"), get());
        assert!(allowed.refusal().is_none());
        assert_eq!(allowed.variable("A"), None);
    }

    #[test]
    fn a_filter_gets_its_file() {
        let app = |request: Request, file: Source| -> Result<String> {
            Ok(format!("{} {}", request.uri(), file.text()?))
        };
        let file = Source::new("content", std::time::SystemTime::UNIX_EPOCH);
        let response = filter(app, Request::get("/x").body(()).unwrap(), file);
        assert_eq!(response.body(), "/x content");
    }

    #[test]
    fn the_body_knows_the_content_type_of_the_request() {
        let app = |request: Request| -> Result<String> {
            Ok(request.into_body().json::<u32>()?.to_string())
        };
        let post = Request::post("/").header("content-type", "application/json");
        assert_eq!(run(app, post.body("7").unwrap()).body(), "7");
        let without = Request::post("/").body("7").unwrap();
        let refused = run(app, without);
        assert_eq!(refused.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }

    #[cfg(feature = "async")]
    #[test]
    fn async_apps_run_too() {
        let app = async |request: Request| request.into_body().text();
        assert_eq!(run_async(app, Request::new("echo")).body(), "echo");
        let gate = async |_: Request| Verdict::allow();
        assert!(authorize_async(gate, get()).refusal().is_none());
        let app = async |_: Request, file: Source| file.text();
        let file = Source::new("content", std::time::SystemTime::UNIX_EPOCH);
        assert_eq!(filter_async(app, get(), file).body(), "content");
    }
}
