//! A log file that can be moved away under our hands.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use anyhow::{Context, Result};

/// The log names visitors and what they asked for: nothing for everybody.
const MODE: u32 = 0o640;

pub(super) struct LogFile {
    path: PathBuf,
    file: RwLock<File>,
}

impl LogFile {
    /// The file at this path, to whose end is written: several processes may
    /// share it, and logrotate's `copytruncate` works.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = open(path).with_context(|| format!("cannot log to {}", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            file: RwLock::new(file),
        })
    }

    /// Goes on with the file that is at the path now, or a new one. If there
    /// can be none it goes on with the old one.
    pub(super) fn reopen(&self) {
        match open(&self.path) {
            Ok(file) => *self.file.write().unwrap_or_else(PoisonError::into_inner) = file,
            Err(error) => {
                let path = self.path.display();
                tracing::warn!("cannot open {path} anew, logging on to the old file: {error}");
            }
        }
    }

    pub(super) fn write(&self, line: &[u8]) -> io::Result<()> {
        let file = self.file.read().unwrap_or_else(PoisonError::into_inner);
        (&*file).write_all(line)
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(MODE).open(path)
}
