//! A socket that listens, and that socket at work.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;

use super::inherited;
use super::stream::Stream;
use super::unix::{self, UnixPath};
use crate::setup::SetupError;

/// How many connections may wait to be accepted. Over it a unix socket answers
/// EAGAIN, which nginx turns into a 502; the kernel's own limit is 4096.
const BACKLOG: i32 = 4096;

/// A socket that listens.
#[derive(Debug)]
pub struct Listener {
    kind: Kind,
    name: String,
}

#[derive(Debug)]
pub(super) enum Kind {
    Unix(UnixListener, Option<unix::SocketFile>),
    Tcp(TcpListener, Clients),
}

/// Which TCP clients are served.
#[derive(Clone, Debug)]
pub(super) enum Clients {
    Any,
    Only(Vec<IpAddr>),
}

impl Listener {
    /// Listens on a unix socket; see [`UnixPath`] for its mode and owner. A
    /// file left behind by a server that is gone is replaced.
    ///
    /// # Errors
    ///
    /// If somebody listens there, if the path is another kind of file, or if
    /// the socket can not be made.
    pub fn unix(path: impl Into<UnixPath>) -> Result<Self, SetupError> {
        let path = path.into();
        let name = path.to_string();
        let (listener, file) = unix::bind(path)?;
        Self::new(Kind::Unix(listener, Some(file)), name)
    }

    /// Listens on a TCP address of this machine only (loopback). Port 0 takes
    /// a free one; see [`Self::local_addr`].
    ///
    /// # Errors
    ///
    /// If the address can be reached from elsewhere, or is taken.
    pub fn tcp(address: SocketAddr) -> Result<Self, SetupError> {
        if !address.ip().is_loopback() {
            return Err(SetupError::new(format!(
                "{address} can be reached from other machines, and whoever reaches it can claim \
                 to be anybody: name the web servers that may (--allowed-clients), or listen on \
                 127.0.0.1"
            )));
        }
        Self::bind_tcp(address, Clients::Any)
    }

    /// Listens on a TCP address for these clients; others are hung up on.
    ///
    /// # Errors
    ///
    /// If the address is taken or not of this machine.
    pub fn tcp_for(address: SocketAddr, clients: Vec<IpAddr>) -> Result<Self, SetupError> {
        Self::bind_tcp(address, Clients::Only(clients))
    }

    /// The listening socket on file descriptor 0, as Supervisor, spawn-fcgi,
    /// mod_fcgid and lighttpd pass it (FastCGI §2.2), or `None` if there is
    /// something else.
    ///
    /// # Errors
    ///
    /// If it listens but is neither unix nor TCP.
    pub fn inherited() -> Result<Option<Self>, SetupError> {
        inherited::from_stdin()
    }

    /// The sockets that systemd passes (`LISTEN_FDS`), in order. Takes the
    /// variables out of the environment, so call it before starting threads.
    ///
    /// # Errors
    ///
    /// If one of them is neither a listening unix nor TCP socket.
    pub fn from_systemd() -> Result<Vec<Self>, SetupError> {
        inherited::from_systemd()
    }

    /// The TCP address it listens on, if it is one.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match &self.kind {
            Kind::Unix(..) => None,
            Kind::Tcp(listener, _) => listener.local_addr().ok(),
        }
    }

    fn bind_tcp(address: SocketAddr, clients: Clients) -> Result<Self, SetupError> {
        let complain =
            |error: io::Error| SetupError::new(format!("cannot listen on {address}: {error}"));
        let listener = TcpListener::bind(address).map_err(complain)?;
        // The standard library asks for a shorter queue.
        rustix::net::listen(&listener, BACKLOG).map_err(|error| complain(error.into()))?;
        let address = listener.local_addr().map_err(complain)?;
        Self::new(Kind::Tcp(listener, clients), address.to_string())
    }

    pub(super) fn new(kind: Kind, name: String) -> Result<Self, SetupError> {
        let nonblocking = match &kind {
            Kind::Unix(listener, _) => listener.set_nonblocking(true),
            Kind::Tcp(listener, _) => listener.set_nonblocking(true),
        };
        nonblocking.map_err(|error| SetupError::new(format!("cannot use {name}: {error}")))?;
        Ok(Self { kind, name })
    }

    /// Begins to accept, on the runtime that this is called on.
    pub(crate) fn start(self) -> io::Result<Acceptor> {
        let socket = match self.kind {
            Kind::Unix(listener, file) => {
                let listener = tokio::net::UnixListener::from_std(listener)?;
                Socket::Unix { listener, file }
            }
            Kind::Tcp(listener, clients) => {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                Socket::Tcp { listener, clients }
            }
        };
        Ok(Acceptor(socket))
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// A listener at work. Dropping it stops it, and removes the socket file that
/// we made.
#[derive(Debug)]
pub(crate) struct Acceptor(Socket);

#[derive(Debug)]
enum Socket {
    Unix {
        listener: tokio::net::UnixListener,
        file: Option<unix::SocketFile>,
    },
    Tcp {
        listener: tokio::net::TcpListener,
        clients: Clients,
    },
}

impl Acceptor {
    /// Removes the file of a socket that we made, so that nobody connects any
    /// more. Whether there was one: the connections to any other socket are
    /// not ours alone, and wait for whoever serves it next.
    pub(crate) fn retire(&mut self) -> bool {
        match &mut self.0 {
            Socket::Unix { file, .. } => file.take().is_some(),
            Socket::Tcp { .. } => false,
        }
    }

    /// The next connection. Clients that may not connect are hung up on.
    pub(crate) async fn accept(&self) -> io::Result<Stream> {
        match &self.0 {
            Socket::Unix { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                Ok(Stream::unix(stream))
            }
            Socket::Tcp { listener, clients } => loop {
                let (stream, peer) = listener.accept().await?;
                if clients.may_connect(peer.ip()) {
                    return Stream::tcp(stream, peer);
                }
                tracing::warn!(%peer, "refused: not one of --allowed-clients");
            },
        }
    }
}

impl Clients {
    fn may_connect(&self, client: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::Only(clients) => clients.contains(&client.to_canonical()),
        }
    }
}
