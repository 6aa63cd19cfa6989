//! Versions that were replaced, until the last of their requests has ended.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

use super::source::Application;
use crate::message::Pot;

/// How often an old version is looked after. It is not waited for in the queue
/// of its own requests: one that came with the swap would wait behind.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Keeps them.
pub(super) struct Retired {
    tasks: TaskTracker,
    /// What they take, which tenants share.
    bytes: Arc<Pot>,
}

impl Retired {
    /// None yet, for as many bytes as may be loaded.
    pub(super) fn new(bytes_max: u64) -> Self {
        Self {
            tasks: TaskTracker::new(),
            bytes: Pot::of(usize::try_from(bytes_max).unwrap_or(usize::MAX)),
        }
    }

    /// Keeps a version of this tenant's until no request is running on it.
    pub(super) fn keep(&self, application: Arc<dyn Application>, tenant: &str) {
        let mut bytes = self.bytes.portion();
        // It is here whether it fits or not; what comes next is not loaded then.
        let most = self.bytes.left_for(tenant);
        let own = usize::try_from(application.loaded_bytes()).unwrap_or(usize::MAX);
        bytes.grow_for(tenant, own.min(most));
        self.tasks.spawn(async move {
            while !is_idle(application.as_ref()) {
                sleep(LOOK_EVERY).await;
            }
            drop(bytes);
        });
    }

    /// Whether more of this tenant's may be loaded.
    ///
    /// # Errors
    ///
    /// A sentence, if its old versions take too much.
    pub(super) fn check(&self, tenant: &str) -> Result<(), String> {
        match self.bytes.left_for(tenant) {
            0 => Err(format!(
                "requests are still running on so many old versions of tenant {tenant}'s \
                 applications that no more is loaded"
            )),
            _ => Ok(()),
        }
    }

    /// Waits until all of them are gone.
    pub(super) async fn drained(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.tasks.reopen();
    }
}

/// Whether none of its requests is running.
pub(super) fn is_idle(application: &dyn Application) -> bool {
    application.drained().now_or_never().is_some()
}
