//! Serving what a configuration calls for, and changing over to another one
//! while requests run.

mod changes;
mod host;
mod parties;
mod places;
mod sockets;
mod standing;

use std::path::{Path, PathBuf};
use std::pin::Pin;

use anyhow::Result;
use fcgi_wasm::{Catalogue, Listener, Readiness};
use tokio::time::timeout;

use crate::args;
use crate::config;
use crate::descriptors::{self, Need};
use crate::memory;
use crate::observing::Observing;
use crate::reload::Asked;
use crate::systemd;
pub(crate) use changes::keep_fresh;
use host::Host;
use places::Places;

/// Serves until `stop` is ready, and reads the configuration anew each time
/// that `reload` is told.
pub(crate) async fn serve(
    path: &Path,
    passed: Vec<Listener>,
    flags: &args::Observing,
    reload: &Asked,
    mut stop: Pin<&mut impl Future<Output = ()>>,
) -> Result<()> {
    let plan = config::load(path)?;
    descriptors::check(&Need::of(&plan));
    let drain_timeout = plan.server.drain_timeout;
    let observing = Observing::start_to_change(plan.wanted.clone().with(flags)).await?;
    let mut host = Host::new(&plan.server, Places::new(passed)?, observing.observers())?;
    observing.watch_catalogue(host.catalogue());
    let thrift = tokio::spawn(memory::give_back(host.catalogue().clone()));
    let serving = async {
        host.apply(plan).await?;
        let status = format!("serving {}", path.display());
        systemd::ready(&status);
        systemd::start_watchdog();
        observing.set_readiness(Readiness::Ready);
        changes::follow(&mut host, path, flags, &observing, reload, &status).await
    };
    tokio::select! {
        served = serving => served?,
        () = stop.as_mut() => {}
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
        tracing::warn!("work after answers was cut off (--drain-timeout, drain_timeout)");
    }
}

/// The folder in which a file is replaced.
fn folder_of(file: &Path) -> PathBuf {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new(".")).to_owned()
}
