//! What keeps the server from starting: a sentence for the operator.

use std::fmt::Display;
use std::io::{self, ErrorKind};

/// The server can not be set up as asked. The sentence names what is wrong and
/// what to do.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub struct SetupError {
    sentence: String,
    is_of_user: bool,
}

impl SetupError {
    /// An error that reads as this sentence.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self {
            sentence: sentence.into(),
            is_of_user: false,
        }
    }

    /// The same of something that another user could do.
    pub(crate) fn of_user(sentence: impl Into<String>) -> Self {
        Self {
            sentence: sentence.into(),
            is_of_user: true,
        }
    }

    /// What can not be done, and what the system says of it.
    pub(crate) fn of_system(what: impl Display, error: &io::Error) -> Self {
        Self {
            sentence: format!("{what}: {error}"),
            is_of_user: error.kind() == ErrorKind::PermissionDenied,
        }
    }

    /// Whether it is for want of rights: another user may not meet it.
    pub fn is_of_user(&self) -> bool {
        self.is_of_user
    }
}
