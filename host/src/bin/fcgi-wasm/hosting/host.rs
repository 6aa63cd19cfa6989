//! The applications, tenants and sockets of a configuration at work.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use bytesize::ByteSize;
use fcgi_wasm::{AppFile, Catalogue, DocumentRoot, Engine, Observer, Slot, Tenant};
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use rustix::process::{Resource, getrlimit};

use super::parties::{Ways, parties};
use super::places::Places;
use super::sockets::Sockets;
use super::standing::Standing;
use crate::args::{self, CacheArgs};
use crate::config::{self, App, Plan, Server};
use crate::descriptors::{self, Need};
use crate::observing::{Observing, OpenLogs};
use crate::reload::Outcome;
use crate::{engine, log};

pub(super) struct Host {
    engine: Engine,
    catalogue: Catalogue,
    server: Server,
    standing: Standing,
    sockets: Sockets,
}

/// A configuration that was read and is to be changed over to.
pub(super) struct Wish {
    path: PathBuf,
    plan: Plan,
    logs: OpenLogs,
}

impl Wish {
    /// Reads the configuration anew.
    ///
    /// # Errors
    ///
    /// If it is refused. The log says why.
    pub(super) fn read(
        path: &Path,
        flags: &args::Observing,
        observing: &Observing,
    ) -> Result<Self, Outcome> {
        let read = || {
            let plan = config::load(path)?;
            descriptors::check(&Need::of(&plan));
            let logs = observing.prepare(plan.wanted.clone().with(flags))?;
            let path = path.to_owned();
            Ok(Self { path, plan, logs })
        };
        read().map_err(|error| refuse(&error))
    }
}

fn refuse(error: &anyhow::Error) -> Outcome {
    let reason = format!("{error:#}");
    tracing::error!("the configuration is refused, and the old one goes on:");
    for line in reason.lines() {
        tracing::error!("{line}");
    }
    Outcome::Refused(reason)
}

impl Host {
    pub(super) fn new(
        server: &Server,
        places: Places,
        observers: &[Arc<dyn Observer>],
    ) -> Result<Self> {
        let cache = CacheArgs {
            cache: server.cache.clone(),
            no_cache: false,
            cache_size: ByteSize(server.cache_bytes_max),
        };
        let catalogue = Catalogue::new()
            .loaded_max(loaded_max(server.loaded_apps))
            .loaded_bytes_max(server.loaded_bytes_max)
            .idle_max(server.idle_unload)
            .compiles_max(server.compiles)
            .wait_max(server.load_wait);
        let options = Engine::options()
            .instances_max(server.instances)
            .compiles_max(server.compiles);
        Ok(Self {
            engine: engine::start(options, &cache, observers)?,
            catalogue,
            server: server.clone(),
            standing: Standing::default(),
            sockets: Sockets::new(places, observers),
        })
    }

    pub(super) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    pub(super) fn is_watching(&self) -> bool {
        self.server.watch
    }

    pub(super) fn watched_folders(&self) -> BTreeSet<PathBuf> {
        match self.server.watch {
            true => self.standing.folders(),
            false => BTreeSet::new(),
        }
    }

    /// Changes over to a configuration that was read anew, or goes on as it is and
    /// says why. May be dropped for a newer one: then some tenants have changed
    /// over, and the others have what they had.
    pub(super) async fn change(&mut self, wish: Wish, observing: &Observing) -> Outcome {
        let Wish { path, plan, logs } = wish;
        let log = plan.log.clone();
        match self.apply(plan).await {
            Ok(()) => {
                observing.change(logs);
                tracing::info!("{} was read again", path.display());
                log::change(&log);
                Outcome::without(self.refusals().await)
            }
            Err(error) => refuse(&error),
        }
    }

    /// Looks after the files of all applications that were asked for; those that are
    /// not served as they are now, and why.
    async fn refusals(&self) -> Vec<(&str, String)> {
        let slots = self.standing.apps.values().map(|(_, slot)| slot);
        let looks = slots.map(|slot| async {
            if slot.is_loaded() {
                slot.refresh().await;
            } else if slot.refusal().is_some() {
                // What it lacked may be there now.
                let _ = slot.load().await;
            }
            Some((slot.name(), slot.refusal()?))
        });
        join_all(looks).await.into_iter().flatten().collect()
    }

