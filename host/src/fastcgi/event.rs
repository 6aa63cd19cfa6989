//! What a connection tells of the web server, and what it is told of us.

use std::sync::Arc;

use bytes::Bytes;

#[cfg(doc)]
use super::connection::Connection;
use super::record::{RequestId, Role};

/// Something that the web server wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A request whose params are complete. Its body may follow, and the
    /// answer need not wait for it.
    Begin {
        /// Its id on this connection.
        id: RequestId,
        /// What is asked of the application.
        role: Role,
        /// Whether other requests may follow on the connection.
        keep_conn: bool,
        /// The params as a well-formed stream for [`Pairs`](super::Pairs).
        params: Vec<u8>,
    },
    /// Bytes of the request's body.
    Stdin(RequestId, Bytes),
    /// The body is complete, as far as the web server sends it.
    StdinEnd(RequestId),
    /// Bytes of the file that a filter transforms.
    Data(RequestId, Bytes),
    /// That file is complete.
    DataEnd(RequestId),
    /// The client is gone. The request, in this role, still wants its
    /// [`Connection::end`].
    Abort(RequestId, Role),
    /// A request that can not be served. It wants an answer that says so, and
    /// its [`Connection::end`].
    Refuse(RequestId, Refusal),
}

/// Why a request can not be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The specification has no role with this number.
    UnknownRole(u16),
    /// As many requests as [`Values::requests_max`] are under way.
    TooManyRequests,
}

/// What this application says of itself when asked with GET_VALUES (§4.1).
#[derive(Clone, Debug)]
pub struct Values {
    /// `FCGI_MAX_CONNS`: the most connections at a time.
    pub connections_max: usize,
    /// `FCGI_MAX_REQS`: the most requests at a time. HAProxy takes it for the
    /// most on one connection, and so do we: one more is refused.
    pub requests_max: usize,
    /// `FCGI_MPXS_CONNS`: whether the web server should send several requests
    /// at a time on one connection. They are served in any case.
    pub multiplex: bool,
    /// `FCGI_WASM_APP`, a name of ours: what is served here, for
    /// `fcgi-wasm doctor`. Nothing is said of it if it is empty. Beside it
    /// `FCGI_WASM_SERVER` tells this program's version.
    pub app: Arc<str>,
}
