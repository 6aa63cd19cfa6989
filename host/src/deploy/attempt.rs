//! Attempts to make something of a file that may change meanwhile. Who waits for
//! it to be left alone has no right that others wait for.

use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::source::Source;
use super::stamp::Stamp;
use crate::message::BoxFuture;
use crate::setup::SetupError;

/// What came of an attempt to make something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt<T> {
    /// This.
    Made(T),
    /// Nothing, because what it is made from changes: it is to be tried again
    /// when that is left alone.
    Disturbed,
}

impl<T> Attempt<T> {
    pub(super) fn map<U>(self, change: impl FnOnce(T) -> U) -> Attempt<U> {
        match self {
            Self::Made(made) => Attempt::Made(change(made)),
            Self::Disturbed => Attempt::Disturbed,
        }
    }
}

/// How often it is tried, every [`SETTLED_AFTER`](Stamp::SETTLED_AFTER): for two
/// seconds. Who copies 30 MB needs less than one.
const TRIES_MAX: u32 = 100;

/// Makes something of a source when it is left alone, with these rights, which are
/// taken in this order, and given back before each wait.
///
/// `name` is what it is called when it changes all the time.
pub(super) async fn when_left_alone<'s, T>(
    name: &str,
    source: &'s dyn Source,
    rights: [&Semaphore; 2],
    make: impl Fn(&'s dyn Source) -> BoxFuture<'s, Result<Attempt<T>, SetupError>>,
) -> Result<T, SetupError> {
    let gone = |_| SetupError::new("the server is stopping");
    for _ in 0..TRIES_MAX {
        {
            let _own = rights[0].acquire().await.map_err(gone)?;
            let _shared = rights[1].acquire().await.map_err(gone)?;
            if let Attempt::Made(made) = make(source).await? {
                return Ok(made);
            }
        }
        sleep(Stamp::SETTLED_AFTER).await;
    }
    Err(SetupError::new(format!(
        "the file of {name} changes all the time: write it beside and rename it"
    )))
}
