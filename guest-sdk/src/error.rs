//! The error of a handler: what the visitor is told, and what the log gets.

use crate::BodyError;
use crate::IntoResponse;
use crate::Response;
use crate::response::typed;
use http::StatusCode;
use std::error::Error as StdError;
use std::fmt;

/// A `Result` whose error is [`Error`] unless another one is named.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any error at all, as `std` boxes it.
pub(crate) type BoxError = Box<dyn StdError + Send + Sync>;

/// Why a handler has no proper response.
///
/// There are two kinds, and the difference is who learns the text:
///
/// | made by | the visitor gets | the web server's error log gets |
/// | --- | --- | --- |
/// | [`Error::new`] | that status and that message | nothing |
/// | `?` on any other error | a plain 500 | the error and its causes |
///
/// The exception to the second line is a [`BodyError`]: what is wrong with a request's body
/// is the visitor's business, so `?` keeps its [status](BodyError::status) and text.
///
/// Like `anyhow::Error` this type takes in every error, and so is none itself: it does not
/// implement [`std::error::Error`].
///
/// ```
/// use fcgi_wasm_sdk::prelude::*;
///
/// fn page(request: &Request) -> Result<u32> {
///     let Some(query) = request.uri().query() else {
///         return Err(Error::new(StatusCode::NOT_FOUND, "There is no such page.\n"));
///     };
///     Ok(query.parse()?) // A plain 500 for the visitor, "invalid digit ..." for the log.
/// }
/// ```
#[derive(Debug)]
pub struct Error {
    /// The status under which the visitor may read the cause, if they may.
    told: Option<StatusCode>,
    cause: BoxError,
}

impl Error {
    /// An error of which the visitor is told: `status`, and `message` as plain text.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            told: Some(status),
            cause: message.into().into(),
        }
    }

    /// The status that the visitor gets.
    pub fn status(&self) -> StatusCode {
        self.told.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// What the visitor is told, if they are.
    pub(crate) fn page(&self) -> Option<Response> {
        let mut page = typed("text/plain; charset=utf-8", self.to_string());
        *page.status_mut() = self.told?;
        Some(page)
    }

    /// The same error of which the visitor is not told, because they see a response already.
    pub(crate) fn untold(self) -> Self {
        Self { told: None, ..self }
    }
}

impl<E: Into<BoxError>> From<E> for Error {
    fn from(error: E) -> Self {
        let cause = error.into();
        Self {
            told: BodyError::inside(&*cause).map(BodyError::status),
            cause,
        }
    }
}

/// The error, then its causes, joined by `: `.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.cause)?;
        let mut source = self.cause.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

/// Fails with the error itself: turning it into a page is left to who sends it.
impl IntoResponse for Error {
    fn into_response(self) -> Result<Response> {
        Err(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    fn parse(text: &str) -> Result<u32> {
        Ok(text.parse()?)
    }

    #[test]
    fn the_visitor_is_told_only_what_was_meant_for_them() {
        let page = Error::new(StatusCode::NOT_FOUND, "No such page.").page();
        assert_eq!(page.unwrap().status(), StatusCode::NOT_FOUND);

        let error = parse("x").unwrap_err();
        assert!(error.page().is_none());
        assert_eq!(error.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(error.to_string(), "invalid digit found in string");
    }

    #[test]
    fn a_body_error_keeps_its_status_however_deep_it_is() {
        #[derive(Debug)]
        struct Outer(io::Error);
        impl fmt::Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "upload")
            }
        }
        impl StdError for Outer {
            fn source(&self) -> Option<&(dyn StdError + 'static)> {
                Some(&self.0)
            }
        }

        let plain = Error::from(BodyError::TooLarge);
        assert_eq!(plain.status(), StatusCode::PAYLOAD_TOO_LARGE);
        let nested = Error::from(Outer(BodyError::TooLarge.into()));
        assert_eq!(nested.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(nested.to_string(), "upload: the request body is too large");
    }
}
