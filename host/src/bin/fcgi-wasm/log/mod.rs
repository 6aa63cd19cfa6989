//! Where messages go: the log to standard error, coloured on a terminal.

use std::io::{IsTerminal, Write};

use tracing_subscriber::EnvFilter;

use crate::args::LogArgs;

/// Starts the log. `FCGI_WASM_LOG` has the last word, in the notation of
/// tracing-subscriber, like `debug` or `guest=off,info`.
pub(crate) fn start(args: &LogArgs, default: &str) {
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
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}

/// The last words of a command that failed: the sentence, and its causes.
pub(crate) fn fail(error: &anyhow::Error) {
    // Standard error may be closed, which is no reason to panic.
    let _ = writeln!(std::io::stderr(), "fcgi-wasm: {error:#}");
}
