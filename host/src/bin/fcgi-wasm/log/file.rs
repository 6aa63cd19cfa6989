//! A log file that can be moved away under our hands.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use anyhow::{Context, Result};

/// The log names visitors and what they asked for: nothing for everybody.
const MODE: u32 = 0o640;

pub(super) struct LogFile(RwLock<Open>);

struct Open {
    path: PathBuf,
    file: File,
}

impl LogFile {
    /// The file at this path, to whose end is written: several processes may
    /// share it, and logrotate's `copytruncate` works.
    pub(super) fn open(path: &Path) -> Result<Self> {
        Ok(Self(RwLock::new(Open {
            file: open(path).with_context(|| format!("cannot log to {}", path.display()))?,
            path: path.to_owned(),
        })))
    }

    /// Goes on at another path. If that can not be written, with the old file.
    pub(super) fn move_to(&self, path: &Path) {
        match Self::open(path) {
            Ok(other) => {
                let other = other.0.into_inner().unwrap_or_else(PoisonError::into_inner);
                *self.0.write().unwrap_or_else(PoisonError::into_inner) = other;
            }
            Err(error) => tracing::warn!("{error:#}; logging on to the old file"),
        }
    }

    /// Goes on with the file that is at the path now, or a new one. If there
    /// can be none it goes on with the old one.
    pub(super) fn reopen(&self) {
        let path = self.path();
        match open(&path) {
            Ok(file) => {
                self.0.write().unwrap_or_else(PoisonError::into_inner).file = file;
            }
            Err(error) => {
                let path = path.display();
                tracing::warn!("cannot open {path} anew, logging on to the old file: {error}");
            }
        }
    }

    /// The lock is not held while a file is opened or complained of.
    fn path(&self) -> PathBuf {
        let open = self.0.read().unwrap_or_else(PoisonError::into_inner);
        open.path.clone()
    }

    pub(super) fn write(&self, line: &[u8]) -> io::Result<()> {
        let open = self.0.read().unwrap_or_else(PoisonError::into_inner);
        (&open.file).write_all(line)
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(MODE).open(path)
}
