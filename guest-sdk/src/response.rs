//! What a handler may return, and the response that becomes of it.

use crate::Error;
use crate::ResponseBody;
use crate::Result;
use bytes::Bytes;
use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::StatusCode;
use http::header::CONTENT_TYPE;

/// A response, with a [`ResponseBody`] unless another type is named.
pub type Response<B = ResponseBody> = http::Response<B>;

/// What can be returned from a handler.
///
/// | type | status | `content-type` |
/// | --- | --- | --- |
/// | `()` | 200 | none |
/// | [`StatusCode`] | that one | none |
/// | `&'static str`, [`String`] | 200 | `text/plain; charset=utf-8` |
/// | [`Vec<u8>`], [`Bytes`], [`ResponseBody`] | 200 | `application/octet-stream` |
/// | [`Html`](crate::Html) | 200 | `text/html; charset=utf-8` |
/// | [`Json`](crate::Json) | 200 | `application/json` |
/// | [`Redirect`](crate::Redirect) | 303, 307 or 308 | none |
/// | `(StatusCode, T)` | that one | that of `T` |
/// | `(StatusCode, [(name, value); N], T)`, `(StatusCode, HeaderMap, T)` | that one | that of `T`, unless among the headers |
/// | [`http::Response`] of anything that is `Into<ResponseBody>` | its own | its own |
/// | [`Finished`](crate::Finished) | of what was sent | of what was sent |
/// | [`Result<T, E>`] | of `T`, or see [`Error`] | of `T`, or `text/plain; charset=utf-8` |
///
/// A status is 200 to 599; with another one the app fails with a plain 500, as with a header
/// that is not legal.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a response",
    label = "not a response",
    note = "see the table in the documentation of `fcgi_wasm_sdk::IntoResponse`"
)]
pub trait IntoResponse {
    /// Makes the response.
    ///
    /// # Errors
    /// The [`Error`] that stands in its place, or what keeps it from being made: a header that
    /// is not legal, a value that has no JSON.
    fn into_response(self) -> Result<Response>;
}

impl IntoResponse for () {
    fn into_response(self) -> Result<Response> {
        Ok(Response::new(().into()))
    }
}

impl IntoResponse for StatusCode {
    fn into_response(self) -> Result<Response> {
        (self, ()).into_response()
    }
}

impl IntoResponse for &'static str {
    fn into_response(self) -> Result<Response> {
        Ok(typed("text/plain; charset=utf-8", self))
    }
}

impl IntoResponse for String {
    fn into_response(self) -> Result<Response> {
        Ok(typed("text/plain; charset=utf-8", self))
    }
}

impl IntoResponse for Vec<u8> {
    fn into_response(self) -> Result<Response> {
        Ok(typed("application/octet-stream", self))
    }
}

impl IntoResponse for Bytes {
    fn into_response(self) -> Result<Response> {
        Ok(typed("application/octet-stream", self))
    }
}

impl IntoResponse for ResponseBody {
    fn into_response(self) -> Result<Response> {
        Ok(typed("application/octet-stream", self))
    }
}

impl<B: Into<ResponseBody>> IntoResponse for Response<B> {
    fn into_response(self) -> Result<Response> {
        Ok(self.map(Into::into))
    }
}

impl<T: IntoResponse, E: Into<Error>> IntoResponse for Result<T, E> {
    fn into_response(self) -> Result<Response> {
        self.map_err(Into::into)?.into_response()
    }
}

impl<T: IntoResponse> IntoResponse for (StatusCode, T) {
    fn into_response(self) -> Result<Response> {
        (self.0, HeaderMap::new(), self.1).into_response()
    }
}

/// A name replaces what `T` says, and may be there more than once (`set-cookie`).
impl<T, N, V, const COUNT: usize> IntoResponse for (StatusCode, [(N, V); COUNT], T)
where
    T: IntoResponse,
    N: TryInto<HeaderName, Error: Into<Error>>,
    V: TryInto<HeaderValue>,
{
    fn into_response(self) -> Result<Response> {
        let mut headers = HeaderMap::new();
        for (name, value) in self.1 {
            let name = name.try_into().map_err(Into::into)?;
            let Ok(value) = value.try_into() else {
                return Err(format!("the value of header `{name}` is not legal").into());
            };
            headers.append(name, value);
        }
        (self.0, headers, self.2).into_response()
    }
}

