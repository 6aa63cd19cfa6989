//! What one tenant may have loaded at a time, so that others have theirs loaded
//! meanwhile.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many of one tenant's requests may wait for its applications to be loaded:
/// as many as it may have under way, unless set. What they have begun to load
/// counts as well, because it goes on without them.
pub(super) const WAITING_MAX: usize = 128;

/// A tenant's rights, for all of its applications together.
pub(super) struct Share {
    waiting: Arc<Semaphore>,
    /// The right to look into the cache of compiled code: reading 128 MiB keeps
    /// a disk and a processor busy.
    pub(super) fetches: Semaphore,
    /// The right to compile.
    pub(super) compiles: Semaphore,
}

/// A place among those who wait, which a request and the load that it began have
/// in common.
pub(super) type Waiting = Arc<OwnedSemaphorePermit>;

impl Share {
    pub(super) fn new() -> Self {
        Self {
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            fetches: Semaphore::new(1),
            compiles: Semaphore::new(1),
        }
    }

    /// A place among those who wait, if there is one.
    pub(super) fn wait(&self) -> Option<Waiting> {
        let waiting = self.waiting.clone().try_acquire_owned();
        waiting.ok().map(Arc::new)
    }
}
