//! One record: its eight header bytes and the numbers that stand in it (§3.3, §8).

use std::fmt;
use std::num::NonZeroU16;

/// The only version of the protocol there is.
pub(super) const VERSION: u8 = 1;

/// Bytes of a record's header.
pub(super) const HEADER_BYTES: usize = 8;

/// The most content one record can carry, bytes: its length has two bytes.
pub const CONTENT_BYTES_MAX: usize = 65_535;

/// Bytes in the body of BEGIN_REQUEST, END_REQUEST and UNKNOWN_TYPE.
pub(super) const BODY_BYTES: usize = 8;

/// The bit of BEGIN_REQUEST's flags that keeps the connection open (§5.1).
pub(super) const KEEP_CONN: u8 = 1;

/// Numbers a request on its connection.
///
/// Id 0 means the connection itself, so it is no `RequestId`: a management
/// record can not be taken for a request's by accident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(NonZeroU16);

impl RequestId {
    /// The id with this number, or `None` for 0.
    pub fn new(number: u16) -> Option<Self> {
        NonZeroU16::new(number).map(Self)
    }

    /// The number on the wire.
    pub fn get(self) -> u16 {
        self.0.get()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The types of record (§8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RecordType {
    /// Web server: a request begins.
    BeginRequest = 1,
    /// Web server: the client is gone, stop.
    AbortRequest = 2,
    /// Application: the request is over.
    EndRequest = 3,
    /// Web server: name-value pairs, a stream.
    Params = 4,
    /// Web server: the request's body, a stream.
    Stdin = 5,
    /// Application: the response, a stream.
    Stdout = 6,
    /// Application: messages for the error log, a stream.
    Stderr = 7,
    /// Web server: the file that a filter transforms, a stream.
    Data = 8,
    /// Web server: asks for variables of the application.
    GetValues = 9,
    /// Application: the answer to that.
    GetValuesResult = 10,
    /// Application: a management record was not understood.
    UnknownType = 11,
}

impl RecordType {
    /// The type with this number, or `None` if the specification has none.
    pub fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::BeginRequest,
            2 => Self::AbortRequest,
            3 => Self::EndRequest,
            4 => Self::Params,
            5 => Self::Stdin,
            6 => Self::Stdout,
            7 => Self::Stderr,
            8 => Self::Data,
            9 => Self::GetValues,
            10 => Self::GetValuesResult,
            11 => Self::UnknownType,
            _ => return None,
        })
    }

    /// Whether records of this type belong to a request, not to the connection.
    pub(super) fn is_of_request(self) -> bool {
        !matches!(
            self,
            Self::GetValues | Self::GetValuesResult | Self::UnknownType
        )
    }
}

/// What the web server wants of the application (§6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Answers the request (§6.2).
    Responder,
    /// Says whether the request may pass (§6.3).
    Authorizer,
    /// Answers the request by transforming a file (§6.4).
    Filter,
}

impl Role {
    /// The role with this number, or `None` if the specification has none.
    pub fn from_number(number: u16) -> Option<Self> {
        Some(match number {
            1 => Self::Responder,
            2 => Self::Authorizer,
            3 => Self::Filter,
            _ => return None,
        })
    }

    /// The number on the wire.
    pub fn number(self) -> u16 {
        match self {
            Self::Responder => 1,
            Self::Authorizer => 2,
            Self::Filter => 3,
        }
    }
}

/// How a request ended, as far as the protocol goes (§5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolStatus {
    /// Normally.
    RequestComplete,
    /// Refused: one request at a time on this connection. Never sent by us,
    /// because a client that multiplexes waits for ever when it gets it.
    CantMultiplex,
    /// Refused: the application is out of some resource.
    Overloaded,
    /// Refused: the application does not play this role.
    UnknownRole,
}

impl ProtocolStatus {
    /// The status with this number, or `None` if the specification has none.
    pub fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::RequestComplete,
            1 => Self::CantMultiplex,
            2 => Self::Overloaded,
            3 => Self::UnknownRole,
            _ => return None,
        })
    }

    /// The number on the wire.
    pub fn number(self) -> u8 {
        match self {
            Self::RequestComplete => 0,
            Self::CantMultiplex => 1,
            Self::Overloaded => 2,
            Self::UnknownRole => 3,
        }
    }
}

/// The header of a record (§3.3), without the version, which is always 1.
///
/// ```text
///    0         1      2        3       4         5       6        7
/// +---------+------+--------+-------+---------+-------+---------+----------+
/// | version | type | request id     | content length  | padding | reserved |
/// +---------+------+--------+-------+---------+-------+---------+----------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The record's type; see [`RecordType::from_number`].
    pub record_type: u8,
    /// The request's id, 0 for the connection itself.
    pub id: u16,
    /// Bytes of content that follow.
    pub content_bytes: u16,
    /// Bytes of padding that follow the content, to be skipped.
    pub padding_bytes: u8,
}

impl Header {
    /// The header of a record of `content_bytes`, padded to a multiple of
    /// eight bytes as §3.3 recommends.
    pub fn padded(record_type: RecordType, id: u16, content_bytes: u16) -> Self {
        Self {
            record_type: record_type as u8,
            id,
            content_bytes,
            padding_bytes: (content_bytes.wrapping_neg() & 7) as u8,
        }
    }

    /// Reads a header; the wrong version number if it is not 1. The reserved
    /// byte is ignored, as §3.3 asks.
    pub fn parse(bytes: [u8; HEADER_BYTES]) -> Result<Self, u8> {
        let [
            version,
            record_type,
            id_1,
            id_0,
            length_1,
            length_0,
            padding,
            _,
        ] = bytes;
        if version != VERSION {
            return Err(version);
        }
        Ok(Self {
            record_type,
            id: u16::from_be_bytes([id_1, id_0]),
            content_bytes: u16::from_be_bytes([length_1, length_0]),
            padding_bytes: padding,
        })
    }

    /// The header as it goes on the wire.
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let [id_1, id_0] = self.id.to_be_bytes();
        let [length_1, length_0] = self.content_bytes.to_be_bytes();
        [
            VERSION,
            self.record_type,
            id_1,
            id_0,
            length_1,
            length_0,
            self.padding_bytes,
            0,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back_as_written() {
        let header = Header::padded(RecordType::Stdout, 513, 65_535);
        assert_eq!(header.padding_bytes, 1);
        assert_eq!(header.to_bytes(), [1, 6, 2, 1, 255, 255, 1, 0]);
        assert_eq!(Header::parse(header.to_bytes()), Ok(header));
    }

    #[test]
    fn padding_fills_to_eight() {
        for (content, padding) in [(0, 0), (1, 7), (7, 1), (8, 0), (9, 7), (65_528, 0)] {
            let header = Header::padded(RecordType::Stdout, 1, content);
            assert_eq!(header.padding_bytes, padding, "content of {content} bytes");
        }
    }

    #[test]
    fn numbers_read_back_as_written() {
        for number in 0..=255_u8 {
            if let Some(record_type) = RecordType::from_number(number) {
                assert_eq!(record_type as u8, number);
            }
            if let Some(status) = ProtocolStatus::from_number(number) {
                assert_eq!(status.number(), number);
            }
            if let Some(role) = Role::from_number(number.into()) {
                assert_eq!(role.number(), u16::from(number));
            }
        }
    }
}
