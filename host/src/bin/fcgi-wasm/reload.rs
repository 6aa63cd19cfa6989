//! `fcgi-wasm reload`.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use rustix::net::sockopt::socket_peercred;
use rustix::process::{Pid, Signal, kill_process};

use crate::args::Reload;
use crate::config::{self, Listen};

#[expect(clippy::print_stdout, reason = "its output is what it is for")]
pub(crate) fn run(args: &Reload) -> Result<ExitCode> {
    let pid = match (&args.server, &args.config) {
        (_, Some(file)) => who_serves(file)?,
        (Some(server), None) => match server.parse() {
            Ok(number) => Pid::from_raw(number).context("a process id is over 0")?,
            Err(_) => who_listens(Path::new(server))?,
        },
        (None, None) => bail!("name a server: its socket, its process id or its configuration"),
    };
    let number = pid.as_raw_nonzero();
    // SIGHUP ends a program that does not know it, and ids are used again.
    let name = std::fs::read_to_string(format!("/proc/{number}/comm"));
    let name = name.with_context(|| format!("there is no process {number}"))?;
    if name.trim() != "fcgi-wasm" {
        bail!("process {number} is {}, not fcgi-wasm", name.trim());
    }
    kill_process(pid, Signal::HUP).with_context(|| format!("cannot signal process {number}"))?;
    println!("process {number} looks for new versions; its log says what came of it");
    Ok(ExitCode::SUCCESS)
}

/// The process that listens on one of a configuration's sockets.
fn who_serves(file: &Path) -> Result<Pid> {
    let plan = config::load(file)?;
    let mut sockets = plan
        .sockets
        .values()
        .filter_map(|socket| match &socket.listen {
            Listen::Unix { path, .. } => Some(path),
            _ => None,
        });
    let found = sockets.find_map(|path| who_listens(path).ok());
    found.with_context(|| {
        format!(
            "nobody listens on a unix socket of {}: give the process id",
            file.display()
        )
    })
}

fn who_listens(socket: &Path) -> Result<Pid> {
    let stream = UnixStream::connect(socket)
        .with_context(|| format!("nobody listens on {}", socket.display()))?;
    Ok(socket_peercred(&stream)?.pid)
}
