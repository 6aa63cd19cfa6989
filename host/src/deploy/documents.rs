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
use crate::message::{BoxFuture, Fault, Handler, Journal, Request, Response};
use crate::policy::Policy;
use crate::sandbox::Tenant;

/// How many files of a folder are known at a time that are not loaded: why they
/// are refused, mostly. Each takes some hundred bytes.
const FILES_MAX: usize = 1024;

/// A folder whose `.wasm` files are served. Clones have what is loaded of it in
/// common, on however many sockets they are asked for.
#[derive(Clone)]
pub struct DocumentRoot {
    folder: PathBuf,
    tenant: Tenant,
    owners: Vec<u32>,
    policy: Policy,
    /// Of all its files, if they have one name.
    complaints: Option<Arc<Complaints>>,
    files: Arc<Mutex<HashMap<PathBuf, Slot>>>,
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
            complaints: None,
            files: Arc::default(),
        }
    }

    /// What logs, metrics and the status call its files, all of them: so that
    /// who makes files does not make series of numbers. Each by its path
    /// unless set.
    #[must_use]
    pub fn app_name(mut self, name: &str) -> Self {
        self.complaints = Some(Complaints::of(self.tenant.name(), name));
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
}

/// A file that answers.
struct Found<'r> {
    path: PathBuf,
    /// How many bytes of the path lead to it.
    length: usize,
    stamp: Stamp,
    root: &'r DocumentRoot,
}

impl Documents {
    /// Serves what is below these folders.
    pub fn new(catalogue: &Catalogue, roots: impl IntoIterator<Item = DocumentRoot>) -> Self {
        let mut roots: Vec<_> = roots.into_iter().collect();
        roots.sort_by_key(|root| std::cmp::Reverse(root.folder.as_os_str().len()));
        Self(Arc::new(Shared {
            catalogue: catalogue.clone(),
            roots,
        }))
    }
}

impl Handler for Documents {
    fn handle(&self, mut request: Request) -> BoxFuture<'_, Result<Response, Fault>> {
        Box::pin(async move {
            let path = script::path(&request.params).map_err(Fault::NoSuchApp)?;
            let path = path.into_owned();
            let found = self.0.find(&path, &request.journal);
            let found = found.map_err(Fault::NoSuchApp)?;
            script::split(&mut request.params, &path, &path[found.length..]);
            let stamp = found.stamp;
            let slot = found.root.slot(&self.0.catalogue, found.path);
            slot.handle_at(stamp, request).await
        })
    }
}

impl Shared {
    /// Which file answers. Whose the request is if its folder says so, and none
    /// does, the journal learns: nobody else tells it.
    fn find(&self, path: &[u8], journal: &Journal) -> Result<Found<'_>, String> {
        let shown = String::from_utf8_lossy(path);
        let within = self.roots.iter().find_map(|root| {
            let names = script::names(path, root.folder.as_os_str().as_bytes())?;
            Some((root, names))
        });
        let Some((root, names)) = within else {
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
                        root,
                    });
                }
                Err(Refused::Missing) => {}
                Err(other) => {
                    refused = other;
                    break;
                }
            }
        }
        if let Some(complaints) = &root.complaints {
            journal.set_owner(complaints.owner.clone());
        }
        let root = root.folder.display();
        if script::candidates(&names).next().is_none() {
            return Err(format!("{shown:?} in {root}: no part of it ends in .wasm"));
        }
        Err(format!("{shown:?} in {root}: {refused}"))
    }
}

impl DocumentRoot {
    /// The place of the file at this path.
    fn slot(&self, catalogue: &Catalogue, path: PathBuf) -> Slot {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = files.get(&path) {
            return slot.clone();
        }
        if files.len() >= FILES_MAX {
            // How many are loaded is for the catalogue to limit. Requests that
            // wait keep what they wait for.
            files.retain(|_, slot| slot.is_loaded());
        }
        let shown = path.display().to_string();
        let each = || Complaints::of(self.tenant.name(), &shown);
        let complaints = self.complaints.clone().unwrap_or_else(each);
        let name = &complaints.owner.app;
        let open = self.opener(&path);
        let source = AppFile::opened_by(&self.tenant, name, &shown, open, self.policy.clone());
        let slot = catalogue.slot_of(&shown, complaints, source);
        files.insert(path, slot.clone());
        slot
    }

    /// Opens a file as safely as it was found.
    fn opener(&self, path: &Path) -> impl Fn() -> io::Result<File> + Send + Sync + 'static {
        let (folder, owners) = (self.folder.clone(), self.owners.clone());
        let path = path.to_owned();
        move || {
            let below = folder.as_os_str().as_bytes();
            let names = script::names(path.as_os_str().as_bytes(), below).unwrap_or_default();
            let opened = safe_path::open(&folder, &names, &owners);
            opened.map_err(|refused| io::Error::other(refused.to_string()))
        }
    }
}
