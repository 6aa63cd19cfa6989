//! What whoever starts a server has to provide for a configuration: a unit of
//! systemd, which lets it write nowhere else.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use fcgi_wasm::Folder;

use super::document::Section;
use super::plan::Plan;
use super::planner::place_key;
use crate::args::Place;

/// Folders by who makes them, groups, and sockets that are to be passed.
#[derive(Debug, Default)]
pub(crate) struct Needs {
    /// Below /run, /var/cache and /var/log.
    pub(crate) runtime: BTreeSet<PathBuf>,
    pub(crate) cache: BTreeSet<PathBuf>,
    pub(crate) logs: BTreeSet<PathBuf>,
    /// Those that are there and are written to.
    pub(crate) writable: BTreeSet<PathBuf>,
    /// To which sockets are given.
    pub(crate) groups: BTreeSet<String>,
    /// By the names of their tables.
    pub(crate) inherited: BTreeSet<String>,
}

/// Collects them.
///
/// # Errors
///
/// If something takes root.
pub(crate) fn needs(plan: &Plan) -> Result<Needs> {
    let mut needs = Needs::default();
    let document = &plan.document;
    for section in document.sections("socket") {
        if section.own("inherited") == Some(true) {
            needs.inherited.insert(section.name.clone());
        }
        if let Some(path) = section.own::<PathBuf>("unix") {
            needs.file(section, place_key(section), &path)?;
        }
        if section.settings.contains_key("owner") {
            let text = "only root can give a socket to another user: write `group` instead";
            return Err(anyhow!("{}", section.complain("owner", text)));
        }
        needs.groups.extend(section.own::<String>("group"));
    }
    if let Some(status) = document.section("status")
        && let Some(Place::Unix(path)) = status.own("listen")
    {
        needs.file(status, "listen", &path)?;
    }
    for section in document
        .section("log")
        .into_iter()
        .chain(document.sections("tenant"))
    {
        for key in ["file", "access_log", "app_log"] {
            if let Some(file) = section
                .own::<PathBuf>(key)
                .filter(|file| file.is_absolute())
            {
                needs.file(section, key, &file)?;
            }
        }
    }
    if let Some(server) = document.section("server")
        && let Some(cache) = server.own::<PathBuf>("cache")
    {
        needs.folder(server, "cache", &cache)?;
    }
    for section in document
        .sections("app")
        .chain(document.sections("documents"))
    {
        let folders: Vec<Folder> = document.value(section, "dir").unwrap_or_default();
        let is_written = |folder: &&Folder| (*folder).clone().read_only() != **folder;
        let written = folders.iter().filter(is_written);
        let written = written.map(|folder| folder.host_path().to_owned());
        needs.writable.extend(written);
    }
    Ok(needs)
}

impl Needs {
    fn file(&mut self, section: &Section, key: &str, path: &Path) -> Result<()> {
        self.folder(section, key, path.parent().unwrap_or(Path::new("/")))
    }

    fn folder(&mut self, section: &Section, key: &str, folder: &Path) -> Result<()> {
        for (base, below) in [
            ("/run", &mut self.runtime),
            ("/var/cache", &mut self.cache),
            ("/var/log", &mut self.logs),
        ] {
            let Ok(rest) = folder.strip_prefix(base) else {
                continue;
            };
            if rest.as_os_str().is_empty() {
                let text = format!(
                    "only root can make a file in {base}: let it be in a folder below, which \
                     systemd makes"
                );
                return Err(anyhow!("{}", section.complain(key, text)));
            }
            below.insert(rest.to_owned());
            return Ok(());
        }
        self.writable.insert(folder.to_owned());
        Ok(())
    }
}
