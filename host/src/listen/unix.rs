//! A unix socket of our own: made with its mode and owner from the first
//! moment, and removed again.

use std::fmt;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::net::{
    self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with, sockopt,
};
use rustix::process::{getegid, geteuid, getgroups};

use super::socket_file::SocketFile;
use crate::accounts::{group as group_name, user};
use crate::folder;
use crate::setup::SetupError;

/// Owner and group may connect, others not: whoever can connect can claim to
/// be any user of the web server.
const MODE: u32 = 0o660;

/// The longest path that a unix socket can have: the 108 bytes of `sun_path`
/// (unix(7)) without the NUL at the end.
const PATH_MAX: usize = 107;

/// How long another server that starts is waited for: it needs some
/// milliseconds.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(2);

/// Where a unix socket stands, and who may connect to it.
#[derive(Clone, Debug)]
pub struct UnixPath {
    path: PathBuf,
    mode: u32,
    owner: Option<u32>,
    group: Option<u32>,
}

impl UnixPath {
    /// A socket at this path, with mode 0660, ours.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            mode: MODE,
            owner: None,
            group: None,
        }
    }

    /// Who may connect, as permission bits: connecting takes the right to write.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// The user that the file belongs to. Takes the right to give files away.
    #[must_use]
    pub fn owner(mut self, user_id: u32) -> Self {
        self.owner = Some(user_id);
        self
    }

    /// The group that the file belongs to.
    #[must_use]
    pub fn group(mut self, group_id: u32) -> Self {
        self.group = Some(group_id);
        self
    }

    /// Whether this user could listen there, as far as it is seen without doing so. That
    /// somebody listens there is no hindrance.
    ///
    /// # Errors
    ///
    /// What [`Listener::unix`](crate::Listener::unix) would say.
    pub fn check(&self) -> Result<(), SetupError> {
        let path = &self.path;
        let folder = folder::above(path);
        check_length(path, &folder.join(format!(".{}", std::process::id())))?;
        folder::check(folder).map_err(|error| cannot(path, &error))?;
        check_kind(path)?;
        match self.may_give() {
            true => Ok(()),
            false => Err(self.cannot_give(&Errno::PERM.into())),
        }
    }

    /// Whether this user has the right to: root, or a member of the group.
    fn may_give(&self) -> bool {
        let us = geteuid();
        let is_ours = self.owner.is_none_or(|owner| owner == us.as_raw());
        us.is_root() || (is_ours && self.group.is_none_or(is_our_group))
    }

    /// Gives a file that was made to its owner and group.
    fn give(&self, file: &Path) -> Result<(), SetupError> {
        if self.owner.is_some() || self.group.is_some() {
            let given = chown(file, self.owner, self.group);
            given.map_err(|error| match error.kind() {
                io::ErrorKind::PermissionDenied => self.cannot_give(&error),
                _ => cannot(&self.path, &error),
            })?;
        }
        Ok(())
    }

    fn cannot_give(&self, error: &io::Error) -> SetupError {
        let us = geteuid().as_raw();
        let whom = match (self.owner, self.group) {
            (Some(owner), _) if owner != us => {
                format!("the user {}, which only root may: ", user(owner))
            }
            (_, Some(group)) => format!(
                "the group {}, which only root and its members may: add the user to the group, or ",
                group_name(group)
            ),
            _ => return cannot(&self.path, error),
        };
        if self.may_give() {
            let what = format!(
                "cannot give the socket {} to its owner and group, which something forbids beside \
                 their rights (SystemCallFilter= without chown and fchownat, or no CAP_CHOWN)",
                self.path.display()
            );
            return SetupError::of_system(what, error);
        }
        let path = self.path.display();
        let what = format!(
            "cannot listen on {path}: the user {} may not give it to {whom}start this as root",
            user(us)
        );
        SetupError::of_user(what)
    }

    pub(super) fn mode_bits(&self) -> u32 {
        self.mode
    }

    /// The owner and group that are wanted, or else these.
    pub(super) fn owners(&self, otherwise: (u32, u32)) -> (u32, u32) {
        (
            self.owner.unwrap_or(otherwise.0),
            self.group.unwrap_or(otherwise.1),
        )
    }
}

impl<P: Into<PathBuf>> From<P> for UnixPath {
    fn from(path: P) -> Self {
        Self::new(path)
    }
}

impl fmt::Display for UnixPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

/// Removes the file of a socket when it is dropped.
#[derive(Debug)]
pub(super) struct Removal(pub(super) SocketFile);

impl Drop for Removal {
    fn drop(&mut self) {
        self.0.remove();
    }
}

/// Makes the socket beside its place and renames it there: it never stands
/// there with another mode or owner, or without anybody who listens.
pub(super) fn bind(socket: UnixPath) -> Result<(UnixListener, Removal), SetupError> {
    let path = &socket.path;
    let cannot = |error: io::Error| cannot(path, &error);
    let folder = folder::above(path);
    let beside = folder.join(format!(".{}", std::process::id()));
    check_length(path, &beside)?;
    let _lock = lock(folder).map_err(cannot)?;
    check_place(path)?;
    if fs::symlink_metadata(&beside).is_ok_and(|file| file.file_type().is_socket()) {
        // Left by a process that was killed here, and had our number.
        let _ = fs::remove_file(&beside);
    }
    let listener = UnixListener::bind(&beside).map_err(cannot)?;
    let finish = || -> Result<SocketFile, SetupError> {
        let made = fs::symlink_metadata(&beside).map_err(cannot)?;
        socket.give(&beside)?;
        let mode = Permissions::from_mode(socket.mode);
        fs::set_permissions(&beside, mode).map_err(cannot)?;
        fs::rename(&beside, path).map_err(cannot)?;
        Ok(SocketFile::new(path, &made))
    };
    let file = finish().inspect_err(|_| {
        let _ = fs::remove_file(&beside);
    })?;
    Ok((listener, Removal(file)))
}

