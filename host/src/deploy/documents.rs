//! Serves the `.wasm` files below folders, as PHP scripts are served: copy one
//! there and open it.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::catalogue::Catalogue;
use super::complaints::Complaints;
use super::file::AppFile;
use super::safe_path::{self, Refused};
use super::script;
use super::slot::Slot;
use super::stamp::Stamp;
use crate::message::{BoxFuture, Fault, Handler, Request, Response};
use crate::policy::Policy;
use crate::sandbox::Tenant;

/// How many files are known at a time, over all folders. Each takes some
/// hundred bytes beside what is loaded of it, which the catalogue limits.
const FILES_MAX: usize = 4096;

/// A folder whose `.wasm` files are served.
#[derive(Clone, Debug)]
pub struct DocumentRoot {
    folder: PathBuf,
    tenant: Tenant,
    owners: Vec<u32>,
    policy: Policy,
    app_name: Option<String>,
}

impl DocumentRoot {
    /// This folder of a tenant's, by the path that the web server has for it
    /// too. Each of its files runs within this policy.
    pub fn new(folder: impl Into<PathBuf>, tenant: &Tenant, policy: Policy) -> Self {
        let us = rustix::process::geteuid().as_raw();
        Self {
            folder: folder.into(),
            tenant: tenant.clone(),
            owners: vec![0, us],
            policy,
            app_name: None,
        }
    }

    /// What logs, metrics and the status call its files, all of them: so that
    /// who makes files does not make series of numbers. Each by its path
    /// unless set.
    #[must_use]
    pub fn app_name(mut self, name: impl Into<String>) -> Self {
        self.app_name = Some(name.into());
        self
    }

    /// A user to whom its files and folders may belong too. Root and the user
    /// that this runs as are so already. Others' files are not served, nor such
    /// as everybody can write.
    #[must_use]
    pub fn owner(mut self, user_id: u32) -> Self {
        self.owners.push(user_id);
        self.owners.sort_unstable();
        self.owners.dedup();
        self
    }
}

/// A handler that finds its applications by `SCRIPT_FILENAME`: the longest
/// folder that the path lies in, and there the first `.wasm` file that the path
/// leads to. What follows that becomes PATH_INFO.
///
/// A file is loaded at its first request, and anew when it has changed; one
/// that is removed answers 404. Symbolic links below the folder are not
/// followed. Neither DOCUMENT_ROOT nor any other param is trusted.
#[derive(Clone)]
pub struct Documents(Arc<Shared>);

struct Shared {
    catalogue: Catalogue,
    /// The longest first.
    roots: Vec<DocumentRoot>,
    /// Of the files of each root that has a name for all of them.
    complaints: Vec<Option<Arc<Complaints>>>,
    files: Mutex<HashMap<PathBuf, Slot>>,
}

/// A file that answers.
struct Found {
    path: PathBuf,
    /// How many bytes of the path lead to it.
    length: usize,
    stamp: Stamp,
    root: usize,
}

impl Documents {
    /// Serves what is below these folders.
    pub fn new(catalogue: &Catalogue, roots: impl IntoIterator<Item = DocumentRoot>) -> Self {
        let mut roots: Vec<_> = roots.into_iter().collect();
        roots.sort_by_key(|root| std::cmp::Reverse(root.folder.as_os_str().len()));
        let complaints = roots.iter().map(|root| {
            let name = root.app_name.as_deref()?;
            Some(Complaints::of(root.tenant.name(), name))
        });
        Self(Arc::new(Shared {
            catalogue: catalogue.clone(),
            complaints: complaints.collect(),
            roots,
            files: Mutex::default(),
        }))
    }
}

impl Handler for Documents {
    fn handle(&self, mut request: Request) -> BoxFuture<'_, Result<Response, Fault>> {
        Box::pin(async move {
            let path = script::path(&request.params).map_err(Fault::NoSuchApp)?;
            let path = path.into_owned();
            let found = self.0.find(&path).map_err(Fault::NoSuchApp)?;
            script::split(&mut request.params, &path, &path[found.length..]);
            let stamp = found.stamp;
            self.0.slot(found).handle_at(stamp, request).await
        })
    }
}

impl Shared {
    fn find(&self, path: &[u8]) -> Result<Found, String> {
        let shown = String::from_utf8_lossy(path);
        let within = self.roots.iter().enumerate().find_map(|(index, root)| {
            let names = script::names(path, root.folder.as_os_str().as_bytes())?;
            Some((index, root, names))
        });
        let Some((index, root, names)) = within else {
            // Not each of them: there is one for each customer of a hoster's.
            return Err(match &self.roots[..] {
                [only] => format!("{shown:?}: it does not lie in {:?}", only.folder),
                roots => format!("{shown:?}: it lies in none of {} roots", roots.len()),
            });
        };
        let mut refused = Refused::Missing;
        for count in script::candidates(&names) {
            let opened = safe_path::open(&root.folder, &names[..count], &root.owners);
            let stamp = opened.and_then(|file| Stamp::of(&file).map_err(Refused::Error));
            match stamp {
                Ok(stamp) => {
                    let rest: usize = names[count..].iter().map(|name| name.len() + 1).sum();
                    let length = path.len() - rest;
                    return Ok(Found {
                        path: PathBuf::from(std::ffi::OsStr::from_bytes(&path[..length])),
                        length,
                        stamp,
                        root: index,
                    });
                }
                Err(Refused::Missing) => {}
                Err(other) => {
                    refused = other;
                    break;
                }
            }
        }
        let root = root.folder.display();
        if script::candidates(&names).next().is_none() {
            return Err(format!("{shown:?} in {root}: no part of it ends in .wasm"));
        }
        Err(format!("{shown:?} in {root}: {refused}"))
    }

    fn slot(&self, found: Found) -> Slot {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = files.get(&found.path) {
            return slot.clone();
        }
        if files.len() >= FILES_MAX {
            forget(&mut files);
        }
        let root = &self.roots[found.root];
        let path = found.path.display().to_string();
        let name = root.app_name.as_deref().unwrap_or(&path);
        let open = opener(root, &found.path);
        let source = AppFile::opened_by(&root.tenant, name, &path, open, root.policy.clone());
        let complaints = self.complaints[found.root].clone();
        let complaints = complaints.unwrap_or_else(|| Complaints::of(root.tenant.name(), name));
        let slot = self.catalogue.slot_of(&path, complaints, source);
        files.insert(found.path, slot.clone());
        slot
    }
}

/// Makes room: those that are not loaded go first, then half of those whose last
/// request is longest ago. Requests that run keep what they have.
fn forget(files: &mut HashMap<PathBuf, Slot>) {
    files.retain(|_, slot| slot.is_loaded());
    if files.len() >= FILES_MAX {
        let mut used: Vec<_> = files.values().map(Slot::used_at).collect();
        used.sort_unstable();
        let median = used[used.len() / 2];
        files.retain(|_, slot| slot.used_at() > median);
    }
}

/// Opens a file as safely as it was found.
fn opener(
    root: &DocumentRoot,
    path: &Path,
) -> impl Fn() -> io::Result<File> + Send + Sync + 'static {
    let (root, path) = (root.clone(), path.to_owned());
    move || {
        let folder = root.folder.as_os_str().as_bytes();
        let names = script::names(path.as_os_str().as_bytes(), folder).unwrap_or_default();
        let opened = safe_path::open(&root.folder, &names, &root.owners);
        opened.map_err(|refused| io::Error::other(refused.to_string()))
    }
}
