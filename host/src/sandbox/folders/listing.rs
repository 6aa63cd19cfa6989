//! The entries of a folder, read a few at a time, as a guest asks for them.
//!
//! wasmtime reads all of them at once for WASI 0.2, into memory that nobody
//! counts, and keeps a thread waiting for WASI 0.3 until the guest has read the
//! last one.

use std::fs::File;
use std::io;
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, DirEntry, FileType, Mode, OFlags, openat, statat};
use rustix::io::Errno;
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn_blocking};

/// How many entries are read at a time: a thread is asked for them once, and
/// with the longest names they are less than a handle counts as.
const ENTRIES_AT_A_TIME: usize = 100;

/// What is in a folder.
pub(super) struct Entry {
    pub(super) kind: FileType,
    pub(super) name: String,
}

/// A folder that has not been read to its end.
pub(super) struct Listing {
    /// The guest's, so that it counts as in use for as long as it is listed.
    folder: Arc<File>,
    entries: Dir,
}

/// Some entries in their order, and the rest if there may be more.
pub(super) struct Batch {
    pub(super) entries: Vec<io::Result<Entry>>,
    pub(super) rest: Option<Listing>,
}

/// The next entries, while a thread that may wait reads them.
pub(super) type Reading = AbortOnDropJoinHandle<io::Result<Batch>>;

impl Listing {
    /// Opens a folder and reads its first entries.
    pub(super) fn begin(folder: Arc<File>) -> Reading {
        spawn_blocking(move || {
            // Anew, because the guest's can not be read (`O_PATH`).
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let opened = openat(&folder, ".", flags, Mode::empty())?;
            let entries = Dir::new(opened)?;
            Ok(Self { folder, entries }.read())
        })
    }

    /// Reads the next ones.
    pub(super) fn go_on(self) -> Reading {
        spawn_blocking(move || Ok(self.read()))
    }

    fn read(mut self) -> Batch {
        let mut entries = Vec::new();
        while entries.len() < ENTRIES_AT_A_TIME {
            let Some(entry) = self.entries.read() else {
                return Batch {
                    entries,
                    rest: None,
                };
            };
            let entry = entry.and_then(|entry| self.entry(&entry));
            entries.extend(entry.map_err(io::Error::from).transpose());
        }
        let rest = Some(self);
        Batch { entries, rest }
    }

    /// An entry as guests see it; `None` for the two that stand in every folder.
    fn entry(&self, entry: &DirEntry) -> Result<Option<Entry>, Errno> {
        let name = match entry.file_name().to_str() {
            Ok("." | "..") => return Ok(None),
            Ok(name) => name.to_owned(),
            Err(_) => return Err(Errno::ILSEQ),
        };
        let kind = match entry.file_type() {
            // Some file systems do not say it.
            FileType::Unknown => {
                let folder = &self.folder;
                let found = statat(folder, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)?;
                FileType::from_raw_mode(found.st_mode)
            }
            kind => kind,
        };
        Ok(Some(Entry { kind, name }))
    }
}
