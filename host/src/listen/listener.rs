//! A socket that listens, and that socket at work.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, Ordering};

use super::inherited;
use super::socket_file::SocketFile;
use super::stream::Stream;
use super::unix::{self, UnixPath};
use crate::setup::SetupError;

/// How many connections may wait to be accepted on a TCP address; the kernel's own limit,
/// which a unix socket has anyway, is 4096. Over it who connects waits and tries again, and
/// at a unix socket gets EAGAIN, which nginx turns into a 502.
const BACKLOG: i32 = 4096;

/// A socket that listens.
#[derive(Debug)]
pub struct Listener {
    kind: Kind,
    clients: Clients,
    name: String,
    passed_as: Option<String>,
}

#[derive(Debug)]
pub(super) enum Kind {
    Unix(UnixListener, Option<unix::Removal>),
    Tcp(TcpListener),
}

/// Which clients are served.
#[derive(Clone, Debug)]
enum Clients {
    Any,
    /// Those with these addresses, which nobody has who comes over a unix socket.
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
        Self::check_tcp(address)?;
        Self::bind_tcp(address)
    }

    /// Whether [`Self::tcp`] takes an address.
    ///
    /// # Errors
    ///
    /// If it can be reached from elsewhere.
    pub fn check_tcp(address: SocketAddr) -> Result<(), SetupError> {
        if address.ip().is_loopback() {
            return Ok(());
        }
        Err(SetupError::new(format!(
            "{address} can be reached from other machines, and whoever reaches it can claim to be \
             anybody: name the web servers that may (--allowed-clients, `allowed_clients`), or \
             listen on 127.0.0.1"
        )))
    }

    /// Listens on a TCP address for these clients; others are hung up on.
    ///
    /// # Errors
    ///
    /// If the address is taken or not of this machine.
    pub fn tcp_for(address: SocketAddr, clients: Vec<IpAddr>) -> Result<Self, SetupError> {
        Ok(Self::bind_tcp(address)?.only(clients))
    }

    /// Serves only clients with these addresses from now on, of those that it
    /// would have served. Others are hung up on, and so is whoever comes over
    /// a unix socket: this is what FastCGI §3.2 makes of
    /// FCGI_WEB_SERVER_ADDRS; see [`Self::web_servers`].
    #[must_use]
    pub fn only(mut self, clients: Vec<IpAddr>) -> Self {
        let mut clients: Vec<_> = clients.iter().map(IpAddr::to_canonical).collect();
        if let Clients::Only(known) = &self.clients {
            clients.retain(|client| known.contains(client));
        }
        if matches!(self.kind, Kind::Unix(..)) {
            tracing::warn!(
                "nobody who connects to {self} is served: only clients with certain addresses \
                 are, and over a unix socket nobody has one (`allowed_clients` or \
                 FCGI_WEB_SERVER_ADDRS)"
            );
        }
        self.clients = Clients::Only(clients);
        self
    }

    /// The web servers that the environment restricts a FastCGI application
    /// to, as addresses with commas between (FCGI_WEB_SERVER_ADDRS, FastCGI
    /// §3.2); IPv6 is taken too. `None` if the variable is not set.
    ///
    /// # Errors
    ///
    /// If it is no such list, or an empty one: nothing tells who was meant.
    pub fn web_servers() -> Result<Option<Vec<IpAddr>>, SetupError> {
        inherited::web_servers()
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

    /// What systemd calls a socket that it has passed (`FileDescriptorName=`),
    /// if it does.
    pub fn passed_as(&self) -> Option<&str> {
        self.passed_as.as_deref()
    }

    /// The TCP address it listens on, if it is one.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match &self.kind {
            Kind::Unix(..) => None,
            Kind::Tcp(listener) => listener.local_addr().ok(),
        }
    }

    /// The file of the unix socket, if this has made it.
    pub fn socket_file(&self) -> Option<SocketFile> {
        match &self.kind {
            Kind::Unix(_, file) => file.as_ref().map(|file| file.0.clone()),
            Kind::Tcp(_) => None,
        }
    }

    fn bind_tcp(address: SocketAddr) -> Result<Self, SetupError> {
        let complain =
            |error: io::Error| SetupError::new(format!("cannot listen on {address}: {error}"));
        let listener = TcpListener::bind(address).map_err(complain)?;
        // The standard library asks for a shorter queue.
        rustix::net::listen(&listener, BACKLOG).map_err(|error| complain(error.into()))?;
        let address = listener.local_addr().map_err(complain)?;
        Self::new(Kind::Tcp(listener), address.to_string())
    }

    pub(super) fn new(kind: Kind, name: String) -> Result<Self, SetupError> {
        let nonblocking = match &kind {
            Kind::Unix(listener, _) => listener.set_nonblocking(true),
            Kind::Tcp(listener) => listener.set_nonblocking(true),
        };
        nonblocking.map_err(|error| SetupError::new(format!("cannot use {name}: {error}")))?;
        Ok(Self {
            kind,
            clients: Clients::Any,
            name,
            passed_as: None,
        })
    }

    pub(super) fn passed_by_name(self, name: Option<&str>) -> Self {
        Self {
            passed_as: name.map(str::to_owned),
            ..self
        }
    }

    /// Begins to accept, on the runtime that this is called on.
    pub(crate) fn start(self) -> io::Result<Acceptor> {
        let (socket, file) = match self.kind {
            Kind::Unix(listener, file) => {
                let listener = tokio::net::UnixListener::from_std(listener)?;
                (Socket::Unix(listener), file)
            }
            Kind::Tcp(listener) => {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                (Socket::Tcp(listener), None)
            }
        };
        Ok(Acceptor {
            socket,
            clients: self.clients,
            has_refused: AtomicBool::new(false),
            file,
        })
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
pub(crate) struct Acceptor {
    socket: Socket,
    clients: Clients,
    has_refused: AtomicBool,
    file: Option<unix::Removal>,
}

#[derive(Debug)]
enum Socket {
    Unix(tokio::net::UnixListener),
    Tcp(tokio::net::TcpListener),
}

impl Acceptor {
    /// Removes the file of a socket that we made, so that nobody connects any
    /// more. Whether there was one: the connections to any other socket are
    /// not ours alone, and wait for whoever serves it next.
    pub(crate) fn retire(&mut self) -> bool {
        self.file.take().is_some()
    }

    /// The next connection. Clients that may not connect are hung up on. Who
    /// shares the socket may have taken the connection that woke us (EAGAIN);
    /// then this waits for another.
    pub(crate) async fn accept(&self) -> io::Result<Stream> {
        loop {
            match &self.socket {
                Socket::Unix(listener) => {
                    let stream = Stream::unix(listener.accept().await?.0);
                    if matches!(self.clients, Clients::Any) {
                        return Ok(stream);
                    }
                    self.refuse(stream.peer(), "FCGI_WEB_SERVER_ADDRS is set");
                }
                Socket::Tcp(listener) => {
                    let (stream, peer) = listener.accept().await?;
                    if self.clients.may_connect(peer.ip()) {
                        return Stream::tcp(stream, peer);
                    }
                    let reason = "not one of --allowed-clients or FCGI_WEB_SERVER_ADDRS";
                    self.refuse(&peer.to_string(), reason);
                }
            }
        }
    }

    /// Tells the log the first time: whoever tries it all day does not fill it.
    fn refuse(&self, peer: &str, reason: &str) {
        match self.has_refused.swap(true, Ordering::Relaxed) {
            true => tracing::debug!(peer, "refused: {reason}"),
            false => tracing::warn!(peer, "refused: {reason} (further ones are logged with -v)"),
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
