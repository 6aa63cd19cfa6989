//! The file of a unix socket that we made, and who may connect to it.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid, chownat, fstat, open};

use super::unix::UnixPath;
use crate::setup::SetupError;

/// The file of a unix socket that a [`Listener`](super::Listener) has made.
/// Whatever else stands at its path by now is left alone.
#[derive(Clone, Debug)]
pub struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
    /// Whose it is unless something else is wanted.
    made_for: (u32, u32),
}

impl SocketFile {
    /// `made` is the file as it was before it was given to anybody.
    pub(super) fn new(path: &Path, made: &Metadata) -> Self {
        Self {
            path: path.to_owned(),
            device: made.dev(),
            inode: made.ino(),
            made_for: (made.uid(), made.gid()),
        }
    }

    /// Gives it the mode, owner and group of this description, wherever that
    /// has the socket. Connections that are open stay so.
    ///
    /// # Errors
    ///
    /// If it may not be given away, or another file stands at its path.
    pub fn change(&self, to: &UnixPath) -> Result<(), SetupError> {
        self.try_change(to).map_err(|error| {
            SetupError::new(format!("cannot change {}: {error}", self.path.display()))
        })
    }

    fn try_change(&self, to: &UnixPath) -> io::Result<()> {
        // By an open file: another one may come to stand at the path meanwhile.
        let file = open(
            &self.path,
            OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let known = fstat(&file)?;
        if (known.st_dev, known.st_ino) != (self.device, self.inode) {
            return Err(io::Error::other("it is not the socket that was made there"));
        }
        let (owner, group) = to.owners(self.made_for);
        if (known.st_uid, known.st_gid) != (owner, group) {
            // In between nobody may connect who may neither before nor after.
            set_mode(&file, known.st_mode & to.mode_bits())?;
            let given = chownat(
                &file,
                "",
                Some(Uid::from_raw(owner)),
                Some(Gid::from_raw(group)),
                AtFlags::EMPTY_PATH,
            );
            if let Err(error) = given {
                set_mode(&file, known.st_mode)?;
                return Err(error.into());
            }
        }
        set_mode(&file, to.mode_bits())
    }

    /// Removes it, unless another one stands there.
    pub(super) fn remove(&self) {
        let is_ours = |file: &Metadata| (file.dev(), file.ino()) == (self.device, self.inode);
        if fs::symlink_metadata(&self.path).is_ok_and(|file| is_ours(&file)) {
            // Nobody is left to be told, and a stale socket is replaced.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Sets the mode of a file that is open for nothing (O_PATH): only its name in
/// /proc reaches it (open(2)).
fn set_mode(file: &OwnedFd, mode: u32) -> io::Result<()> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    fs::set_permissions(path, Permissions::from_mode(mode & 0o7777))
}
