//! What tells one version of a file from the next, without reading it.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

/// Which file stands somewhere, and when it was last touched. Whatever is done
/// to a file changes its stamp: the time of the inode's last change (`ctime`)
/// can not be set back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// How long a file must have been left alone for its stamp to be trusted:
    /// over the tick of the kernel's clock (4 to 10 ms), in which a file may
    /// change twice and keep its times.
    pub(super) const SETTLED_AFTER: Duration = Duration::from_millis(20);

    /// The stamp of an open file.
    ///
    /// # Errors
    ///
    /// If the system can not tell.
    pub fn of(file: &File) -> io::Result<Self> {
        file.metadata().map(|meta| Self::from(&meta))
    }

    /// How long to wait until the file can not change any more without it
    /// showing. Nothing for a file whose time lies in the future: its clock is
    /// another machine's.
    pub(super) fn unsettled_for(&self) -> Option<Duration> {
        let seconds = u64::try_from(self.changed.0).ok()?;
        let nanoseconds = u32::try_from(self.changed.1).ok()?;
        let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds);
        let age = changed.elapsed().ok()?;
        Self::SETTLED_AFTER.checked_sub(age)
    }
}

impl From<&Metadata> for Stamp {
    fn from(meta: &Metadata) -> Self {
        Self {
            device: meta.dev(),
            inode: meta.ino(),
            bytes: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}
