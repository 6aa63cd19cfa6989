//! Serving what a configuration calls for, and changing over to another one
//! while requests run.

mod host;
mod places;
mod sockets;

use std::future::pending;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use anyhow::Result;
use fcgi_wasm::{Catalogue, Listener, Readiness, Refreshed, Watcher};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::args;
use crate::config;
use crate::memory;
use crate::observing::Observing;
use crate::systemd;
use host::Host;
use places::Places;

/// Serves until `stop` is ready, and reads the configuration anew each time
/// that `reload` is told.
pub(crate) async fn serve(
    path: &Path,
    passed: Vec<Listener>,
    flags: &args::Observing,
    reload: &Notify,
    mut stop: Pin<&mut impl Future<Output = ()>>,
) -> Result<()> {
    let plan = config::load(path)?;
    let drain_timeout = plan.server.drain_timeout;
    let observing = Observing::start_to_change(plan.wanted.clone().with(flags))?;
    let mut host = Host::new(&plan.server, Places::new(passed)?, observing.observers())?;
    tokio::select! {
        applied = host.apply(plan) => applied?,
        () = stop.as_mut() => return Ok(()),
    }
    let thrift = tokio::spawn(memory::give_back(host.catalogue().clone()));
    let mut watcher = Watcher::new();
    systemd::ready(&format!("serving {}", path.display()));
    systemd::start_watchdog();
    observing.set_readiness(Readiness::Ready);
    let mut is_asked = false;
    loop {
        watcher.watch(host.watched_folders());
        // What changed before it was watched, too. A new version may take minutes
        // to compile, for which nobody else is to wait.
        host.catalogue().refresh_each(tell);
        if is_asked {
            systemd::reloaded();
        }
        let changed = async {
            match host.is_watching() {
                true => watcher.changed().await,
                false => pending().await,
            }
        };
        is_asked = tokio::select! {
            () = stop.as_mut() => break,
            () = reload.notified() => true,
            () = changed => false,
        };
        if is_asked {
            tokio::select! {
                () = host.reload(path, flags, &observing) => {}
                () = stop.as_mut() => break,
            }
        }
    }
    observing.set_readiness(Readiness::Stopping);
    thrift.abort();
    host.close().await;
    drain(host.catalogue(), drain_timeout).await;
    observing.flush();
    Ok(())
}

/// Guests may work on after their answers.
pub(crate) async fn drain(catalogue: &Catalogue, drain_timeout: std::time::Duration) {
    if timeout(drain_timeout, catalogue.drained()).await.is_err() {
        tracing::warn!("work after answers was cut off (--drain-timeout)");
    }
}

/// Says what came of a look after an application's file.
fn tell(app: &str, refreshed: &Refreshed) {
    // What is refused has been told.
    if *refreshed == Refreshed::Replaced {
        tracing::info!("{app}: the new version serves");
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

/// The folder in which a file is replaced.
fn folder_of(file: &Path) -> PathBuf {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new(".")).to_owned()
}
