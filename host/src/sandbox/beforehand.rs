//! What keeps an application from being loaded, as far as it is seen without
//! loading it.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use super::app::App;
use super::{compile, load, secrets, worlds};
use crate::policy::{Folder, Secret};
use crate::setup::SetupError;

/// How much of a file tells what it is, bytes: those in the text format may begin with
/// empty lines.
const BEGINNING_BYTES: u64 = 4096;

impl App {
    /// Whether a file can be read, and is WebAssembly by its beginning.
    ///
    /// # Errors
    ///
    /// What loading it would say.
    pub fn check_file(path: &Path) -> Result<(), SetupError> {
        let shown = path.display();
        let cannot = |error| SetupError::of_system(format!("cannot read {shown}"), &error);
        // A pipe is not waited for.
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
        let mut bytes = Vec::new();
        let read = opened.and_then(|file| file.take(BEGINNING_BYTES).read_to_end(&mut bytes));
        read.map_err(cannot)?;
        compile::check_beginning(&shown.to_string(), &bytes)
    }

    /// Whether a folder that is to be granted can be opened.
    ///
    /// # Errors
    ///
    /// What loading an application with it would say.
    pub fn check_folder(folder: &Folder) -> Result<(), SetupError> {
        load::check_folder(folder)
    }

    /// Whether a secret can be read, and is closed to others.
    ///
    /// # Errors
    ///
    /// What loading an application with it would say.
    pub fn check_secret(secret: &Secret) -> Result<(), SetupError> {
        secrets::read(secret).map(drop)
    }

    /// Whether there is an interface of this name.
    ///
    /// # Errors
    ///
    /// What loading an application would say that is to be called by it.
    pub fn check_interface(name: &str) -> Result<(), SetupError> {
        worlds::check_name(name)
    }
}
