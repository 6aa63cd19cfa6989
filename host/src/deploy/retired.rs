//! Versions that were replaced, until the last of their requests has ended.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

use super::source::Application;

/// How often an old version is looked after. It is not waited for in the queue
/// of its own requests: one that came with the swap would wait behind.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Keeps them.
#[derive(Default)]
pub(super) struct Retired(TaskTracker);

impl Retired {
    /// Keeps a version until no request is running on it.
    pub(super) fn keep(&self, application: Arc<dyn Application>) {
        self.0.spawn(async move {
            while !is_idle(application.as_ref()) {
                sleep(LOOK_EVERY).await;
            }
        });
    }

    /// Waits until all of them are gone.
    pub(super) async fn drained(&self) {
        self.0.close();
        self.0.wait().await;
        self.0.reopen();
    }
}

/// Whether none of its requests is running.
pub(super) fn is_idle(application: &dyn Application) -> bool {
    application.drained().now_or_never().is_some()
}
