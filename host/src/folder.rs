//! Whether files can be made in a folder, without making one.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use rustix::fs::{Access, access};

/// Whether this user can make a file at a path, or write to the one that is there.
///
/// # Errors
///
/// What the system would say.
pub(crate) fn check_file(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => Err(ErrorKind::IsADirectory.into()),
        Ok(_) => Ok(access(path, Access::WRITE_OK)?),
        Err(error) if error.kind() == ErrorKind::NotFound => check(above(path)),
        Err(error) => Err(error),
    }
}

/// Whether this user can make files in a folder that is there.
///
/// # Errors
///
/// What the system would say.
pub(crate) fn check(folder: &Path) -> io::Result<()> {
    match fs::metadata(folder)?.is_dir() {
        true => Ok(access(folder, Access::WRITE_OK | Access::EXEC_OK)?),
        false => Err(ErrorKind::NotADirectory.into()),
    }
}

/// The folder that a file is in.
pub(crate) fn above(path: &Path) -> &Path {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}
