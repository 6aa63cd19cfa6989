//! The folder of compiled code, which is closed to others.

use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use rustix::process::geteuid;

use super::engine::EngineOptions;
use crate::folder;
use crate::setup::SetupError;

/// Makes the folder if it does not exist; it has to be this user's own.
pub(super) fn make(path: &Path) -> Result<(), SetupError> {
    if !path.exists() {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        let made = builder.create(path);
        made.map_err(|error| cannot(path, &error))?;
    }
    check(path)
}

fn check(path: &Path) -> Result<(), SetupError> {
    let shown = path.display();
    let meta = fs::metadata(path).map_err(|error| cannot(path, &error))?;
    if !meta.is_dir() {
        return Err(SetupError::new(format!("the cache {shown} is no folder")));
    }
    if is_ours(&meta) {
        return Ok(());
    }
    let sentence = format!(
        "the cache {shown} can be written by others than this user, and what is in it is run as \
         it is: give it to this user with mode 0700, or choose another (--cache)"
    );
    Err(match is_open(&meta) {
        true => SetupError::new(sentence),
        false => SetupError::of_user(sentence),
    })
}

/// Whether nobody but this user can have written it.
pub(super) fn is_ours(meta: &Metadata) -> bool {
    meta.uid() == geteuid().as_raw() && !is_open(meta)
}

fn is_open(meta: &Metadata) -> bool {
    meta.mode() & 0o022 != 0
}

fn cannot(path: &Path, error: &io::Error) -> SetupError {
    SetupError::of_system(format!("cannot use the cache {}", path.display()), error)
}

impl EngineOptions {
    /// Whether a folder can be the [`cache`](Self::cache), as far as it is seen without
    /// making it.
    ///
    /// # Errors
    ///
    /// What [`start`](Self::start) would say.
    pub fn check_cache(path: &Path) -> Result<(), SetupError> {
        match path.exists() {
            true => check(path),
            false => {
                let mut above = path.ancestors().skip(1).filter(|above| above.exists());
                let above = above.next().unwrap_or(Path::new("."));
                folder::check(above).map_err(|error| cannot(path, &error))
            }
        }
    }
}
