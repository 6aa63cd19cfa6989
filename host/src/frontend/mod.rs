//! Front-ends: each speaks one protocol with whoever asks, and hands what was
//! asked to a [`Handler`]. None of them knows what a handler is.

mod asker;
mod conversation;
mod discard;
mod exchange;
mod fastcgi;
mod http;
mod linger;
mod outgoing;
mod patience;
mod report;
mod upload;
mod verdict;
mod waits;

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use crate::message::{BoxFuture, Handler, Observers};

pub use fastcgi::FastCgi;
pub use http::Http;

/// The most connections at a time, unless set: some thousands of idle ones
/// cost a few KiB each, and a peer that opens more gains nothing by it.
pub const CONNECTIONS_MAX: usize = 4096;

/// A connected stream.
pub trait Socket: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// Whether the peer is gone for good. A peer that only ended its own side
    /// still reads answers; where the two can not be told apart (TCP), no.
    fn is_hung_up(&self) -> bool;

    /// Who the peer is, for the log.
    fn peer(&self) -> &str;
}

/// Speaks a protocol on connections.
pub trait Frontend: Send + Sync + 'static {
    /// Serves one connection until either side ends it. Once `stop` is
    /// cancelled no further request is taken, and those that were are
    /// answered. The observers are told of each.
    fn converse(
        &self,
        socket: Box<dyn Socket>,
        handler: Arc<dyn Handler>,
        observers: Observers,
        stop: CancellationToken,
    ) -> BoxFuture<'_, ()>;
}
