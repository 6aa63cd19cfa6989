//! What a peer can do so wrong that its connection has to be closed.

use super::record::RequestId;

/// The peer broke the protocol: the connection is closed once the answers that
/// are under way have left. Only this connection suffers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A record that does not begin with the version 1 (§3.3).
    #[error("{}", wrong_version(*.0))]
    WrongVersion(u8),
    /// BEGIN_REQUEST without its eight bytes (§5.1).
    #[error("BEGIN_REQUEST has {bytes} bytes of content where the protocol has 8")]
    BeginBody {
        /// How many bytes it has.
        bytes: usize,
    },
    /// BEGIN_REQUEST for a request that is still running.
    #[error("request {0} was begun a second time before it had ended")]
    BegunTwice(RequestId),
    /// A record of a request with the connection's id 0, or the reverse.
    #[error("a record of type {record_type} came with the request id {id}, where it has no place")]
    IdOutOfPlace {
        /// The record's type, as on the wire.
        record_type: u8,
        /// The id it came with.
        id: u16,
    },
    /// A request's params, or the body bytes that came before their end, are
    /// more than this server holds.
    #[error("request {id}: {what}")]
    TooMuch {
        /// The request, to be answered with 431 before the connection closes.
        id: RequestId,
        /// What exceeds which limit.
        what: String,
    },
    /// A request's params are no name-value pairs (§3.4).
    #[error("request {id}: {reason} of its params")]
    BadParams {
        /// The request, to be answered with 400 before the connection closes.
        id: RequestId,
        /// Where they are wrong.
        reason: super::PairError,
    },
}

impl ProtocolError {
    /// The request that can still be told, if the error is one request's.
    pub fn request(&self) -> Option<RequestId> {
        match self {
            Self::TooMuch { id, .. } | Self::BadParams { id, .. } => Some(*id),
            _ => None,
        }
    }
}

fn wrong_version(version: u8) -> String {
    let hint = match version {
        b'A'..=b'Z' => ": it looks like HTTP, which this socket does not speak (see --http)",
        0x16 => ": it looks like TLS, which this socket does not speak",
        0 => "",
        _ => ": this socket speaks FastCGI only",
    };
    format!("a record begins with the version {version} instead of 1{hint}")
}
