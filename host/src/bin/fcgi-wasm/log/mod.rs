//! Where messages go: standard error, coloured on a terminal and with
//! priorities for systemd's journal, or a file, or syslog.

mod destination;
mod file;
mod syslog;

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::Result;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

use crate::args::{LogArgs, LogPlace};
use crate::config;
use destination::{Destination, Log};

static LOG: OnceLock<Started> = OnceLock::new();

/// The compiler and the HTTP library talk much, and not to operators. WASI's libraries say
/// something as often as a guest has them do so, and do not say whose it is.
const QUIET: &str = "cranelift=warn,wasmtime=warn,wasmtime_wasi=off,hyper=warn,mio=warn";

/// The log at work.
struct Started {
    destination: Destination,
    /// Unless flags or the environment have said how much is logged.
    levels: Option<reload::Handle<EnvFilter, Registry>>,
    /// Where a configuration wants it, unless flags have said where it goes.
    wanted: Option<Mutex<LogPlace>>,
}

/// Starts the log. Flags go before what a configuration wants, and
/// `FCGI_WASM_LOG` has the last word, in the notation of tracing-subscriber,
/// like `debug` or `guest=off,info`.
pub(crate) fn start(
    args: &LogArgs,
    default: &str,
    place: Option<&LogPlace>,
    wanted: config::Log,
) -> Result<()> {
    let level = match (args.quiet, args.verbose) {
        (true, _) => Some("warn"),
        (false, 0) => None,
        (false, 1) => Some("debug"),
        (false, _) => Some("trace"),
    };
    let environment = EnvFilter::try_from_env("FCGI_WASM_LOG").ok();
    let is_level_fixed = level.is_some() || environment.is_some();
    let level = level.or(wanted.level.as_deref()).unwrap_or(default);
    let place = place.filter(|place| **place != LogPlace::default());
    let destination = Destination::open(place.unwrap_or(&wanted.place))?;
    let is_coloured = destination.is_standard_error() && std::io::stderr().is_terminal();
    let environment = environment.unwrap_or_else(|| filter(level));
    let (levels, handle) = reload::Layer::new(environment);
    let log = LOG.get_or_init(|| Started {
        destination,
        levels: (!is_level_fixed).then_some(handle),
        wanted: place.is_none().then(|| Mutex::new(wanted.place)),
    });
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(Log(&log.destination))
        .with_ansi(is_coloured)
        .with_target(false)
        // A line that can not be written is lost. It would be complained of on
        // standard error, and if that is what broke, by a panic.
        .log_internal_errors(false);
    let lines = match log.destination.has_a_clock() {
        true => lines.without_time().boxed(),
        false => lines.boxed(),
    };
    tracing_subscriber::registry()
        .with(levels)
        .with(lines)
        .init();
    Ok(())
}

fn filter(level: &str) -> EnvFilter {
    EnvFilter::new(format!("{level},{QUIET}"))
}

/// Goes on as a configuration wants it now, where flags have not said
/// otherwise.
pub(crate) fn change(wanted: &config::Log) {
    let Some(log) = LOG.get() else {
        return;
    };
    if let Some(place) = &log.wanted {
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        if *place != wanted.place && !log.destination.move_to(&wanted.place) {
            tracing::warn!(
                "whether the log goes to a file, to syslog or to standard error counts from the \
                 next start on"
            );
        }
        place.clone_from(&wanted.place);
    }
    if let (Some(levels), Some(level)) = (&log.levels, &wanted.level) {
        // It fails if the log is gone, which it never is.
        let _ = levels.reload(filter(level));
    }
}

/// Opens the log's file anew, if it is one: logrotate has moved it away.
pub(crate) fn reopen() {
    if let Some(log) = LOG.get() {
        log.destination.reopen();
    }
}

/// The last words of a command that failed: the sentence, and its causes.
pub(crate) fn fail(error: &anyhow::Error) {
    // Names of files and of what components export may stand in it.
    let sentence = format!("{error:#}");
    let lines: Vec<_> = sentence.lines().map(fcgi_wasm::printable).collect();
    let sentence = lines.join("\n");
    // Standard error may be closed, which is no reason to panic.
    let _ = writeln!(std::io::stderr(), "fcgi-wasm: {sentence}");
    // Or nobody reads it: spawn-fcgi and daemons have /dev/null there.
    if LOG
        .get()
        .is_some_and(|log| !log.destination.is_standard_error())
    {
        tracing::error!("{sentence}");
    }
}
