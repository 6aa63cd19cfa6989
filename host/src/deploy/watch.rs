//! Tells that files may have changed.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep, timeout};

/// How long folders must be quiet before what changed there is looked at: a
/// copy writes in pieces.
const QUIET: Duration = Duration::from_millis(100);

/// … and how long that is waited for where they are never quiet.
const QUIET_WAIT_MAX: Duration = Duration::from_secs(2);

/// How often files are looked at though nothing was reported: other machines'
/// changes on a network file system are not, nor changes of a file elsewhere
/// that a symbolic link leads to.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// … and where the system reports nothing at all, because it has no more
/// watches to give (`fs.inotify.max_user_watches`) or can not watch.
const LOOK_EVERY_UNWATCHED: Duration = Duration::from_secs(2);

/// Events that are read at a time, bytes. They are counted for nothing, so the
/// buffer need not hold all.
const EVENTS_BYTES: usize = 4096;

/// Watches folders. What is reported is only that something changed, so nothing
/// piles up however much does; what it was is for the file's stamp to tell.
pub struct Watcher {
    inotify: Option<AsyncFd<OwnedFd>>,
    watches: HashMap<PathBuf, i32>,
    is_complete: bool,
}

impl Watcher {
    /// A watcher of nothing. Needs a tokio runtime. Where the system can not
    /// watch, it looks every two seconds.
    pub fn new() -> Self {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK);
        let inotify = inotify.map_err(std::io::Error::from);
        #[expect(deprecated, reason = "an `OwnedFd` is open for as long as it lives")]
        let inotify = inotify.and_then(|fd| AsyncFd::with_interest(fd, Interest::READABLE));
        let inotify = inotify
            .inspect_err(|error| tracing::warn!("looking for changes every 2 s: {error}"))
            .ok();
        Self {
            is_complete: inotify.is_some(),
            inotify,
            watches: HashMap::new(),
        }
    }

    /// Watches exactly these folders from now on. To be said again after each
    /// change: a folder that was removed and made anew is another one.
    pub fn watch(&mut self, folders: impl IntoIterator<Item = PathBuf>) {
        let Some(inotify) = &self.inotify else {
            return;
        };
        let inotify = inotify.get_ref();
        // Not what is merely read: to read is what follows.
        let events = WatchFlags::ATTRIB
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MODIFY
            | WatchFlags::MOVE;
        let mut watches = HashMap::new();
        let mut failure = None;
        for folder in folders {
            if watches.contains_key(&folder) {
                continue;
            }
            match inotify::add_watch(inotify, &folder, events) {
                Ok(watch) => {
                    watches.insert(folder, watch);
                }
                Err(error) => failure = Some(format!("{}: {error}", folder.display())),
            }
        }
        for gone in self.watches.values() {
            if !watches.values().any(|watch| watch == gone) {
                // It may have gone by itself, with its folder.
                let _ = inotify::remove_watch(inotify, *gone);
            }
        }
        if let Some(failure) = &failure
            && self.is_complete
        {
            tracing::warn!("looking for changes every 2 s instead of watching {failure}");
        }
        self.is_complete = failure.is_none();
        self.watches = watches;
    }

    /// Waits until something may have changed and no more does.
    pub async fn changed(&self) {
        let look_every = match self.is_complete {
            true => LOOK_EVERY,
            false => LOOK_EVERY_UNWATCHED,
        };
        if timeout(look_every, self.reported()).await.is_err() {
            return;
        }
        let end = Instant::now() + QUIET_WAIT_MAX;
        while Instant::now() < end && timeout(QUIET, self.reported()).await.is_ok() {}
    }

    /// Waits for reports, and drops what they say.
    async fn reported(&self) {
        let Some(inotify) = &self.inotify else {
            return std::future::pending().await;
        };
        let mut buffer = [0; EVENTS_BYTES];
        loop {
            let Ok(mut ready) = inotify.readable().await else {
                return sleep(LOOK_EVERY_UNWATCHED).await;
            };
            let read = ready.try_io(|inotify| Ok(rustix::io::read(inotify, &mut buffer)?));
            if read.is_ok() {
                return;
            }
        }
    }
}

impl Default for Watcher {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn is_told(watcher: &Watcher, patience: Duration) -> bool {
        timeout(patience, watcher.changed()).await.is_ok()
    }

    #[tokio::test]
    async fn a_change_is_told_and_reading_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("app.wasm");
        std::fs::write(&file, "one").expect("written");
        let mut watcher = Watcher::new();
        watcher.watch([folder.path().to_owned()]);
        std::fs::read(&file).expect("read");
        assert!(!is_told(&watcher, QUIET * 3).await, "reading was told");
        std::fs::write(&file, "two").expect("written");
        assert!(is_told(&watcher, LOOK_EVERY / 2).await);
        watcher.watch([]);
        // That it is watched no more is told as well.
        assert!(is_told(&watcher, LOOK_EVERY / 2).await);
        std::fs::write(&file, "three").expect("written");
        assert!(!is_told(&watcher, QUIET * 3).await, "it is not watched");
    }
}
