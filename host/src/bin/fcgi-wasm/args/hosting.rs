//! The part of the command line for many applications in one process.

use std::path::PathBuf;

use clap::{Args as ArgGroup, Subcommand};

/// Check or show a configuration, or print its schema
#[derive(ArgGroup, Debug)]
pub(crate) struct Config {
    #[command(subcommand)]
    pub(crate) command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say what is wrong with a configuration, without serving it
    ///
    /// Besides what does not fit together: places that can not be made, files that can
    /// not be served. What can be served and is hardly meant, and what only this user
    /// could not do, is a warning on standard error, and no failure.
    Check(ConfigFile),
    /// Show what is in effect, and which file and line each value comes from
    Show(ConfigFile),
    /// Print the JSON schema of configurations, for editors
    Schema,
}

#[derive(ArgGroup, Debug)]
pub(crate) struct ConfigFile {
    /// The main file
    #[arg(value_name = "FILE", default_value = "fcgi-wasm.toml")]
    pub(crate) path: PathBuf,
}

/// Let a server look for new versions of its applications and its configuration
///
/// Sends SIGHUP to the server's process, and waits for what comes of it: what is
/// new is made ready beside the old, and what is broken is refused while the old
/// goes on serving. Then the command fails with the reason, which that server's
/// log has as well. A server that can not be asked is not waited for.
#[derive(ArgGroup, Debug)]
pub(crate) struct Reload {
    /// The server: a unix socket that it listens on, or its process id
    #[arg(value_name = "SOCKET|PID", required_unless_present = "config")]
    pub(crate) server: Option<String>,
    /// The server that serves this configuration, which is checked first
    #[arg(long, value_name = "FILE", conflicts_with = "server")]
    pub(crate) config: Option<PathBuf>,
}