    /// Changes over to this plan. What stays as it was is not touched; what is
    /// new or changed is made ready first. Each tenant changes over as soon as
    /// all of its own is ready, which may take others minutes, and all that it
    /// has at the same moment. At last sockets that are not wanted any more are
    /// closed.
    ///
    /// # Errors
    ///
    /// If a socket can not be opened. Then nothing has changed.
    pub(super) async fn apply(&mut self, plan: Plan) -> Result<()> {
        for missing in &plan.missing {
            tracing::warn!("{missing}");
        }
        if plan.server != self.server {
            tracing::warn!("what changed in [server] counts from the next start on");
        }
        let mut bound = self.sockets.bind(&plan)?;
        self.sockets.change(plan.sockets.values());
        let parties = self.parties(&plan);
        let mut waiting: BTreeSet<String> = parties.iter().flatten().cloned().collect();
        let parties = parties.into_iter().map(|party| {
            let ready = self.make_ready(&plan, &party);
            async { (party, ready.await) }
        });
        let parties: FuturesUnordered<_> = parties.collect();
        // Those that have nothing to load are ready at once, so it is one change.
        let mut parties = parties.ready_chunks(waiting.len().max(1));
        loop {
            let is_ready = |of_tenants: Option<&str>| match of_tenants {
                Some(tenant) => !waiting.contains(tenant),
                None => waiting.is_empty(),
            };
            let tenant = |app: &str| plan.apps.get(app).map(|app| &*app.tenant);
            let sockets = plan.sockets.values().filter(|socket| {
                let of_app = socket.app.as_deref().and_then(tenant);
                is_ready(of_app.or(socket.tenant.as_deref()))
            });
            let routes = |socket: &_| self.standing.routes(&self.catalogue, socket);
            let drain_max = self.server.drain_timeout;
            self.sockets.route(sockets.clone(), routes);
            self.sockets.serve(&mut bound, sockets, drain_max, routes);
            let Some(ready) = parties.next().await else {
                break;
            };
            for (party, standing) in ready {
                waiting.retain(|tenant| !party.contains(tenant));
                self.standing.replace(&party, standing);
            }
        }
        self.sockets.close_others(plan.sockets.values());
        Ok(())
    }

    pub(super) async fn close(&mut self) {
        self.sockets.close().await;
    }

    /// All tenants that there are and will be, by who changes over with whom.
    fn parties(&self, plan: &Plan) -> Vec<BTreeSet<String>> {
        let Standing {
            tenants,
            apps,
            roots,
        } = &self.standing;
        let named = tenants.keys().chain(plan.tenants.keys());
        let apps = apps.iter().map(|(name, (app, _))| (&**name, app)).collect();
        let roots = roots.values().map(|(root, _)| root);
        let before = Ways::new(&apps, roots, self.sockets.open());
        let apps = plan.apps.iter().map(|(name, app)| (&**name, app)).collect();
        let after = Ways::new(&apps, plan.documents.values(), plan.sockets.values());
        parties(named.map(|name| &**name).collect(), &before, &after)
    }

