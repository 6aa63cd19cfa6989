//! Follows what changes while requests are served: files, and the configuration.

use std::future::pending;
use std::path::{Path, PathBuf};
use std::pin::pin;

use anyhow::Result;
use fcgi_wasm::{Slot, Watcher};

use super::folder_of;
use super::host::{Host, Wish};
use crate::args;
use crate::observing::Observing;
use crate::reload::{Asked, Outcome, Waiting};

/// Looks after files, and reads the configuration anew each time that it is told
/// to. A change that takes long is given up for a newer one. `serving` is what
/// systemd is told to be served. Never ends.
pub(super) async fn follow(
    host: &mut Host,
    path: &Path,
    flags: &args::Observing,
    observing: &Observing,
    reload: &Asked,
    serving: &str,
) -> Result<()> {
    let catalogue = host.catalogue().clone();
    let is_watching = host.is_watching();
    let mut watcher = Watcher::new();
    let changed = async |watcher: &Watcher| match is_watching {
        true => watcher.changed().await,
        false => pending().await,
    };
    let read = || Wish::read(path, flags, observing);
    loop {
        watcher.watch(host.watched_folders());
        // What changed before it was watched, too. A new version may take minutes
        // to compile, for which nobody else is to wait.
        catalogue.refresh_each();
        let mut waiting = tokio::select! {
            () = changed(&watcher) => continue,
            waiting = reload.next() => waiting,
        };
        let mut outcome = Outcome::Done;
        let mut wish = read().map_err(|refused| outcome = refused).ok();
        while let Some(newest) = wish.take() {
            let mut changing = pin!(host.change(newest, observing));
            // Until it is done, or a newer one can take its place.
            while wish.is_none() {
                tokio::select! {
                    changed = changing.as_mut() => {
                        outcome = changed;
                        break;
                    }
                    () = changed(&watcher) => catalogue.refresh_each(),
                    newer = reload.next() => match read() {
                        Ok(newest) => {
                            waiting.join(newer);
                            wish = Some(newest);
                        }
                        Err(refused) => newer.tell_alone(&refused),
                    },
                }
            }
        }
        waiting.tell(&outcome, serving);
    }
}

/// For one application without a configuration: looks after its files each time
/// it is asked to, and by itself if that is wanted. Never ends.
pub(crate) async fn keep_fresh(
    slot: &Slot,
    files: &[PathBuf],
    reload: &Asked,
    is_watching: bool,
    serving: &str,
) {
    let mut watcher = Watcher::new();
    let mut asked: Option<Waiting> = None;
    loop {
        if is_watching {
            watcher.watch(files.iter().map(|file| folder_of(file)));
        }
        // What changed before it was watched, too.
        slot.refresh().await;
        if let Some(waiting) = asked {
            let refusal = slot.refusal().map(|reason| (slot.name(), reason));
            waiting.tell(&Outcome::without(refusal.into_iter().collect()), serving);
        }
        let changed = async {
            match is_watching {
                true => watcher.changed().await,
                false => pending().await,
            }
        };
        asked = tokio::select! {
            waiting = reload.next() => Some(waiting),
            () = changed => None,
        };
    }
}
