//! What serving would meet on this machine, as far as it is seen without serving:
//! places that can not be made, files that can not be used.

use std::path::PathBuf;

use fcgi_wasm::{App, Destination, EngineOptions, Folder, Listener, Secret, SetupError, UnixPath};
use nix::unistd::{User, geteuid};

use super::complaint::Complaint;
use super::document::Section;
use super::plan::{Listen, Plan};
use super::planner::place_key;
use super::policy;
use crate::args::Place;

/// What is wrong, and what would be if this user served.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) faults: Vec<Complaint>,
    pub(super) doubts: Vec<Complaint>,
}

/// Looks at all places and files of a configuration. Those that are not there are
/// known to the plan.
pub(super) fn rehearse(plan: &Plan) -> Findings {
    let mut findings = Findings::default();
    let document = &plan.document;
    for section in document.sections("socket") {
        let listen = plan.sockets.get(&section.name).map(|socket| &socket.listen);
        let found = listen.map_or(Ok(()), check_place);
        findings.note(section, place_key(section), found);
    }
    if let Some(server) = document.section("server")
        && let Some(cache) = server.own::<PathBuf>("cache")
    {
        findings.note(server, "cache", EngineOptions::check_cache(&cache));
    }
    let with_logs = document.section("log").into_iter();
    for section in with_logs.chain(document.sections("tenant")) {
        for key in ["file", "access_log", "app_log"] {
            if let Some(file) = section
                .own::<PathBuf>(key)
                .filter(|file| file.as_os_str() != "-")
            {
                findings.note(section, key, Destination::File(file).check());
            }
        }
    }
    if let Some(status) = document.section("status")
        && let Some(Place::Unix(path)) = status.own("listen")
    {
        findings.note(status, "listen", UnixPath::new(path).check());
    }
    for section in document
        .sections("app")
        .chain(document.sections("documents"))
    {
        let file = section.own::<PathBuf>("file").filter(|file| file.is_file());
        if let Some(file) = file {
            findings.note(section, "file", App::check_file(&file));
        }
        let folders: Vec<Folder> = document.value(section, "dir").unwrap_or_default();
        for folder in folders.iter().filter(|folder| folder.host_path().exists()) {
            findings.note(section, "dir", App::check_folder(folder));
        }
        for key in ["secret_env", "secret_setting"] {
            let secrets = policy::secrets(document, section, key);
            for (name, file) in secrets.into_iter().filter(|(_, file)| file.is_file()) {
                let secret = Secret::variable(name, file);
                findings.note(section, key, App::check_secret(&secret));
            }
        }
    }
    findings
}

impl Findings {
    fn note(&mut self, section: &Section, key: &str, found: Result<(), SetupError>) {
        let Err(error) = found else {
            return;
        };
        if error.is_of_user() {
            // Who serves may be another.
            let text = format!("if {} serves: {error}", this_user());
            self.doubts.push(section.complain(key, text));
        } else {
            self.faults.push(section.complain(key, error.to_string()));
        }
    }
}

fn check_place(listen: &Listen) -> Result<(), SetupError> {
    match listen {
        Listen::Unix { .. } => listen.unix_path().map_or(Ok(()), |path| path.check()),
        // The environment may name them instead.
        Listen::Tcp { clients, .. } if clients.is_empty() && Listener::web_servers()?.is_some() => {
            Ok(())
        }
        Listen::Tcp { address, clients } | Listen::Http { address, clients } => {
            match clients.is_empty() {
                true => Listener::check_tcp(*address),
                false => Ok(()),
            }
        }
        Listen::Inherited { .. } => Ok(()),
    }
}

fn this_user() -> String {
    let us = geteuid();
    let user = User::from_uid(us).ok().flatten();
    user.map_or_else(|| format!("user {us}"), |user| user.name)
}
