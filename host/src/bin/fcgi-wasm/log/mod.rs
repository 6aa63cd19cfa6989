//! Where messages go: standard error, coloured on a terminal and with
//! priorities for systemd's journal, or a file, or syslog.

mod destination;
mod file;
mod syslog;

use std::io::{IsTerminal, Write};
use std::sync::OnceLock;

use anyhow::Result;
use tracing_subscriber::EnvFilter;

use crate::args::{LogArgs, LogPlace};
use destination::{Destination, Log};

static DESTINATION: OnceLock<Destination> = OnceLock::new();

/// Starts the log. `FCGI_WASM_LOG` has the last word, in the notation of
/// tracing-subscriber, like `debug` or `guest=off,info`.
pub(crate) fn start(args: &LogArgs, default: &str, place: Option<&LogPlace>) -> Result<()> {
    let level = match (args.quiet, args.verbose) {
        (true, _) => "warn",
        (false, 0) => default,
        (false, 1) => "debug",
        (false, _) => "trace",
    };
    // The compiler and the HTTP library talk much, and not to operators.
    let quiet = "cranelift=warn,wasmtime=warn,hyper=warn,mio=warn";
    let filter = EnvFilter::try_from_env("FCGI_WASM_LOG")
        .unwrap_or_else(|_| EnvFilter::new(format!("{level},{quiet}")));
    let opened = Destination::open(place)?;
    let destination = DESTINATION.get_or_init(|| opened);
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Log(destination))
        .with_ansi(destination.is_standard_error() && std::io::stderr().is_terminal())
        .with_target(false)
        // A line that can not be written is lost. It would be complained of on
        // standard error, and if that is what broke, by a panic.
        .log_internal_errors(false);
    match destination.has_a_clock() {
        true => subscriber.without_time().init(),
        false => subscriber.init(),
    }
    Ok(())
}

/// Opens the log's file anew, if it is one: logrotate has moved it away.
pub(crate) fn reopen() {
    if let Some(destination) = DESTINATION.get() {
        destination.reopen();
    }
}

/// The last words of a command that failed: the sentence, and its causes.
pub(crate) fn fail(error: &anyhow::Error) {
    // Standard error may be closed, which is no reason to panic.
    let _ = writeln!(std::io::stderr(), "fcgi-wasm: {error:#}");
    // Or nobody reads it: spawn-fcgi and daemons have /dev/null there.
    if DESTINATION
        .get()
        .is_some_and(|log| !log.is_standard_error())
    {
        tracing::error!("{error:#}");
    }
}
