//! Follows what changes while requests are served: files, and the configuration.

use std::future::pending;
use std::path::{Path, PathBuf};
use std::pin::pin;

use anyhow::Result;
use fcgi_wasm::{Catalogue, Refreshed, Watcher, printable};
use tokio::sync::Notify;

use super::folder_of;
use super::host::{Host, Wish};
use crate::args;
use crate::observing::Observing;
use crate::systemd;

/// Looks after files, and reads the configuration anew each time that it is told
/// to. A change that takes long is given up for a newer one. Never ends.
pub(super) async fn follow(
    host: &mut Host,
    path: &Path,
    flags: &args::Observing,
    observing: &Observing,
    reload: &Notify,
) -> Result<()> {
    let catalogue = host.catalogue().clone();
    let is_watching = host.is_watching();
    let mut watcher = Watcher::new();
    let changed = async |watcher: &Watcher| match is_watching {
        true => watcher.changed().await,
        false => pending().await,
    };
    loop {
        watcher.watch(host.watched_folders());
        // What changed before it was watched, too. A new version may take minutes
        // to compile, for which nobody else is to wait.
        catalogue.refresh_each(tell);
        tokio::select! {
            () = changed(&watcher) => continue,
            () = reload.notified() => {}
        }
        let mut wish = Wish::read(path, flags, observing);
        while let Some(newest) = wish.take() {
            let mut changing = pin!(host.change(newest, observing));
            // Until it is done, or a newer one can take its place.
            while wish.is_none() {
                tokio::select! {
                    () = changing.as_mut() => break,
                    () = changed(&watcher) => catalogue.refresh_each(tell),
                    () = reload.notified() => wish = Wish::read(path, flags, observing),
                }
            }
        }
        systemd::reloaded();
    }
}

/// Says what came of a look after an application's file.
fn tell(app: &str, refreshed: &Refreshed) {
    // What is refused has been told.
    if *refreshed == Refreshed::Replaced {
        tracing::info!(app = %printable(app), "the new version serves");
    }
}

/// For one application without a configuration: looks after its files each time
/// it is asked to, and by itself if that is wanted. Never ends.
pub(crate) async fn keep_fresh(
    catalogue: &Catalogue,
    files: &[PathBuf],
    reload: &Notify,
    is_watching: bool,
) {
    let mut watcher = Watcher::new();
    let mut is_asked = false;
    loop {
        if is_watching {
            watcher.watch(files.iter().map(|file| folder_of(file)));
        }
        // What changed before it was watched, too.
        for (app, refreshed) in catalogue.refresh().await {
            tell(&app, &refreshed);
        }
        if is_asked {
            systemd::reloaded();
        }
        let changed = async {
            match is_watching {
                true => watcher.changed().await,
                false => pending().await,
            }
        };
        is_asked = tokio::select! {
            () = reload.notified() => true,
            () = changed => false,
        };
    }
}
