//! Where the versions of an application come from.

use std::sync::Arc;

use super::attempt::Attempt;
use super::stamp::Stamp;
use crate::message::{BoxFuture, Handler};
use crate::sandbox::App;
use crate::setup::SetupError;

/// A handler whose requests can be waited for.
pub trait Application: Handler {
    /// Waits until none of its requests is running.
    fn drained(&self) -> BoxFuture<'_, ()>;

    /// How much it takes as long as it is loaded, bytes.
    fn loaded_bytes(&self) -> u64 {
        0
    }
}

impl Application for App {
    fn drained(&self) -> BoxFuture<'_, ()> {
        Box::pin(Self::drained(self))
    }

    fn loaded_bytes(&self) -> u64 {
        Self::loaded_bytes(self)
    }
}

/// One version of an application, ready to serve.
#[derive(Clone)]
pub struct Version {
    /// Who answers.
    pub application: Arc<dyn Application>,
    /// What it was made from.
    pub stamp: Stamp,
}

/// Makes versions of one application.
///
/// Neither way waits for a file to be left alone: who calls has a right that
/// others wait for.
pub trait Source: Send + Sync + 'static {
    /// What a version would be made from now. Asked often, so it must be quick:
    /// a look at a file's attributes.
    ///
    /// # Errors
    ///
    /// If there is nothing to make one from.
    fn stamp(&self) -> Result<Stamp, SetupError>;

    /// A version that needs no compiling, because that was done before.
    ///
    /// # Errors
    ///
    /// A sentence, if what is there can not be served.
    fn kept(&self) -> BoxFuture<'_, Result<Attempt<Option<Version>>, SetupError>>;

    /// A version, compiled now.
    ///
    /// # Errors
    ///
    /// As [`kept`](Self::kept).
    fn compiled(&self) -> BoxFuture<'_, Result<Attempt<Version>, SetupError>>;
}