impl<T: IntoResponse> IntoResponse for (StatusCode, HeaderMap, T) {
    fn into_response(self) -> Result<Response> {
        let mut response = self.2.into_response()?;
        *response.status_mut() = self.0;
        response.headers_mut().extend(self.1);
        Ok(response)
    }
}

/// A response whose body is of the given type.
pub(crate) fn typed(content_type: &'static str, body: impl Into<ResponseBody>) -> Response {
    let mut response = Response::new(body.into());
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Html;
    use crate::Json;
    use crate::Redirect;
    use std::collections::HashMap;

    /// Expects this status and these values of `header`.
    fn check(what: impl IntoResponse, status: u16, header: &str, values: &[&str]) {
        let response = what.into_response().unwrap();
        assert_eq!(response.status(), status);
        let found = response.headers().get_all(header).iter();
        assert!(found.eq(values), "{:?}", response.headers());
    }

    fn check_refused(what: impl IntoResponse, error: &str) {
        assert_eq!(what.into_response().unwrap_err().to_string(), error);
    }

    #[test]
    fn what_is_returned_says_what_it_is() {
        let text = "text/plain; charset=utf-8";
        let html = "text/html; charset=utf-8";
        let bytes = "application/octet-stream";
        check((), 200, "content-type", &[]);
        check(StatusCode::NOT_FOUND, 404, "content-type", &[]);
        check("text", 200, "content-type", &[text]);
        check(String::new(), 200, "content-type", &[text]);
        check(vec![0xFF], 200, "content-type", &[bytes]);
        check(Bytes::new(), 200, "content-type", &[bytes]);
        check(ResponseBody::from(()), 200, "content-type", &[bytes]);
        check(Html("<p>"), 200, "content-type", &[html]);
        check(
            (StatusCode::CREATED, Html("<p>")),
            201,
            "content-type",
            &[html],
        );
        check(Response::new("raw"), 200, "content-type", &[]);
    }

    #[test]
    fn json_is_json_or_an_error() {
        check(Json([1, 2]), 200, "content-type", &["application/json"]);
        let keys_are_no_text = HashMap::from([((1, 2), 3)]);
        check_refused(Json(keys_are_no_text), "key must be a string");
    }

    #[test]
    fn headers_replace_and_repeat() {
        let created = StatusCode::CREATED;
        let csv = [("Content-Type", "text/csv")];
        check((created, csv, "a;b"), 201, "content-type", &["text/csv"]);
        let cookies = [("set-cookie", "a=1"), ("set-cookie", "b=2")];
        check((created, cookies, ()), 201, "set-cookie", &["a=1", "b=2"]);
        let map = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("text/css"))]);
        check((created, map, "a{}"), 201, "content-type", &["text/css"]);
    }

    #[test]
    fn illegal_headers_are_errors() {
        let ok = StatusCode::OK;
        check_refused((ok, [("a b", "")], ()), "invalid HTTP header name");
        check_refused(
            (ok, [("x", "1\r\nset-cookie: y")], ()),
            "the value of header `x` is not legal",
        );
        check_refused(Redirect::to("/\n"), "cannot redirect to \"/\\n\"");
    }

    #[test]
    fn redirects_differ_in_what_is_repeated() {
        check(Redirect::to("/a"), 303, "location", &["/a"]);
        check(Redirect::temporary("/a"), 307, "location", &["/a"]);
        check(Redirect::permanent("/a"), 308, "location", &["/a"]);
    }

    #[test]
    fn the_error_of_a_result_wins_over_the_status_beside_it() {
        let missing = || Err::<(), _>(Error::new(StatusCode::NOT_FOUND, ""));
        let error = (StatusCode::OK, missing()).into_response().unwrap_err();
        assert_eq!(error.status(), StatusCode::NOT_FOUND);
    }
}
