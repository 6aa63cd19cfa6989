//! The kinds of response that need more than a body: HTML, JSON and redirects.

use crate::IntoResponse;
use crate::Response;
use crate::ResponseBody;
use crate::Result;
use crate::response::typed;
use http::HeaderValue;
use http::StatusCode;
use http::header::LOCATION;

/// A page: whatever can be a body, as `text/html; charset=utf-8`.
#[derive(Clone, Debug)]
pub struct Html<T>(pub T);

impl<T: Into<ResponseBody>> IntoResponse for Html<T> {
    fn into_response(self) -> Result<Response> {
        Ok(typed("text/html; charset=utf-8", self.0))
    }
}

/// A value, as `application/json`.
#[derive(Clone, Debug)]
pub struct Json<T>(pub T);

impl<T: serde::Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Result<Response> {
        Ok(typed("application/json", serde_json::to_vec(&self.0)?))
    }
}

/// Sends the client elsewhere.
///
/// The target is a URL or an absolute path in ASCII, percent-encoded where it must be; one
/// that cannot stand in a header fails when the response is made.
#[derive(Clone, Debug)]
pub struct Redirect {
    status: StatusCode,
    target: String,
}

impl Redirect {
    /// 303: the answer is over there, to be fetched with GET. The usual reply to a form.
    pub fn to(target: impl Into<String>) -> Self {
        Self::with(StatusCode::SEE_OTHER, target)
    }

    /// 307: ask there this time, with the same method and body.
    pub fn temporary(target: impl Into<String>) -> Self {
        Self::with(StatusCode::TEMPORARY_REDIRECT, target)
    }

    /// 308: ask there from now on, with the same method and body. Browsers remember it.
    pub fn permanent(target: impl Into<String>) -> Self {
        Self::with(StatusCode::PERMANENT_REDIRECT, target)
    }

    fn with(status: StatusCode, target: impl Into<String>) -> Self {
        let target = target.into();
        Self { status, target }
    }
}

impl IntoResponse for Redirect {
    fn into_response(self) -> Result<Response> {
        let Ok(target) = HeaderValue::from_str(&self.target) else {
            return Err(format!("cannot redirect to {:?}", self.target).into());
        };
        (self.status, [(LOCATION, target)], ()).into_response()
    }
}