    /// What these tenants are to have, once that is loaded.
    fn make_ready<'p>(
        &self,
        plan: &'p Plan,
        party: &BTreeSet<String>,
    ) -> impl Future<Output = Standing> + use<'p> {
        let old = &self.standing;
        let mut new = Standing::default();
        // What belongs to one that changes is made anew.
        let is_kept = |tenant: &String| {
            let known = old.tenants.get(tenant).map(|(known, _)| known);
            known.is_some() && known == plan.tenants.get(tenant)
        };
        for name in party {
            let Some(wanted) = plan.tenants.get(name) else {
                continue; // it goes
            };
            let known = old.tenants.get(name).filter(|_| is_kept(name)).cloned();
            let tenant = known.unwrap_or_else(|| {
                let tenant = Tenant::new(&self.engine, name, wanted.budget.clone());
                (wanted.clone(), tenant)
            });
            new.tenants.insert(name.clone(), tenant);
        }
        for (name, wanted) in &plan.documents {
            let Some((_, tenant)) = new.tenants.get(&wanted.tenant) else {
                continue; // it is another party's
            };
            let known = old.roots.get(name);
            let known = known.filter(|(known, _)| known == wanted && is_kept(&wanted.tenant));
            let root = known.cloned();
            let root = root.unwrap_or_else(|| (wanted.clone(), root_of(tenant, wanted)));
            new.roots.insert(name.clone(), root);
        }
        let mut loading = Vec::new();
        for (name, wanted) in &plan.apps {
            let Some((_, tenant)) = new.tenants.get(&wanted.tenant) else {
                continue;
            };
            let is_kept = is_kept(&wanted.tenant);
            match old.apps.get(name).cloned() {
                Some(known) if is_kept && known.0 == *wanted => {
                    new.apps.insert(name.clone(), known);
                }
                known => {
                    let slot = self.slot(name, tenant, wanted);
                    loading.push(successor(name, known, wanted, is_kept, slot));
                }
            }
        }
        async {
            // Together: the catalogue knows how many are read or compiled at a time.
            new.apps.extend(join_all(loading).await);
            new
        }
    }

    fn slot(&self, name: &str, tenant: &Tenant, app: &App) -> Slot {
        let source = AppFile::new(tenant, name, &app.file, app.policy.clone());
        match app.preload {
            true => self.catalogue.lasting_slot(name, tenant.name(), source),
            false => self.catalogue.slot(name, tenant.name(), source),
        }
    }
}

fn root_of(tenant: &Tenant, wanted: &config::Documents) -> DocumentRoot {
    let root = DocumentRoot::new(&wanted.root, tenant, wanted.policy.clone());
    let owners = wanted.owners.iter().copied();
    owners.fold(root.app_name(&wanted.name), DocumentRoot::owner)
}

/// Who answers for an application from now on: its new version, which is loaded
/// first if it is to be or the old one was, or else the old one.
async fn successor(
    name: &str,
    known: Option<(App, Slot)>,
    wanted: &App,
    is_tenant_kept: bool,
    slot: Slot,
) -> (String, (App, Slot)) {
    let was_loaded = known.as_ref().is_some_and(|(_, slot)| slot.is_loaded());
    let is_ready = match was_loaded || wanted.preload {
        true => is_loaded(name, &slot).await,
        false => true,
    };
    let old = known.filter(|_| was_loaded && !is_ready);
    let app = old.and_then(|old| going_on(name, old, wanted, is_tenant_kept));
    (
        name.to_owned(),
        app.unwrap_or_else(|| (wanted.clone(), slot)),
    )
}

/// Loads an application; if that fails the log says why, and the others are
/// served.
async fn is_loaded(name: &str, slot: &Slot) -> bool {
    let loaded = slot.load().await;
    if let Err(error) = &loaded {
        tracing::warn!(app = %name, "refused: {error}");
    }
    loaded.is_ok()
}

/// The old version of an application whose new one can not be loaded: it goes on
/// if only its file is broken, on the routes that are wanted now. What else was
/// changed holds at once. Else who can write to the file could keep a grant that
/// was taken away, by breaking it.
fn going_on(
    name: &str,
    (known, slot): (App, Slot),
    wanted: &App,
    is_tenant_kept: bool,
) -> Option<(App, Slot)> {
    let why = if known.tenant != wanted.tenant {
        "it belongs to another tenant now"
    } else if !is_tenant_kept {
        "its tenant was changed"
    } else if known.policy != wanted.policy {
        "its limits or grants were changed"
    } else {
        let routes = wanted.routes.clone();
        // With its old file, so that the next reload tries the new one again.
        return Some((App { routes, ..known }, slot));
    };
    tracing::warn!(
        app = %name,
        "the old version does not go on until its file can be loaded, because {why}"
    );
    None
}

/// Which part of what the process may open its applications may have.
const FILES_PART: u64 = 4;

/// How many applications are loaded at a time, of which each has a file open.
fn loaded_max(wanted: usize) -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let most = usize::try_from(files / FILES_PART).unwrap_or(usize::MAX);
    if wanted > most {
        tracing::warn!(
            "{most} applications are loaded at a time instead of {wanted} (`loaded_apps`), because \
             {files} files may be open: raise that (`ulimit -n`, `LimitNOFILE=`)"
        );
    }
    wanted.min(most)
}
