//! What whoever started us has prepared: listening sockets, and the addresses
//! of the web servers that may use them.

use std::env::{self, VarError};
use std::io;
use std::net::{IpAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;

use listenfd::ListenFd;
use rustix::net::AddressFamily;
use rustix::net::sockopt::{socket_acceptconn, socket_domain};

use super::listener::{Kind, Listener};
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

/// As sd_listen_fds(3) has it: the sockets are ours if LISTEN_PID is our
/// process, and begin at file descriptor 3.
pub(super) fn from_systemd() -> Result<Vec<Listener>, SetupError> {
    // Without it `ListenFd` would take them for ours.
    if env::var_os("LISTEN_PID").is_none_or(|process| process.is_empty()) {
        return Ok(Vec::new());
    }
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut passed = ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..passed.len() {
        let passed_as = names.next().filter(|name| !name.is_empty());
        let name = match passed_as {
            Some(name) => format!("socket {name} of systemd"),
            None => format!("socket {index} of systemd"),
        };
        let complain = |error: io::Error| unusable(&name, &error);
        // Asked in this order because each checks that it is what it takes.
        let listener = match passed.take_unix_listener(index) {
            Ok(Some(listener)) => from_socket(listener.into(), &name)?,
            _ => match passed.take_tcp_listener(index).map_err(complain)? {
                Some(listener) => from_socket(listener.into(), &name)?,
                None => continue,
            },
        };
        listeners.push(listener.passed_by_name(passed_as));
    }
    Ok(listeners)
}

/// Who may connect is for whoever made the socket to say.
fn from_socket(socket: OwnedFd, name: &str) -> Result<Listener, SetupError> {
    let complain = |error: io::Error| unusable(name, &error);
    if !socket_acceptconn(&socket).map_err(|error| complain(error.into()))? {
        return Err(SetupError::new(format!(
            "{name} does not listen, it is a connection: take Accept=yes out of its .socket unit"
        )));
    }
    let family = socket_domain(&socket).map_err(|error| complain(error.into()))?;
    let kind = match family {
        AddressFamily::UNIX => Kind::Unix(UnixListener::from(socket), None),
        AddressFamily::INET | AddressFamily::INET6 => Kind::Tcp(TcpListener::from(socket)),
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
        Kind::Tcp(listener) => listener
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

pub(super) fn web_servers() -> Result<Option<Vec<IpAddr>>, SetupError> {
    match env::var("FCGI_WEB_SERVER_ADDRS") {
        Ok(list) => addresses(&list).map(Some),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(list)) => addresses(&list.to_string_lossy()).map(Some),
    }
}

fn addresses(list: &str) -> Result<Vec<IpAddr>, SetupError> {
    let parse = |address: &str| address.trim().parse::<IpAddr>();
    let addresses = list.split(',').map(parse).collect::<Result<Vec<_>, _>>();
    addresses.map_err(|_| {
        SetupError::new(format!(
            "FCGI_WEB_SERVER_ADDRS is {list:?}: write the web servers' IP addresses with commas \
             between, like 192.0.2.7,192.0.2.8, or unset it to serve all (FastCGI §3.2)"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conformance_78_the_list_of_web_servers_is_read_or_refused() {
        let known = addresses("199.170.183.28, 199.170.183.71,::1").expect("a list");
        let expected = ["199.170.183.28", "199.170.183.71", "::1"];
        assert_eq!(
            known,
            expected.map(|text| text.parse::<IpAddr>().expect("an address"))
        );
        for wrong in [
            "",
            ",",
            "127.0.0.1,",
            "localhost",
            "10.0.0.0/8",
            "127.0.0.1:9000",
            "1.2.3",
        ] {
            let error = addresses(wrong).expect_err(wrong).to_string();
            assert!(error.contains("FCGI_WEB_SERVER_ADDRS"), "{error}");
        }
    }
}
