//! Which tenants change over to another configuration together. Each does so by
//! itself; but where one gets what another one had, both do at the same moment,
//! so that requests find one of them at any time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::config::{App, Documents, Socket};

/// What requests come by.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Way<'c> {
    Name(&'c str),
    Route(&'c str),
    Root(&'c Path),
    Socket(String),
}

/// To which tenants each of them leads.
pub(super) struct Ways<'c>(BTreeMap<Way<'c>, BTreeSet<&'c str>>);

impl<'c> Ways<'c> {
    pub(super) fn new(
        apps: &BTreeMap<&'c str, &'c App>,
        roots: impl Iterator<Item = &'c Documents>,
        sockets: impl Iterator<Item = &'c Socket>,
    ) -> Self {
        let mut ways = Self(BTreeMap::new());
        for (name, app) in apps {
            ways.add(Way::Name(name), &app.tenant);
            for route in &app.routes {
                ways.add(Way::Route(route), &app.tenant);
            }
        }
        for root in roots {
            ways.add(Way::Root(&root.root), &root.tenant);
        }
        for socket in sockets {
            let app = socket.app.as_ref().and_then(|app| apps.get(&**app));
            let tenant = app.map(|app| &app.tenant).or(socket.tenant.as_ref());
            if let Some(tenant) = tenant {
                ways.add(Way::Socket(socket.listen.place()), tenant);
            }
        }
        ways
    }

    fn add(&mut self, way: Way<'c>, tenant: &'c str) {
        self.0.entry(way).or_default().insert(tenant);
    }
}

/// All of these tenants, in parties that change over together.
pub(super) fn parties(
    tenants: BTreeSet<&str>,
    before: &Ways<'_>,
    after: &Ways<'_>,
) -> Vec<BTreeSet<String>> {
    let alone = |tenant: &str| BTreeSet::from([tenant.to_owned()]);
    let mut parties: Vec<_> = tenants.into_iter().map(alone).collect();
    for (way, had) in &before.0 {
        let Some(have) = after.0.get(way) else {
            continue;
        };
        if had.is_subset(have) || have.is_subset(had) {
            continue;
        }
        let changed: BTreeSet<_> = had.symmetric_difference(have).copied().collect();
        let is_part = |party: &BTreeSet<String>| party.iter().any(|name| changed.contains(&**name));
        let (together, others): (Vec<_>, Vec<_>) = parties.into_iter().partition(is_part);
        parties = others;
        parties.push(together.into_iter().flatten().collect());
    }
    parties
}

#[cfg(test)]
mod tests {
    use fcgi_wasm::Policy;

    use super::*;

    fn app(tenant: &str, routes: &[&str]) -> App {
        App {
            file: "app.wasm".into(),
            tenant: tenant.to_owned(),
            routes: routes.iter().map(|&route| route.to_owned()).collect(),
            preload: false,
            policy: Policy::strict(),
        }
    }

    fn ways<'c>(apps: &'c [(&str, App)]) -> Ways<'c> {
        let apps = apps.iter().map(|(name, app)| (*name, app)).collect();
        Ways::new(&apps, [].into_iter(), [].into_iter())
    }

    #[test]
    fn only_who_gets_what_another_had_waits_for_them() {
        let before = [
            ("a", app("alice", &["a.example/", "/"])),
            ("b", app("bob", &["b.example/"])),
            ("c", app("carol", &["c.example/", "/"])),
            ("moves", app("dave", &[])),
        ];
        let after = [
            ("a", app("alice", &["/"])),
            ("b", app("bob", &["a.example/", "b.example/"])),
            ("c", app("carol", &["c.example/", "new.example/"])),
            ("moves", app("erin", &[])),
        ];
        let tenants = ["alice", "bob", "carol", "dave", "erin"].into();
        let mut parties = parties(tenants, &ways(&before), &ways(&after));
        parties.sort();
        let expected = [&["alice", "bob"] as &[_], &["carol"], &["dave", "erin"]];
        let expected = expected.map(|party| party.iter().map(|&name| name.to_owned()).collect());
        assert_eq!(parties, expected);
    }
}
