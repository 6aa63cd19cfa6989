//! The applications, tenants and sockets of a configuration at work.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use fcgi_wasm::{
    AppFile, Catalogue, DocumentRoot, Documents, Engine, Observer, Policy, Router, Slot, Tenant,
};
use futures_util::future::join_all;

use super::folder_of;
use super::places::Places;
use super::sockets::Sockets;
use crate::args::{self, CacheArgs};
use crate::config::{self, App, Plan, Server, Socket};
use crate::observing::Observing;
use crate::{engine, log};

pub(super) struct Host {
    engine: Engine,
    catalogue: Catalogue,
    server: Server,
    tenants: BTreeMap<String, (config::Tenant, Tenant)>,
    apps: BTreeMap<String, (App, Slot)>,
    roots: BTreeMap<String, (config::Documents, DocumentRoot)>,
    sockets: Sockets,
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
        };
        let catalogue = Catalogue::new()
            .loaded_max(server.loaded_apps)
            .idle_max(server.idle_unload)
            .compiles_max(server.compiles)
            .wait_max(server.load_wait);
        Ok(Self {
            engine: engine::start(&cache, server.instances, observers)?,
            catalogue,
            server: server.clone(),
            tenants: BTreeMap::new(),
            apps: BTreeMap::new(),
            roots: BTreeMap::new(),
            sockets: Sockets::new(places, observers),
        })
    }

    pub(super) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    pub(super) fn is_watching(&self) -> bool {
        self.server.watch
    }

    /// Where applications and their secrets are replaced. The files in document
    /// roots are looked at with each request.
    pub(super) fn watched_folders(&self) -> BTreeSet<PathBuf> {
        if !self.server.watch {
            return BTreeSet::new();
        }
        let apps = self.apps.values().map(|(app, _)| app);
        let files = apps.clone().map(|app| &*app.file);
        let roots = self.roots.values().map(|(root, _)| root);
        let policies = apps
            .map(|app| &app.policy)
            .chain(roots.map(|root| &root.policy));
        let secrets = policies.flat_map(Policy::secret_files);
        files.chain(secrets).map(folder_of).collect()
    }

    /// Reads the configuration anew and changes over to it, or goes on as it is
    /// and says why.
    pub(super) async fn reload(
        &mut self,
        path: &Path,
        flags: &args::Observing,
        observing: &Observing,
    ) {
        let changed = async {
            let plan = config::load(path)?;
            let log = plan.log.clone();
            let logs = observing.prepare(plan.wanted.clone().with(flags))?;
            self.apply(plan).await?;
            observing.change(logs);
            Ok(log)
        };
        match changed.await {
            Ok(log) => {
                tracing::info!("{} was read again", path.display());
                log::change(&log);
            }
            Err(error) => {
                let error: anyhow::Error = error;
                tracing::error!("the configuration is refused, and the old one goes on:");
                for line in format!("{error:#}").lines() {
                    tracing::error!("{line}");
                }
            }
        }
    }

    /// Changes over to this plan. What stays as it was is not touched; what is
    /// new or changed is made ready first; then routes are swapped, and sockets
    /// that are not wanted any more are closed.
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
        let bound = self.sockets.bind(plan.sockets.values())?;
        let kept_tenants = self.change_tenants(&plan);
        self.change_apps(&plan, &kept_tenants).await;
        self.change_roots(&plan, &kept_tenants);
        for socket in plan.sockets.values() {
            let routes = self.routes(socket);
            self.sockets.route(socket, &routes);
        }
        let drain_max = self.server.drain_timeout;
        let bound = bound.into_iter().map(|bound| {
            let routes = self.routes(bound.socket());
            (bound, routes)
        });
        let bound: Vec<_> = bound.collect();
        self.sockets.serve(bound, drain_max);
        self.sockets.close_others(plan.sockets.values());
        Ok(())
    }

    pub(super) async fn close(&mut self) {
        self.sockets.close().await;
    }

    /// Those that stay as they were: what belongs to another is made anew.
    fn change_tenants(&mut self, plan: &Plan) -> BTreeSet<String> {
        let mut old = std::mem::take(&mut self.tenants);
        let mut kept = BTreeSet::new();
        for (name, wanted) in &plan.tenants {
            let known = old.remove(name).filter(|(known, _)| known == wanted);
            if known.is_some() {
                kept.insert(name.clone());
            }
            let tenant = known.unwrap_or_else(|| {
                let tenant = Tenant::new(&self.engine, name, wanted.budget.clone());
                (wanted.clone(), tenant)
            });
            self.tenants.insert(name.clone(), tenant);
        }
        kept
    }

    async fn change_apps(&mut self, plan: &Plan, kept_tenants: &BTreeSet<String>) {
        let mut old = std::mem::take(&mut self.apps);
        let mut new = Vec::new();
        for (name, wanted) in &plan.apps {
            let known = old.remove(name);
            let is_kept = kept_tenants.contains(&wanted.tenant)
                && known.as_ref().is_some_and(|(app, _)| app == wanted);
            let Some((_, tenant)) = self.tenants.get(&wanted.tenant) else {
                continue; // the plan has a tenant for each
            };
            match known {
                Some(known) if is_kept => {
                    self.apps.insert(name.clone(), known);
                }
                known => {
                    let is_tenant_kept = kept_tenants.contains(&wanted.tenant);
                    let slot = self.slot(name, tenant, wanted);
                    new.push((name, wanted, known, is_tenant_kept, slot));
                }
            }
        }
        // Together: the catalogue knows how many are read or compiled at a time.
        let made_ready =
            new.into_iter()
                .map(|(name, wanted, known, is_tenant_kept, slot)| async move {
                    // One that was loaded is asked for: the new one is made ready
                    // before the old one goes.
                    let was_loaded = known.as_ref().is_some_and(|(_, slot)| slot.is_loaded());
                    let is_ready = match was_loaded || wanted.preload {
                        true => is_loaded(name, &slot).await,
                        false => true,
                    };
                    let old = known.filter(|_| was_loaded && !is_ready);
                    let app = old.and_then(|old| going_on(name, old, wanted, is_tenant_kept));
                    (name.clone(), app.unwrap_or_else(|| (wanted.clone(), slot)))
                });
        self.apps.extend(join_all(made_ready).await);
    }

    fn slot(&self, name: &str, tenant: &Tenant, app: &App) -> Slot {
        let source = AppFile::new(tenant, name, &app.file, app.policy.clone());
        match app.preload {
            true => self.catalogue.lasting_slot(name, tenant.name(), source),
            false => self.catalogue.slot(name, tenant.name(), source),
        }
    }

    fn change_roots(&mut self, plan: &Plan, kept_tenants: &BTreeSet<String>) {
        let mut old = std::mem::take(&mut self.roots);
        for (name, wanted) in &plan.documents {
            let is_kept = |known: &config::Documents| {
                known == wanted && kept_tenants.contains(&wanted.tenant)
            };
            let known = old.remove(name).filter(|(known, _)| is_kept(known));
            let Some((_, tenant)) = self.tenants.get(&wanted.tenant) else {
                continue; // the plan has a tenant for each
            };
            let root = known.unwrap_or_else(|| (wanted.clone(), root(tenant, wanted)));
            self.roots.insert(name.clone(), root);
        }
    }

    /// Who answers on a socket.
    fn routes(&self, socket: &Socket) -> Router {
        let mut router = Router::new();
        for (name, (app, slot)) in &self.apps {
            if !socket.is_for(name, app) {
                continue;
            }
            if socket.app.is_some() {
                router = router.route("/", slot.clone());
                continue;
            }
            for route in &app.routes {
                router = router.route(route, slot.clone());
            }
            if socket.choose_by_param {
                router = router.name(name, slot.clone());
            }
        }
        let roots = self.roots.values();
        let mut roots = roots
            .filter(|(wanted, _)| socket.is_for_tenant(&wanted.tenant))
            .map(|(_, root)| root.clone())
            .peekable();
        match roots.peek() {
            Some(_) => router.otherwise(Documents::new(&self.catalogue, roots)),
            None => router,
        }
    }
}

fn root(tenant: &Tenant, wanted: &config::Documents) -> DocumentRoot {
    let root = DocumentRoot::new(&wanted.root, tenant, wanted.policy.clone());
    let owners = wanted.owners.iter().copied();
    owners.fold(root.app_name(&wanted.name), DocumentRoot::owner)
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
