//! What systemd, or another manager that knows its protocol, is told
//! (sd_notify(3)): that the server is ready, reloads, stops, and lives.

use sd_notify::NotifyState;

/// It serves; what it serves is shown by `systemctl status`.
pub(crate) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// It reads what a reload reads; [`reloaded`] follows.
pub(crate) fn reloading() {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, now]);
    }
}

/// All is read that a reload reads, and serves or was refused, as the status says.
pub(crate) fn reloaded(status: &str) {
    // A line of its protocol ends at the first line end.
    let status = status.lines().next().unwrap_or_default();
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// It takes no more connections.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Tells twice in the time of `WatchdogSec=` that tasks still get their turn,
/// if the unit wants to know. Ends with the runtime.
pub(crate) fn start_watchdog() {
    if let Some(patience) = sd_notify::watchdog_enabled() {
        tokio::spawn(async move {
            let mut turns = tokio::time::interval(patience / 2);
            loop {
                turns.tick().await;
                tell(&[NotifyState::Watchdog]);
            }
        });
    }
}

fn tell(states: &[NotifyState<'_>]) {
    // Without NOTIFY_SOCKET there is nobody to tell, and start-stop-daemon
    // listens until the server is ready only.
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!("cannot tell {states:?}: {error}");
    }
}
