//! Which processes serve.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use rustix::net::sockopt::socket_peercred;
use rustix::process::{Pid, getpid};

use crate::config::{self, Listen};

/// What the kernel calls a process of this program.
const OURS: &str = "fcgi-wasm";

/// Refuses a process of another program: SIGHUP ends one that does not know it, and
/// ids are used again.
pub(super) fn check(server: Pid) -> Result<()> {
    let number = server.as_raw_nonzero();
    let name = fs::read_to_string(of_process(server, "comm"));
    let name = name.with_context(|| format!("there is no process {number}"))?;
    ensure!(
        name.trim() == OURS,
        "process {number} is {}, not {OURS}",
        name.trim()
    );
    Ok(())
}

/// The processes that were started with a configuration: several may share its
/// sockets. Where their command lines can not be seen, the one that listens on
/// one of its unix sockets.
pub(super) fn who_serves(file: &Path) -> Result<Vec<Pid>> {
    let plan = config::load(file)?;
    let wanted = fs::canonicalize(file).with_context(|| file.display().to_string())?;
    let all = fs::read_dir("/proc").context("cannot look for servers")?;
    let pids = all
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(Pid::from_raw);
    let servers = pids.filter(|pid| *pid != getpid() && serves(*pid, &wanted));
    let servers: Vec<_> = servers.collect();
    if !servers.is_empty() {
        return Ok(servers);
    }
    let mut sockets = plan
        .sockets
        .values()
        .filter_map(|socket| match &socket.listen {
            Listen::Unix { path, .. } => Some(path),
            _ => None,
        });
    let found = sockets.find_map(|path| who_listens(path).ok());
    let found = found.with_context(|| {
        format!(
            "nobody serves {}: no process was started with it, and nobody listens on a unix \
             socket of it",
            file.display()
        )
    });
    Ok(vec![found?])
}

/// Whether a process is `fcgi-wasm serve --config` with this file.
fn serves(pid: Pid, wanted: &Path) -> bool {
    let name = fs::read_to_string(of_process(pid, "comm")).unwrap_or_default();
    // A script has this program's line in it.
    let line = fs::read(of_process(pid, "cmdline")).unwrap_or_default();
    let mut words = line.split(|byte| *byte == 0);
    if name.trim() != OURS || !words.any(|word| word == b"serve") {
        return false;
    }
    let Some(word) = words.find_map(|word| word.strip_prefix(b"--config")) else {
        return false;
    };
    let path = word.strip_prefix(b"=").or_else(|| words.next());
    let Some(path) = path.map(|path| Path::new(OsStr::from_bytes(path))) else {
        return false;
    };
    // From where it was started; it never goes elsewhere.
    let path = of_process(pid, "cwd").join(path);
    fs::canonicalize(path).is_ok_and(|path| path == wanted)
}

/// What the kernel tells of a process.
fn of_process(pid: Pid, what: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{}/{what}", pid.as_raw_nonzero()))
}

pub(super) fn who_listens(socket: &Path) -> Result<Pid> {
    let stream = UnixStream::connect(socket)
        .with_context(|| format!("nobody listens on {}", socket.display()))?;
    Ok(socket_peercred(&stream)?.pid)
}
