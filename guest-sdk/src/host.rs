//! The host as seen from inside: the request it brings, and where the response goes.

use crate::Body;
use crate::BodyError;
use crate::Error;
use crate::Params;
use crate::Request;
use crate::Response;
use crate::ResponseBody;
use crate::Result;
use crate::Source;
use crate::bindings::fcgi_wasm::app::request;
use crate::bindings::fcgi_wasm::app::response;
use crate::bindings::fcgi_wasm::app::types;
use crate::bindings::filter::fcgi_wasm::app::source;
use crate::params;
use crate::response_body::Content;
use crate::send::Sink;
use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::Method;
use http::StatusCode;
use http::uri::PathAndQuery;
use std::io;
use std::io::Read;

/// The request that this instance serves.
///
/// # Errors
/// One with status 400, if what the client wrote cannot be said with the types of `http`.
pub(crate) fn request() -> Result<Request> {
    let bad = |what: &str| Error::new(StatusCode::BAD_REQUEST, format!("illegal {what}"));
    let method = Method::from_bytes(request::method().as_bytes()).map_err(|_| bad("method"))?;
    let target = PathAndQuery::try_from(request::target()).map_err(|_| bad("target"))?;

    let fields = request::headers();
    let mut headers = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields {
        // What the web server let pass and HTTP does not know is nothing an app could ask for.
        if let Ok(name) = HeaderName::try_from(name)
            && let Ok(value) = HeaderValue::try_from(value)
        {
            headers.append(name, value);
        }
    }

    let mut request = Request::new(Body::reader(Incoming(request::read)).received_with(&headers));
    *request.method_mut() = method;
    *request.uri_mut() = target.into();
    *request.headers_mut() = headers;
    request
        .extensions_mut()
        .insert(Params::lazy(params::Source {
            one: request::param,
            all: request::params,
        }));
    Ok(request)
}

/// The file that this instance filters.
pub(crate) fn source() -> Source {
    let content = Body::reader(Incoming(source::read));
    Source::of_host(content, source::length(), source::last_modified())
}

/// Reads the request's body, or the file, by the host's function for it.
struct Incoming(fn(u32) -> Result<Vec<u8>, types::BodyError>);

impl Read for Incoming {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        let max = u32::try_from(into.len()).unwrap_or(u32::MAX);
        match (self.0)(max) {
            Ok(bytes) => bytes.as_slice().read(into),
            Err(types::BodyError::Incomplete) => Err(BodyError::Incomplete.into()),
            Err(types::BodyError::TooLarge) => Err(BodyError::TooLarge.into()),
        }
    }
}

/// Takes the response.
pub(crate) struct Outlet(());

impl Outlet {
    pub(crate) fn new() -> Self {
        Self(())
    }

    /// Ends the response, and gives what the handler is to return then.
    pub(crate) fn finished(self) -> Response {
        // It fails if the response was ended before, or if nobody reads it: nothing to do.
        let _: Result<(), ()> = response::finish();
        Response::new(ResponseBody(Content::Sent))
    }
}

impl Sink for Outlet {
    fn start(&mut self, status: StatusCode, headers: &HeaderMap) -> Result<(), String> {
        let fields = headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
            .collect::<Vec<_>>();
        response::start(status.as_u16(), &fields)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        response::write(bytes).map_err(|()| io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        response::flush().map_err(|()| io::ErrorKind::BrokenPipe.into())
    }
}
