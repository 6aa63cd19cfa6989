//! The command line: what can be typed, and the help that says so.

mod app;
mod conf;
mod doctor;
mod hosting;
mod line;
mod manual;
mod new;
mod observing;
mod request;
mod serve;
pub(crate) mod values;

use std::path::PathBuf;

use bytesize::ByteSize;
use clap::{Args as ArgGroup, Parser, Subcommand};

pub(crate) use app::{AppArgs, FileSender};
pub(crate) use conf::{Conf, Kind};
pub(crate) use doctor::{ConnectAs, Doctor};
pub(crate) use hosting::{Config, ConfigCommand, Reload};
pub(crate) use line::with_command;
pub(crate) use manual::{Completions, Man};
pub(crate) use new::{Language, New};
pub(crate) use observing::{Observing, Place, Status, Top, place};
pub(crate) use request::Request;
pub(crate) use serve::{LogPlace, Places, Serve};
use values::bytes;

/// Runs WebAssembly components as web applications behind any web server that
/// speaks FastCGI: each request in a fresh, sandboxed instance.
///
/// `fcgi-wasm app.wasm` is short for `fcgi-wasm serve app.wasm`.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) log: LogArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(ArgGroup, Debug)]
pub(crate) struct LogArgs {
    /// Log more: each request; twice, everything
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    /// Log warnings and errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(Box<Serve>),
    Config(Config),
    Reload(Reload),
    Check(Check),
    Compile(Compile),
    Request(Box<Request>),
    Status(Status),
    Top(Top),
    Conf(Conf),
    Doctor(Doctor),
    #[command(hide = true)]
    ConnectAs(ConnectAs),
    New(New),
    Completions(Completions),
    Man(Man),
    /// Compile what comes on the standard input, for a server
    #[command(hide = true)]
    CompileForServer,
}

impl Command {
    /// What is logged without `-v` or `-q`.
    pub(crate) fn default_log(&self) -> &'static str {
        match self {
            // It shows what the application says itself.
            Self::Request(_) | Self::Doctor(_) | Self::ConnectAs(_) => "error",
            _ => "info",
        }
    }

    /// Where the log goes, if not to standard error.
    pub(crate) fn log_place(&self) -> Option<&LogPlace> {
        match self {
            Self::Serve(serve) => Some(&serve.log),
            _ => None,
        }
    }
}

#[derive(ArgGroup, Clone, Debug)]
#[command(next_help_heading = "Compiled code")]
pub(crate) struct CacheArgs {
    /// Folder for compiled components [default: fcgi-wasm in the user's cache folder]
    ///
    /// It must belong to this user and be writable by nobody else, because
    /// what is in it is run as it is.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) cache: Option<PathBuf>,
    /// Compile anew at each start
    #[arg(long, conflicts_with = "cache")]
    pub(crate) no_cache: bool,
    /// How much of them is kept; who has most of it makes room, with what was unused for longest
    #[arg(long, value_name = "SIZE", default_value = "2GiB", value_parser = bytes)]
    pub(crate) cache_size: ByteSize,
}

/// Say what a component is, what it wants, and whether it can be served
#[derive(ArgGroup, Debug)]
pub(crate) struct Check {
    /// The application, a WebAssembly component
    pub(crate) app: PathBuf,
    #[command(flatten)]
    pub(crate) cache: CacheArgs,
}

/// Compile a component ahead of time, so that `serve` starts at once
#[derive(ArgGroup, Debug)]
pub(crate) struct Compile {
    /// The applications, WebAssembly components
    #[arg(required = true)]
    pub(crate) apps: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) cache: CacheArgs,
}
