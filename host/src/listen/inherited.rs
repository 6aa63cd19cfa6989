//! Listening sockets that were made by whoever started us.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;

use listenfd::ListenFd;
use rustix::net::AddressFamily;
use rustix::net::sockopt::{socket_acceptconn, socket_domain};

use super::listener::{Clients, Kind, Listener};
use crate::setup::SetupError;

pub(super) fn from_stdin() -> Result<Option<Listener>, SetupError> {
    let stdin = io::stdin();
    if !socket_acceptconn(stdin.as_fd()).unwrap_or(false) {
        return Ok(None);
    }
    let socket = stdin.as_fd().try_clone_to_owned();
    let socket = socket.map_err(|error| unusable("file descriptor 0", &error))?;
    from_socket(socket, "file descriptor 0").map(Some)
}

pub(super) fn from_systemd() -> Result<Vec<Listener>, SetupError> {
    let mut passed = ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..passed.len() {
        let name = format!("socket {index} of systemd");
        let complain = |error: io::Error| unusable(&name, &error);
        // Asked in this order because each checks that it is what it takes.
        let listener = match passed.take_unix_listener(index) {
            Ok(Some(listener)) => from_socket(listener.into(), &name)?,
            _ => match passed.take_tcp_listener(index).map_err(complain)? {
                Some(listener) => from_socket(listener.into(), &name)?,
                None => continue,
            },
        };
        listeners.push(listener);
    }
    Ok(listeners)
}

/// Who may connect is for whoever made the socket to say.
fn from_socket(socket: OwnedFd, name: &str) -> Result<Listener, SetupError> {
    let complain = |error: io::Error| unusable(name, &error);
    let family = socket_domain(&socket).map_err(|error| complain(error.into()))?;
    let kind = match family {
        AddressFamily::UNIX => Kind::Unix(UnixListener::from(socket), None),
        AddressFamily::INET | AddressFamily::INET6 => {
            Kind::Tcp(TcpListener::from(socket), Clients::Any)
        }
        _ => {
            let sentence = format!("{name} is neither a unix nor a TCP socket");
            return Err(SetupError::new(sentence));
        }
    };
    let place = match &kind {
        Kind::Unix(listener, _) => listener.local_addr().ok().and_then(|address| {
            let path = address.as_pathname()?;
            Some(path.display().to_string())
        }),
        Kind::Tcp(listener, _) => listener
            .local_addr()
            .ok()
            .map(|address| address.to_string()),
    };
    let name = match place {
        Some(place) => format!("{place} ({name})"),
        None => name.to_owned(),
    };
    Listener::new(kind, name)
}

fn unusable(name: &str, error: &io::Error) -> SetupError {
    SetupError::new(format!("cannot listen on {name}: {error}"))
}
