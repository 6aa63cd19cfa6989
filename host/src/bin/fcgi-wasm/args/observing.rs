//! The parts of the command line about seeing what happens.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args as ArgGroup;
use fcgi_wasm::AccessLogFormat;

use super::values::duration;

#[derive(ArgGroup, Debug)]
#[command(next_help_heading = "Seeing what happens")]
pub(crate) struct Observing {
    /// A line for each request, to this file; `-` for standard error
    ///
    /// SIGHUP has it opened anew. A request never waits for it: lines that the
    /// disk does not take in time are dropped and counted.
    #[arg(long, value_name = "FILE")]
    pub(crate) access_log: Option<PathBuf>,
    /// How its lines look: json, combined, or words in braces
    ///
    /// Words are {time}, {time_clf}, {id}, {remote}, {host}, {method}, {path},
    /// {status}, {bytes_in}, {bytes_out}, {duration_us}, {queue_us}, {cpu_us},
    /// {paused_us}, {memory_bytes}, {role}, {app}, {tenant}, {cause}, {aborted}, {referer}
    /// and {param:NAME}. Queries and cookies are only there if they are named,
    /// as {param:QUERY_STRING}.
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "json",
        requires = "access_log"
    )]
    pub(crate) access_log_format: AccessLogFormat,
    /// What the application says, and why its requests fail, to this file too
    #[arg(long, value_name = "FILE")]
    pub(crate) app_log: Option<PathBuf>,
    /// Show the status and metrics over HTTP on this address or unix:PATH
    ///
    /// Pages: / for people, /status.json, /metrics for Prometheus, /healthz and
    /// /readyz. It answers when every place is taken. See `fcgi-wasm status`.
    #[arg(long, value_name = "ADDRESS", value_parser = place)]
    pub(crate) status: Option<Place>,
    /// Who may see it; needed for an address beyond this machine
    #[arg(
        long,
        value_name = "IP,...",
        value_delimiter = ',',
        requires = "status"
    )]
    pub(crate) status_clients: Vec<IpAddr>,
    /// Log where a request is that takes longer than this, without stopping it
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) slow: Option<Duration>,
}

/// Show what a server is at: its applications and running requests
///
/// Takes what was given to `serve --status`.
#[derive(ArgGroup, Debug)]
pub(crate) struct Status {
    /// Where it shows its status: an address, or a unix socket's path
    #[arg(value_parser = place)]
    pub(crate) server: Place,
    /// Print all of it as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Watch a server: what computes most comes first; q quits
///
/// Takes what was given to `serve --status`. Where its output is no terminal
/// it prints the status once.
#[derive(ArgGroup, Debug)]
pub(crate) struct Top {
    /// Where it shows its status: an address, or a unix socket's path
    #[arg(value_parser = place)]
    pub(crate) server: Place,
    /// How often to look
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    pub(crate) every: Duration,
}

/// Where a server shows its status.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

pub(crate) fn place(text: &str) -> Result<Place, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        return Ok(Place::Unix(path.into()));
    }
    match text.parse() {
        Ok(address) => Ok(Place::Tcp(address)),
        Err(_) if text.contains('/') => Ok(Place::Unix(text.into())),
        Err(_) => Err("write an address like 127.0.0.1:9900, or unix:PATH".to_owned()),
    }
}