/// Whether the addresses of the socket, at its place and beside it, fit.
fn check_length(path: &Path, beside: &Path) -> Result<(), SetupError> {
    let length = path.as_os_str().len().max(beside.as_os_str().len());
    if length <= PATH_MAX {
        return Ok(());
    }
    Err(SetupError::new(format!(
        "cannot listen on {}: the path of a unix socket has at most {PATH_MAX} bytes, and this \
         one, or that of {} beside it, where it is made, has {length}: choose a shorter one",
        path.display(),
        beside.file_name().unwrap_or_default().display(),
    )))
}

fn is_our_group(group: u32) -> bool {
    let groups = getgroups().unwrap_or_default();
    let mut ours = groups.into_iter().chain([getegid()]);
    ours.any(|ours| ours.as_raw() == group)
}

/// Whether the place is free, or held by a socket.
fn check_kind(path: &Path) -> Result<(), SetupError> {
    match fs::symlink_metadata(path) {
        Ok(file) if !file.file_type().is_socket() => Err(SetupError::new(format!(
            "{} exists and is no socket: choose another path, or remove it",
            path.display()
        ))),
        _ => Ok(()),
    }
}

fn cannot(path: &Path, error: &io::Error) -> SetupError {
    SetupError::of_system(format!("cannot listen on {}", path.display()), error)
}

/// Whether the place is free, or held by a socket that nobody listens on.
fn check_place(path: &Path) -> Result<(), SetupError> {
    check_kind(path)?;
    let shown = path.display();
    match connect(path) {
        Err(Errno::NOENT) => Ok(()),
        Ok(stream) => {
            let holder = holder(&stream).unwrap_or_else(|| "another program".to_owned());
            Err(SetupError::new(format!(
                "{holder} listens on {shown} already: stop it, or choose another path"
            )))
        }
        Err(Errno::CONNREFUSED) => Ok(()),
        // Its queue is full, so there is somebody.
        Err(Errno::AGAIN) => Err(SetupError::new(format!(
            "somebody listens on {shown} already: stop it, or choose another path"
        ))),
        Err(error) => Err(SetupError::new(format!(
            "cannot tell whether somebody listens on {shown}: {error}"
        ))),
    }
}

/// Locks a folder, so that two servers that start at once do not both find a
/// socket stale. Anybody who can read the folder can hold the lock, so it is
/// not waited for for long, and done without.
fn lock(folder: &Path) -> io::Result<File> {
    let file = File::open(folder)?;
    let deadline = Instant::now() + LOCK_WAIT_MAX;
    while flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
        if Instant::now() > deadline {
            tracing::warn!("somebody holds a lock on {}", folder.display());
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(file)
}

/// Connects without a wait, however full the queue is.
fn connect(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

fn holder(stream: &OwnedFd) -> Option<String> {
    let pid = sockopt::socket_peercred(stream).ok()?.pid;
    let pid = pid.as_raw_nonzero();
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(format!("{} (process {pid})", name.trim()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn mode_of(path: &Path) -> u32 {
        fs::metadata(path).expect("a file").mode() & 0o7777
    }

    #[test]
    fn a_socket_has_its_mode_and_goes_with_its_listener() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        let (listener, file) = bind(UnixPath::new(&path)).expect("bound");
        assert_eq!(mode_of(&path), 0o660);
        assert!(UnixStream::connect(&path).is_ok());
        drop((listener, file));
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
        let _open = bind(UnixPath::new(&path).mode(0o666)).expect("bound");
        assert_eq!(mode_of(&path), 0o666);
    }

    #[test]
    fn conformance_80_a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        drop(UnixListener::bind(&path).expect("bound"));
        let (listener, file) = bind(UnixPath::new(&path)).expect("stale, so replaced");
        let error = bind(UnixPath::new(&path)).expect_err("live").to_string();
        let pid = std::process::id().to_string();
        assert!(error.contains(&pid), "{error:?} names process {pid}");
        drop((listener, file));
    }

    #[test]
    fn a_path_may_be_as_long_as_the_system_lets_it_be() {
        let folder = tempfile::tempdir().expect("a folder");
        let name_length = PATH_MAX - folder.path().as_os_str().len() - 1;
        let path = folder.path().join("s".repeat(name_length));
        let _open = bind(UnixPath::new(&path)).expect("bound");
        assert!(UnixStream::connect(&path).is_ok());
        let path = folder.path().join("s".repeat(name_length + 1));
        let error = bind(UnixPath::new(&path)).expect_err("too long");
        assert!(error.to_string().contains("at most 107 bytes"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn a_right_that_is_not_lacking_is_not_asked_for() {
        let group = getegid().as_raw();
        let error = UnixPath::new("s")
            .group(group)
            .cannot_give(&Errno::PERM.into());
        assert!(error.to_string().contains("SystemCallFilter="), "{error}");
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        fs::write(&path, "precious").expect("written");
        assert!(bind(UnixPath::new(&path)).is_err());
        assert_eq!(fs::read(&path).expect("still there"), b"precious");
    }

    #[test]
    fn another_servers_socket_is_not_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        let (_listener, file) = bind(UnixPath::new(&path)).expect("bound");
        fs::remove_file(&path).expect("removed");
        let _other = UnixListener::bind(&path).expect("bound");
        drop(file);
        assert!(path.exists());
    }

    #[test]
    fn conformance_90_a_missing_folder_is_one_sentence() {
        let error = bind(UnixPath::new("/nonexistent/s")).expect_err("no folder");
        assert!(
            error
                .to_string()
                .starts_with("cannot listen on /nonexistent/s: ")
        );
    }
}
