//! From a [`Document`] to a [`Plan`], with all that is named checked to be
//! there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use fcgi_wasm::Folder;

use super::complaint::{Complaint, nearest};
use super::document::{Document, Section};
use super::plan::{App, Documents, Listen, Plan, Socket, Tenant};
use super::{policy, process};
use crate::accounts::{group_id, user_id};

/// Makes the plan.
///
/// # Errors
///
/// All that does not fit together.
pub(crate) fn plan(document: Document) -> Result<Plan, Vec<Complaint>> {
    let mut planner = Planner {
        document: &document,
        complaints: Vec::new(),
        missing: Vec::new(),
    };
    let mut tenants = planner.tenants();
    let apps = planner.apps(&mut tenants);
    let documents = planner.documents(&mut tenants);
    let sockets = planner.sockets(&tenants, &apps);
    planner.check_routes(&sockets, &apps);
    planner.check_roots(&sockets, &documents);
    planner.complaints.extend(policy::complaints(&document));
    planner.complaints.extend(process::complaints(&document));
    match planner.complaints.is_empty() {
        true => Ok(Plan {
            server: process::server(&document),
            log: process::log(&document),
            wanted: process::wanted(&document),
            sockets,
            tenants,
            apps,
            documents,
            missing: planner.missing,
            document,
        }),
        false => Err(planner.complaints),
    }
}

/// Keys of a socket that only some kinds of places have a use for.
const KEYS_OF_SOME_PLACES: &[(&str, &[&str])] = &[
    ("mode", &["unix"]),
    ("owner", &["unix"]),
    ("group", &["unix"]),
    ("allowed_clients", &["tcp", "http", "inherited"]),
    ("idle_timeout", &["unix", "tcp", "inherited"]),
    ("multiplex", &["unix", "tcp", "inherited"]),
    ("hang_up_when_broken", &["unix", "tcp", "inherited"]),
];

/// The key that says where a socket is, the last one if there are several.
pub(super) fn place_key(section: &Section) -> &'static str {
    if section.own("inherited") == Some(true) {
        return "inherited";
    }
    let is_set = |key: &&str| section.settings.contains_key(*key);
    ["http", "tcp"].into_iter().find(is_set).unwrap_or("unix")
}

struct Planner<'d> {
    document: &'d Document,
    complaints: Vec<Complaint>,
    missing: Vec<Complaint>,
}

