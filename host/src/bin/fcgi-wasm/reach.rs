//! Whether a web server's user can connect to a unix socket: what the modes on
//! the way say, and, where this program may try it, what the system says.

use std::ffi::CString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use nix::unistd::{Gid, Group, Uid, User, getgrouplist, initgroups, setgid, setuid};
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};

use crate::args::ConnectAs;

/// Whom distributions' web servers run as.
const WEB_SERVER_USERS: &[&str] = &["www-data", "nginx", "http", "caddy"];

/// A user, and the groups that count for it.
pub(crate) struct Visitor {
    pub(crate) name: String,
    user: Uid,
    /// Its first group's name, for a socket to belong to.
    group: String,
    groups: Vec<Gid>,
}

impl Visitor {
    /// This user, or the first that a web server here might run as; `None` if
    /// there is no such user.
    pub(crate) fn find(name: Option<&str>) -> Result<Option<Self>> {
        let Some(name) = name else {
            let mut users = WEB_SERVER_USERS.iter();
            let known = users.find_map(|name| User::from_name(name).ok().flatten());
            return Ok(known.map(Self::of));
        };
        let user = User::from_name(name).context("cannot look up users")?;
        let user = user.with_context(|| format!("there is no user {name:?}"))?;
        Ok(Some(Self::of(user)))
    }

    fn of(user: User) -> Self {
        let name = CString::new(user.name.as_str()).unwrap_or_default();
        Self {
            group: group_name(user.gid),
            groups: getgrouplist(&name, user.gid).unwrap_or_else(|_| vec![user.gid]),
            name: user.name,
            user: user.uid,
        }
    }

    /// Whether a file's mode gives this user a right: 1 to pass through a
    /// folder, 2 to connect to a socket.
    fn may(&self, file: &Metadata, right: u32) -> bool {
        let shift = match (file.uid(), file.gid()) {
            _ if self.user.is_root() => return true,
            (owner, _) if owner == self.user.as_raw() => 6,
            (_, group) if self.groups.contains(&Gid::from_raw(group)) => 3,
            _ => 0,
        };
        file.mode() >> shift & right != 0
    }
}

/// What stands in a user's way to a socket.
pub(crate) struct Obstacle {
    pub(crate) sentence: String,
    pub(crate) cure: String,
}

/// The first thing on the way to a socket that keeps this user out, by owners,
/// groups and modes. Access lists are not looked at.
pub(crate) fn obstacle(socket: &Path, visitor: &Visitor) -> Option<Obstacle> {
    let name = &visitor.name;
    let socket = fs::canonicalize(socket).ok()?;
    let mut folders: Vec<_> = socket.ancestors().skip(1).collect();
    folders.reverse();
    for folder in folders {
        let Ok(meta) = fs::metadata(folder) else {
            continue;
        };
        if !visitor.may(&meta, 1) {
            let shown = folder.display();
            return Some(Obstacle {
                sentence: format!("{name} can not pass through {shown}, {}", rights(&meta)),
                cure: format!("chmod o+x {shown}, or put the socket into a folder of its own"),
            });
        }
    }
    let meta = fs::metadata(&socket).ok()?;
    (!visitor.may(&meta, 2)).then(|| Obstacle {
        sentence: format!(
            "{name} has no right to write to it: it is {}",
            rights(&meta)
        ),
        cure: format!(
            "start the server with --socket-group {} (or make {name} a member of the group)",
            visitor.group
        ),
    })
}

/// Owner, group and mode, as `ls` tells them.
pub(crate) fn rights(file: &Metadata) -> String {
    let user = User::from_uid(Uid::from_raw(file.uid())).ok().flatten();
    let user = user.map_or_else(|| file.uid().to_string(), |user| user.name);
    let group = group_name(Gid::from_raw(file.gid()));
    format!("{user}:{group} {:04o}", file.mode() & 0o7777)
}

fn group_name(id: Gid) -> String {
    let group = Group::from_gid(id).ok().flatten();
    group.map_or_else(|| id.to_string(), |group| group.name)
}

/// What is at a path where a socket should be.
pub(crate) enum Place {
    /// Nothing, or nothing that can be seen.
    Missing(io::Error),
    /// Another kind of file.
    Other,
    /// A socket that could not be connected to.
    Deaf(io::Error),
    /// A socket with a server, and whose process that is.
    Served(UnixStream, Option<String>),
}

impl Place {
    pub(crate) fn at(path: &Path) -> Self {
        match fs::metadata(path) {
            Err(error) => Self::Missing(error),
            Ok(meta) if !meta.file_type().is_socket() => Self::Other,
            Ok(_) => match connect(path) {
                Err(error) => Self::Deaf(error),
                Ok(stream) => {
                    let holder = holder(&stream);
                    Self::Served(stream, holder)
                }
            },
        }
    }
}

/// Connects without a wait, however full the server's queue is.
fn connect(path: &Path) -> io::Result<UnixStream> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// Who listens at the other end.
fn holder(stream: &UnixStream) -> Option<String> {
    let pid = net::sockopt::socket_peercred(stream).ok()?.pid;
    let pid = pid.as_raw_nonzero();
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(format!("{} (process {pid})", name.trim()))
}

/// What the system says when this user connects; `None` where that can not be
/// tried, because only root may become another user.
pub(crate) fn attempt(socket: &Path, visitor: &Visitor) -> Option<Result<(), String>> {
    if Uid::effective() == visitor.user {
        return Some(connect(socket).map(drop).map_err(|error| error.to_string()));
    }
    if !Uid::effective().is_root() {
        return None;
    }
    // This program itself may be where that user can not get at it, but by
    // this name the kernel has it open already.
    let mut child = Command::new("/proc/self/exe");
    child.arg("connect-as").arg(&visitor.name).arg(socket);
    let output = child.output().ok()?;
    match output.status.success() {
        true => Some(Ok(())),
        false => {
            let sentence = String::from_utf8_lossy(&output.stderr);
            let sentence = sentence.trim().trim_start_matches("fcgi-wasm: ");
            Some(Err(sentence.to_owned()))
        }
    }
}

/// `fcgi-wasm connect-as`: the process that becomes the other user.
pub(crate) fn run(args: &ConnectAs) -> Result<ExitCode> {
    let user = User::from_name(&args.user).context("cannot look up users")?;
    let Some(user) = user else {
        bail!("there is no user {:?}", args.user);
    };
    initgroups(&CString::new(user.name)?, user.gid).context("cannot take its groups")?;
    setgid(user.gid).context("cannot take its group")?;
    setuid(user.uid).context("cannot become it")?;
    connect(&args.socket)?;
    Ok(ExitCode::SUCCESS)
}
