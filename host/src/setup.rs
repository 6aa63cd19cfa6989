//! What keeps the server from starting: a sentence for the operator.

/// The server can not be set up as asked. The sentence names what is wrong and
/// what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SetupError(String);

impl SetupError {
    /// An error that reads as this sentence.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}