impl Planner<'_> {
    fn complain(&mut self, section: &Section, key: &str, text: impl Into<String>) {
        self.complaints.push(section.complain(key, text));
    }

    fn tenants(&mut self) -> BTreeMap<String, Tenant> {
        let mut tenants = BTreeMap::new();
        for section in self.document.sections("tenant") {
            let tenant = Tenant {
                budget: policy::budget(self.document, section),
                user: self.id(section, "user", user_id),
            };
            tenants.insert(section.name.clone(), tenant);
        }
        tenants
    }

    fn apps(&mut self, tenants: &mut BTreeMap<String, Tenant>) -> BTreeMap<String, App> {
        let mut apps = BTreeMap::new();
        for section in self.document.sections("app") {
            let policy = policy::policy(self.document, section);
            self.check_grants(section);
            let Some(file) = section.own::<PathBuf>("file") else {
                self.complain(
                    section,
                    "file",
                    "it is not set, and an application needs one",
                );
                continue;
            };
            self.check_file(section, "file", &file, Path::is_file);
            let routes: Vec<String> = section.own("routes").unwrap_or_default();
            for route in &routes {
                if let Some(wrong) = wrong_route(route) {
                    self.complain(section, "routes", format!("{route:?} {wrong}"));
                }
            }
            let app = App {
                file,
                tenant: self.tenant(section, tenants),
                routes,
                preload: section.own("preload").unwrap_or_default(),
                policy,
            };
            apps.insert(section.name.clone(), app);
        }
        apps
    }

    fn documents(&mut self, tenants: &mut BTreeMap<String, Tenant>) -> BTreeMap<String, Documents> {
        let mut documents = BTreeMap::new();
        for section in self.document.sections("documents") {
            let policy = policy::policy(self.document, section);
            self.check_grants(section);
            let Some(root) = section.own::<PathBuf>("root") else {
                self.complain(section, "root", "it is not set, and is what is served");
                continue;
            };
            self.check_file(section, "root", &root, Path::is_dir);
            let tenant = self.tenant(section, tenants);
            let mut owners: Vec<u32> = self.id(section, "owner", user_id).into_iter().collect();
            owners.extend(tenants.get(&tenant).and_then(|tenant| tenant.user));
            let found = Documents {
                name: section.name.clone(),
                root,
                tenant,
                owners,
                policy,
            };
            documents.insert(section.name.clone(), found);
        }
        documents
    }

    /// The tenant that is named, or else one of its own.
    fn tenant(&mut self, section: &Section, tenants: &mut BTreeMap<String, Tenant>) -> String {
        let name = section.tenant();
        if !section.settings.contains_key("tenant") {
            let own = Tenant {
                budget: policy::budget(self.document, section),
                user: None,
            };
            tenants.entry(name.clone()).or_insert(own);
            return name;
        }
        if self.document.section(&format!("tenant.{name}")).is_none() {
            let known = self
                .document
                .sections("tenant")
                .map(|tenant| tenant.name.as_str());
            let near = nearest(&name, known);
            self.complain(
                section,
                "tenant",
                format!("there is no [tenant.{name}]{near}"),
            );
        }
        name
    }

    fn sockets(
        &mut self,
        tenants: &BTreeMap<String, Tenant>,
        apps: &BTreeMap<String, App>,
    ) -> BTreeMap<String, Socket> {
        let mut sockets = BTreeMap::new();
        for section in self.document.sections("socket") {
            let Some(listen) = self.listen(section) else {
                continue;
            };
            let app = section.own::<String>("app");
            if let Some(app) = app.as_ref().filter(|app| !apps.contains_key(*app)) {
                let near = nearest(app, apps.keys().map(String::as_str));
                self.complain(section, "app", format!("there is no [app.{app}]{near}"));
            }
            let tenant = section.own::<String>("tenant");
            if let Some(tenant) = tenant.as_ref().filter(|name| !tenants.contains_key(*name)) {
                let near = nearest(tenant, tenants.keys().map(String::as_str));
                self.complain(
                    section,
                    "tenant",
                    format!("there is no [tenant.{tenant}]{near}"),
                );
            }
            if app.is_some() && section.settings.contains_key("choose_by_param") {
                let text =
                    "`app` answers everything here: it and `choose_by_param` exclude each other";
                self.complain(section, "choose_by_param", text);
            }
            if app.is_some() && tenant.is_some() {
                let text = "`app` answers everything here: it and `tenant` exclude each other";
                self.complain(section, "tenant", text);
            }
            let document = self.document;
            let socket = Socket {
                listen,
                mount: section.own("mount"),
                max_connections: document.value(section, "max_connections").unwrap_or(1),
                idle_timeout: document.value(section, "idle_timeout").unwrap_or_default(),
                multiplex: document.value(section, "multiplex").unwrap_or(true),
                hang_up_when_broken: section.own("hang_up_when_broken").unwrap_or_default(),
                app,
                tenant,
                choose_by_param: section.own("choose_by_param").unwrap_or_default(),
            };
            sockets.insert(section.name.clone(), socket);
        }
        let mut places = BTreeSet::new();
        for section in self.document.sections("socket") {
            let place = sockets
                .get(&section.name)
                .map(|socket| socket.listen.place());
            if let Some(place) = place.filter(|place| !places.insert(place.clone())) {
                let text = format!("another socket listens on {place} already");
                self.complain(section, place_key(section), text);
            }
        }
        if sockets.is_empty() && self.complaints.is_empty() {
            let text = "there is nowhere to listen: write a [socket.NAME] with `unix`, `tcp`, `http` or `inherited`";
            let complaint = Complaint::new(&self.document.start, "", text);
            self.complaints.push(complaint);
        }
        sockets
    }

    fn listen(&mut self, section: &Section) -> Option<Listen> {
        let clients: Vec<IpAddr> = section.own("allowed_clients").unwrap_or_default();
        let unix = section.own::<PathBuf>("unix");
        let (tcp, http) = (section.own("tcp"), section.own("http"));
        let inherited = section.own::<bool>("inherited").unwrap_or_default();
        self.check_use(section);
        match (unix, tcp, http) {
            (None, None, None) if inherited => Some(Listen::Inherited {
                name: section.name.clone(),
                clients,
            }),
            (Some(path), None, None) if !inherited => Some(Listen::Unix {
                path,
                mode: self.document.value(section, "mode").unwrap_or(0o660),
                owner: self.id(section, "owner", user_id),
                group: self.id(section, "group", group_id),
            }),
            (None, Some(address), None) if !inherited => Some(Listen::Tcp { address, clients }),
            (None, None, Some(address)) if !inherited => Some(Listen::Http { address, clients }),
            _ => {
                let text = "a socket has one place: `unix`, `tcp`, `http` or `inherited = true`";
                self.complain(section, place_key(section), text);
                None
            }
        }
    }

    /// Complains of keys that this kind of place has no use for.
    fn check_use(&mut self, section: &Section) {
        let place = place_key(section);
        for (key, places) in KEYS_OF_SOME_PLACES {
            if section.settings.contains_key(key) && !places.contains(&place) {
                let text = format!("it says nothing about a socket with `{place}`: delete it");
                self.complain(section, key, text);
            }
        }
    }

    fn id(
        &mut self,
        section: &Section,
        key: &str,
        id: fn(&str) -> Result<u32, String>,
    ) -> Option<u32> {
        match id(&section.own::<String>(key)?) {
            Ok(id) => Some(id),
            Err(error) => {
                self.complain(section, key, error);
                None
            }
        }
    }

    fn check_file(&mut self, section: &Section, key: &str, path: &Path, is: fn(&Path) -> bool) {
        if !is(path) {
            let text = format!("there is no {}", path.display());
            let missing = self.document.complain(section, key, text);
            self.missing.push(missing);
        }
    }

    /// Whether there are the folders and secrets that it is granted.
    fn check_grants(&mut self, section: &Section) {
        let folders: Vec<Folder> = self.document.value(section, "dir").unwrap_or_default();
        for folder in folders {
            self.check_file(section, "dir", folder.host_path(), Path::is_dir);
        }
        for key in ["secret_env", "secret_setting"] {
            for (_, file) in policy::secrets(self.document, section, key) {
                self.check_file(section, key, &file, Path::is_file);
            }
        }
    }

    /// Two applications that would answer the same on one socket.
    fn check_routes(&mut self, sockets: &BTreeMap<String, Socket>, apps: &BTreeMap<String, App>) {
        let mut told = BTreeSet::new();
        for (name, socket) in sockets {
            let mut known: BTreeMap<String, &str> = BTreeMap::new();
            for section in self.document.sections("app") {
                let app = apps
                    .get(&section.name)
                    .filter(|app| socket.is_for(&section.name, app));
                for route in app.iter().flat_map(|app| &app.routes) {
                    let same = route.trim_end_matches('/').to_ascii_lowercase();
                    let Some(first) = known.insert(same, &section.name) else {
                        continue;
                    };
                    if told.insert((section.name.clone(), route.clone())) {
                        let text =
                            format!("{route:?} leads to app.{first} already, on socket.{name}");
                        self.complaints.push(section.complain("routes", text));
                    }
                }
            }
        }
    }

    /// Two document roots that would have the same files on one socket.
    fn check_roots(
        &mut self,
        sockets: &BTreeMap<String, Socket>,
        documents: &BTreeMap<String, Documents>,
    ) {
        let mut told = BTreeSet::new();
        for (name, socket) in sockets {
            let mut known: BTreeMap<&Path, &str> = BTreeMap::new();
            for section in self.document.sections("documents") {
                let found = documents
                    .get(&section.name)
                    .filter(|found| socket.is_for_tenant(&found.tenant));
                let first = found.and_then(|found| known.insert(&found.root, &section.name));
                if let Some(first) = first
                    && told.insert(&section.name)
                {
                    let text = format!(
                        "documents.{first} has this folder already, on socket.{name}: keep one of \
                         them, or give each a socket with `tenant`"
                    );
                    self.complaints.push(section.complain("root", text));
                }
            }
        }
    }
}

/// What is wrong with a route.
fn wrong_route(route: &str) -> Option<&'static str> {
    let (host, path) = match route.find('/') {
        Some(slash) => (&route[..slash], Some(&route[slash..])),
        None => (route, None),
    };
    // Those of an IPv6 address stand in brackets.
    let has_port = host
        .rfind(':')
        .is_some_and(|colon| !host[colon..].contains(']'));
    match path {
        _ if route.contains("://") => Some("is a URL: write host and path, like `shop.example/`"),
        _ if route.contains(['*', '?', '#', ' ']) => {
            Some("is no route: write host and path as they are, without patterns")
        }
        None => Some("has no slash: write `shop.example/` for all of a host, `/path` for any host"),
        Some(_) if has_port => Some(
            "has a port, which requests are not told apart by: write the host alone, like \
             `shop.example/`, and an IPv6 address in brackets",
        ),
        Some(_) => None,
    }
}
