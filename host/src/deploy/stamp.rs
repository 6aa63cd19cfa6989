//! What tells one version of a file from the next, without reading it.

use std::fs::{self, File, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Which file stands somewhere, and when it was last touched. Whatever is done
/// to a file changes its stamp: the time of the inode's last change (`ctime`)
/// can not be set back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    /// The stamps of the files that count besides, as one number.
    besides: u64,
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

    /// The same where another file counts too: that it is there, and its stamp.
    pub(super) fn besides(self, path: &Path) -> Self {
        let other = fs::metadata(path).ok().map(|meta| Self::from(&meta));
        let mut hasher = DefaultHasher::new();
        (self.besides, other).hash(&mut hasher);
        Self {
            besides: hasher.finish(),
            ..self
        }
    }

    /// Whether the file is the same, whatever counts besides.
    pub(super) fn is_of_same_file(&self, other: &Self) -> bool {
        let besides = other.besides;
        *other == Self { besides, ..*self }
    }

    /// Whether the file can not change any more without it showing. So it is with
    /// one whose time lies in the future: its clock is another machine's.
    pub(super) fn is_settled(&self) -> bool {
        self.age().is_none_or(|age| age > Self::SETTLED_AFTER)
    }

    fn age(&self) -> Option<Duration> {
        let seconds = u64::try_from(self.changed.0).ok()?;
        let nanoseconds = u32::try_from(self.changed.1).ok()?;
        let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds);
        changed.elapsed().ok()
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
            besides: 0,
        }
    }
}
