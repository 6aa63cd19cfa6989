//! What can be wrong with a request's body, and the status that says so.

use http::StatusCode;
use std::error::Error as StdError;
use std::fmt;
use std::io;

/// Why a request's body could not be used.
///
/// Passed on with `?` it becomes an [`Error`](crate::Error) of which the visitor is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyError {
    /// The client went away, or sent less than it announced.
    Incomplete,
    /// More than the operator allows, or more than the [limit](crate::Body::limit) under
    /// which the body was gathered.
    TooLarge,
    /// The request's `content-type` is not the one named here.
    OtherType(&'static str),
    /// The body is not what its type promises: not UTF-8, not JSON, not the fields asked for.
    Malformed(String),
}

impl BodyError {
    /// The status for it: 413 if it is too large, 415 if it is of another type, else 400.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::OtherType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Incomplete | Self::Malformed(_) => StatusCode::BAD_REQUEST,
        }
    }

    /// The body's error among `error` and its causes.
    pub(crate) fn inside<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref().or_else(|| Self::carried(error)) {
                return Some(found);
            }
            next = error.source();
        }
        None
    }

    /// The body's error that an `io::Error` carries: its `source` would pass over it.
    fn carried<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        error
            .downcast_ref::<io::Error>()?
            .get_ref()?
            .downcast_ref::<Self>()
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incomplete => write!(f, "the request body is incomplete"),
            Self::TooLarge => write!(f, "the request body is too large"),
            Self::OtherType(expected) => write!(f, "the request body must be {expected}"),
            Self::Malformed(why) => write!(f, "the request body is malformed: {why}"),
        }
    }
}

impl StdError for BodyError {}

/// What reading a body came to, whatever was read from.
impl From<io::Error> for BodyError {
    fn from(error: io::Error) -> Self {
        Self::inside(&error).cloned().unwrap_or(Self::Incomplete)
    }
}

/// What [`Read`](io::Read) fails with; the body's error is inside.
impl From<BodyError> for io::Error {
    fn from(error: BodyError) -> Self {
        let kind = match &error {
            BodyError::Incomplete => io::ErrorKind::UnexpectedEof,
            BodyError::TooLarge => io::ErrorKind::FileTooLarge,
            BodyError::OtherType(_) | BodyError::Malformed(_) => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}
