//! Whoever started this program: the sockets that it passes, the web servers
//! that it names, the script that stands for us, and what it did wrong.

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use fcgi_wasm::Listener;
use nix::unistd::dup2_stdin;
use rustix::fs::{FileType, fstat};

/// The listening sockets that were passed. Takes variables out of the
/// environment, so it is called before any thread starts.
pub(crate) fn sockets() -> Result<Vec<Listener>> {
    let mut sockets = Listener::from_systemd()?;
    if let Some(socket) = Listener::inherited()? {
        // Held in one place only, it closes when we stop to accept, and who
        // connects later is refused at once instead of left to wait.
        let nothing = File::open("/dev/null").context("cannot open /dev/null")?;
        dup2_stdin(nothing).context("cannot replace file descriptor 0")?;
        sockets.push(socket);
    }
    Ok(sockets)
}

/// Lets only the web servers in that the environment names, if it does
/// (FastCGI §3.2).
pub(crate) fn guard(sockets: Vec<Listener>, web_servers: Option<&[IpAddr]>) -> Vec<Listener> {
    match web_servers {
        Some(addresses) => {
            let guard = |socket: Listener| socket.only(addresses.to_vec());
            sockets.into_iter().map(guard).collect()
        }
        None => sockets,
    }
}

/// A socket on a TCP address: of this machine only, unless clients are named.
pub(crate) fn tcp(address: SocketAddr, clients: &[IpAddr]) -> Result<Listener> {
    Ok(match clients {
        [] => Listener::tcp(address)?,
        clients => Listener::tcp_for(address, clients.to_vec())?,
    })
}

/// The application that a script names in its first line, which starts us by
/// `#!/usr/bin/env -S fcgi-wasm serve app.wasm`: if it is a relative path,
/// beside the script, wherever that was started from.
pub(crate) fn app_of_script(script: &Path, app: &Path) -> Result<PathBuf> {
    let shown = script.display();
    let mut start = [0; 2];
    let read = File::open(script).and_then(|mut file| file.read_exact(&mut start));
    if read.is_err() || start != *b"#!" {
        bail!("only one application is served, and {shown} is no script that names it");
    }
    let folder = script.parent().unwrap_or(Path::new("."));
    Ok(folder.join(app))
}

/// The sentence for a server that was given no place to listen at.
pub(crate) fn nowhere() -> anyhow::Error {
    if std::env::var_os("GATEWAY_INTERFACE").is_some() {
        return anyhow!(
            "this was started as a CGI program, for one request: let the web server start it as a \
             FastCGI server, or start it yourself with --socket PATH"
        );
    }
    anyhow!(
        "there is nowhere to listen: give --socket PATH, --listen ADDRESS or --http ADDRESS, \
         or start this with a listening socket on file descriptor 0, which is {}",
        standard_input()
    )
}

fn standard_input() -> &'static str {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return "a terminal";
    }
    match fstat(&stdin).map(|file| FileType::from_raw_mode(file.st_mode)) {
        Ok(FileType::Socket) => {
            "a socket that does not listen (inetd, or Accept=yes in a .socket unit of systemd)"
        }
        Ok(FileType::Fifo) => "a pipe",
        Ok(FileType::CharacterDevice) => "a device like /dev/null",
        Ok(_) => "a file",
        Err(_) => "closed",
    }
}
