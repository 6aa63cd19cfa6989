//! An application from a file, which is copied over or replaced to deploy it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::attempt::Attempt;
use super::source::{Source, Version};
use super::stamp::Stamp;
use crate::message::BoxFuture;
use crate::policy::Policy;
use crate::sandbox::{App, Tenant};
use crate::setup::SetupError;

/// A component in a file, as a [`Source`]. The files of its policy's secrets are
/// part of a version too.
#[derive(Clone)]
pub struct AppFile {
    tenant: Tenant,
    name: String,
    /// What it is called when something is wrong with it.
    path: String,
    open: Arc<dyn Fn() -> io::Result<File> + Send + Sync>,
    policy: Policy,
}

impl AppFile {
    /// The component at this path, as a tenant's application of this name. Each
    /// version of it runs within this policy.
    pub fn new(tenant: &Tenant, name: &str, path: impl AsRef<Path>, policy: Policy) -> Self {
        let path: PathBuf = path.as_ref().to_owned();
        let shown = path.display().to_string();
        let open = move || {
            // A pipe would be waited for, and is no file that can be deployed.
            let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
            let file = OpenOptions::new()
                .read(true)
                .custom_flags(flags)
                .open(&path)?;
            match file.metadata()?.is_file() {
                true => Ok(file),
                false => Err(io::Error::other("it is no regular file")),
            }
        };
        Self::opened_by(tenant, name, &shown, open, policy)
    }

    /// A component in a file that is found anew each time.
    pub(super) fn opened_by(
        tenant: &Tenant,
        name: &str,
        path: &str,
        open: impl Fn() -> io::Result<File> + Send + Sync + 'static,
        policy: Policy,
    ) -> Self {
        Self {
            tenant: tenant.clone(),
            name: name.to_owned(),
            path: path.to_owned(),
            open: Arc::new(open),
            policy,
        }
    }

    /// Reads the file if it is left alone, and makes something of it, on a
    /// thread that serves nobody.
    async fn make<T: Send + 'static>(
        &self,
        make: fn(&Self, &[u8]) -> Result<T, SetupError>,
    ) -> Result<Attempt<(T, Stamp)>, SetupError> {
        if !self.stamp()?.is_settled() {
            return Ok(Attempt::Disturbed); // no thread has to find that out
        }
        let this = self.clone();
        let making = self.tenant.aside(move || {
            let Some((bytes, stamp)) = this.read()? else {
                return Ok(Attempt::Disturbed);
            };
            Ok(Attempt::Made((make(&this, &bytes)?, stamp)))
        });
        making.await
    }

    /// The file's bytes, unless it changed meanwhile.
    fn read(&self) -> Result<Option<(Vec<u8>, Stamp)>, SetupError> {
        let file = (self.open)().map_err(|error| self.cannot(&error))?;
        let before = self.stamp_of(&file).map_err(|error| self.cannot(&error))?;
        let bytes = App::read(&file, &self.path)?;
        let after = self.stamp_of(&file).map_err(|error| self.cannot(&error))?;
        let is_whole = before == after && after.is_settled();
        Ok(is_whole.then_some((bytes, after)))
    }

    /// The stamp of the file and of the secrets that a version of it reads.
    fn stamp_of(&self, file: &File) -> io::Result<Stamp> {
        let stamp = Stamp::of(file)?;
        Ok(self.policy.secret_files().fold(stamp, Stamp::besides))
    }

    fn cannot(&self, error: &io::Error) -> SetupError {
        SetupError::new(format!("cannot read {}: {error}", self.path))
    }
}

impl Source for AppFile {
    fn stamp(&self) -> Result<Stamp, SetupError> {
        let file = (self.open)().and_then(|file| self.stamp_of(&file));
        file.map_err(|error| self.cannot(&error))
    }

    fn kept(&self) -> BoxFuture<'_, Result<Attempt<Option<Version>>, SetupError>> {
        Box::pin(async {
            let make = |this: &Self, bytes: &[u8]| {
                App::from_kept(
                    &this.tenant,
                    &this.name,
                    &this.path,
                    bytes,
                    this.policy.clone(),
                )
            };
            let made = self.make(make).await?;
            Ok(made.map(|(app, stamp)| app.map(|app| version(app, stamp))))
        })
    }

    fn compiled(&self) -> BoxFuture<'_, Result<Attempt<Version>, SetupError>> {
        Box::pin(async {
            let make = |this: &Self, bytes: &[u8]| {
                App::compile(
                    &this.tenant,
                    &this.name,
                    &this.path,
                    bytes,
                    this.policy.clone(),
                )
            };
            let made = self.make(make).await?;
            Ok(made.map(|(app, stamp)| version(app, stamp)))
        })
    }
}

fn version(app: App, stamp: Stamp) -> Version {
    Version {
        application: Arc::new(app),
        stamp,
    }
}
