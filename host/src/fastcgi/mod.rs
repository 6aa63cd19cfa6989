//! FastCGI 1.0 as pure data: bytes in, events out, and the other way round.
//!
//! Nothing here reads a socket, a clock or a setting, and nothing here knows
//! what a request is for. The order of use on the server's side is always:
//!
//! ```text
//! socket → connection.input()      bytes arrive
//!          connection.next_event() → Begin, Stdin, Abort …
//!          connection.stdout(id, …), stderr(id, …), end(id, …)
//! socket ← connection.output()     bytes leave
//! ```
//!
//! Section numbers in this folder are those of the FastCGI Specification 1.0.

mod client;
mod connection;
mod error;
mod event;
#[cfg(any(test, fuzzing))]
mod fuzzing;
mod output;
mod pairs;
mod params;
mod reader;
mod record;

pub use client::{Client, Reply};
pub use connection::Connection;
pub use error::ProtocolError;
pub use event::{Event, Refusal, Values};
#[cfg(fuzzing)]
pub use fuzzing::fuzz_records;
pub use output::Output;
pub use pairs::{PairError, Pairs, write_pair};
pub use params::{PARAM_NAME_BYTES_MAX, PARAMS_BYTES_MAX, PARAMS_COUNT_MAX};
pub use record::{CONTENT_BYTES_MAX, Header, ProtocolStatus, RecordType, RequestId, Role};
