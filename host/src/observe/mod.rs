//! Seeing what happens: what is written, counted and shown of requests.
//!
//! Everything here hears of requests as an [`Observer`](crate::Observer). What
//! is slow, files and sockets, is done on threads of its own; the threads that
//! serve only note things down, within limits.

mod access;
mod app_logs;
mod board;
mod counts;
mod dropped;
mod format;
mod json;
mod lines;
mod metrics;
mod process;
mod snapshot;
mod status;

pub use access::AccessLog;
pub use app_logs::{APP_LOG_BURST_BYTES, APP_LOG_BYTES_PER_SECOND, AppLogs};
pub use board::{Board, Readiness};
pub use format::AccessLogFormat;
pub use lines::{Destination, LogFile, LogWriter};
pub use metrics::METRICS;
pub use status::StatusServer;
