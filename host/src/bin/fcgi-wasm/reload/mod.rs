//! `fcgi-wasm reload`, and the server's side of it.

mod asked;
mod servers;

use std::io::{ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use rustix::net::{AddressFamily, SocketFlags, SocketType, accept_with, bind, listen, socket_with};
use rustix::process::{Pid, Signal, kill_process};

use crate::args::Reload;
pub(crate) use asked::{Asked, Outcome, Waiting};
use asked::{DONE, REFUSED};
use servers::{check, who_listens, who_serves};

/// How long a server may take to say that it was told: one that can not (its network
/// is one of its own, or it is an older one) is not waited for.
const TOLD_WAIT_MAX: Duration = Duration::from_secs(5);

/// How long a reload may take: a large application compiles for minutes.
const RESULT_WAIT_MAX: Duration = Duration::from_secs(600);

#[expect(clippy::print_stdout, reason = "its output is what it is for")]
pub(crate) fn run(args: &Reload) -> Result<ExitCode> {
    let servers = match (&args.server, &args.config) {
        (_, Some(file)) => who_serves(file)?,
        (Some(server), None) => vec![match server.parse() {
            Ok(number) => Pid::from_raw(number).context("a process id is over 0")?,
            Err(_) => who_listens(Path::new(server))?,
        }],
        (None, None) => bail!("name a server: its socket, its process id or its configuration"),
    };
    // All are told before one of them is waited for.
    let mut told = Vec::new();
    for server in servers {
        check(server)?;
        let place = wait_for(server);
        kill_process(server, Signal::HUP)
            .with_context(|| format!("cannot signal process {}", server.as_raw_nonzero()))?;
        told.push((server, place));
    }
    let mut refusals = Vec::new();
    for (server, place) in told {
        let number = server.as_raw_nonzero();
        match place.and_then(|place| connected(&place, server)) {
            Ok(stream) => match result(stream).with_context(|| format!("process {number}"))? {
                None => println!("process {number} has reloaded"),
                Some(refusal) => refusals.push(format!("process {number}: {refusal}")),
            },
            Err(error) => {
                tracing::debug!("process {number} can not be asked: {error}");
                println!("process {number} looks for new versions; its log says what came of it");
            }
        }
    }
    match refusals.is_empty() {
        true => Ok(ExitCode::SUCCESS),
        false => bail!("{}", refusals.join("\n")),
    }
}

/// Where a server can tell what comes of a reload.
fn wait_for(server: Pid) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    bind(&socket, &asked::place(server)?)?;
    listen(&socket, 8)?;
    Ok(socket)
}

/// The server's connection, which it makes when it was told.
fn connected(place: &OwnedFd, server: Pid) -> Result<UnixStream, Errno> {
    let deadline = Instant::now() + TOLD_WAIT_MAX;
    loop {
        let rest = deadline.saturating_duration_since(Instant::now());
        let rest = Timespec::try_from(rest).map_err(|_| Errno::INVAL)?;
        if poll(&mut [PollFd::new(place, PollFlags::IN)], Some(&rest))? == 0 {
            return Err(Errno::TIMEDOUT);
        }
        let stream = accept_with(place, SocketFlags::CLOEXEC)?;
        // Anybody may connect there.
        if socket_peercred(&stream)?.pid == server {
            return Ok(stream.into());
        }
    }
}

/// What a server tells of its reload: why it was refused, if it was.
fn result(mut stream: UnixStream) -> Result<Option<String>> {
    stream.set_read_timeout(Some(RESULT_WAIT_MAX))?;
    let mut text = String::new();
    match stream.read_to_string(&mut text) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            bail!(
                "it has not reloaded within {RESULT_WAIT_MAX:?}; its log will say what came of it"
            )
        }
        Err(error) => return Err(error).context("cannot read what came of it"),
    }
    match text.strip_prefix(REFUSED) {
        Some(refusal) => Ok(Some(refusal.to_owned())),
        None if text == DONE => Ok(None),
        None => bail!("it has stopped before it had reloaded"),
    }
}
