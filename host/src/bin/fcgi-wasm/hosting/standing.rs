//! Who can answer: the tenants that there are, their applications and their
//! document roots.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use fcgi_wasm::{Catalogue, DocumentRoot, Documents, Policy, Router, Slot, Tenant};

use super::folder_of;
use crate::config::{self, App, Socket};

/// By their names, each as it was called for and as it is.
#[derive(Default)]
pub(super) struct Standing {
    pub(super) tenants: BTreeMap<String, (config::Tenant, Tenant)>,
    pub(super) apps: BTreeMap<String, (App, Slot)>,
    pub(super) roots: BTreeMap<String, (config::Documents, DocumentRoot)>,
}

impl Standing {
    /// Puts these in place of all that the tenants have.
    pub(super) fn replace(&mut self, tenants: &BTreeSet<String>, new: Self) {
        self.tenants.retain(|name, _| !tenants.contains(name));
        self.apps
            .retain(|_, (app, _)| !tenants.contains(&app.tenant));
        self.roots
            .retain(|_, (root, _)| !tenants.contains(&root.tenant));
        self.tenants.extend(new.tenants);
        self.apps.extend(new.apps);
        self.roots.extend(new.roots);
    }

    /// Where applications and their secrets are replaced. The files in document
    /// roots are looked at with each request.
    pub(super) fn folders(&self) -> BTreeSet<PathBuf> {
        let apps = self.apps.values().map(|(app, _)| app);
        let files = apps.clone().map(|app| &*app.file);
        let roots = self.roots.values().map(|(root, _)| root);
        let policies = apps
            .map(|app| &app.policy)
            .chain(roots.map(|root| &root.policy));
        let secrets = policies.flat_map(Policy::secret_files);
        files.chain(secrets).map(folder_of).collect()
    }

    /// Who of them answers on a socket.
    pub(super) fn routes(&self, catalogue: &Catalogue, socket: &Socket) -> Router {
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
            Some(_) => router.otherwise(Documents::new(catalogue, roots)),
            None => router,
        }
    }
}
