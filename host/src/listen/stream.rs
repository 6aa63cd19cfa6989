//! A connection that was accepted.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A unix or TCP connection.
#[derive(Debug)]
pub struct Stream {
    kind: Kind,
    peer: String,
}

#[derive(Debug)]
enum Kind {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Stream {
    pub(super) fn unix(stream: UnixStream) -> Self {
        let peer = match stream.peer_cred().map(|peer| peer.pid()) {
            Ok(Some(pid)) => format!("unix:{pid}"),
            _ => "unix:".to_owned(),
        };
        Self {
            kind: Kind::Unix(stream),
            peer,
        }
    }

    pub(super) fn tcp(stream: TcpStream, peer: SocketAddr) -> io::Result<Self> {
        // An answer is one write, and small ones must not wait for an ACK.
        stream.set_nodelay(true)?;
        Ok(Self {
            kind: Kind::Tcp(stream),
            peer: peer.to_string(),
        })
    }

    /// Who the peer is, for the log: an address, or `unix:` and a process id.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// Whether both directions are closed, or the connection was reset.
    pub fn is_hung_up(&self) -> bool {
        let fd = match &self.kind {
            Kind::Unix(stream) => stream.as_fd(),
            Kind::Tcp(stream) => stream.as_fd(),
        };
        has_hang_up(fd)
    }
}

fn has_hang_up(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::empty())];
    let at_once = Timespec::default();
    let gone = PollFlags::HUP | PollFlags::ERR;
    poll(&mut fds, Some(&at_once)).is_ok() && fds[0].revents().intersects(gone)
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.get_mut().kind {
            Kind::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
            Kind::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().kind {
            Kind::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Kind::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().kind {
            Kind::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Kind::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(())) // sockets hold nothing back
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().kind {
            Kind::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Kind::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
