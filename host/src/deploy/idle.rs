//! Empties a place for an application once nobody has asked for so long, unless what
//! is loaded is all that can be served: its file was changed, and refused.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::slot::Place;

/// Whoever looks whether a place is idle. Dropping it ends that.
pub(super) struct IdleWatch(AbortHandle);

impl IdleWatch {
    /// Empties this place once nobody has asked for so long.
    pub(super) fn begin(place: &Arc<Place>, idle_max: Duration) -> Self {
        let watching = watch(Arc::downgrade(place), idle_max);
        Self(tokio::spawn(watching).abort_handle())
    }
}

impl Drop for IdleWatch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn watch(place: Weak<Place>, idle_max: Duration) {
    let mut wait = idle_max;
    loop {
        sleep(wait).await;
        let Some(place) = place.upgrade() else {
            return;
        };
        let left = idle_max.saturating_sub(place.unused_for());
        if !left.is_zero() {
            wait = left;
        } else if place.is_idle() && place.refused_version().is_none() {
            place.empty("nobody asks for it");
            return;
        } else {
            // A long answer that is under way counts as use.
            wait = idle_max;
        }
    }
}
