//! `conf`'s part of the command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ArgGroup, ValueEnum};
use fcgi_wasm::cgi::Mount;

use super::values::duration;

/// Print a web server's or process manager's configuration for an application, or check one
///
/// The block is printed with the buffers, times and kept connections that fit
/// this server. With --check a file is read instead: the command names each
/// mistake with its line, what visitors see of it and what to write, and fails
/// if there was one.
#[derive(ArgGroup, Debug)]
#[command(after_long_help = "\
Examples:
      fcgi-wasm conf nginx app.wasm --mount /app --socket /run/app.sock
      fcgi-wasm conf systemd /etc/fcgi-wasm/fcgi-wasm.toml
      fcgi-wasm conf --check /etc/nginx/sites-enabled/example.com")]
pub(crate) struct Conf {
    /// For what; with --check only if the file does not tell
    #[arg(required_unless_present = "check")]
    pub(crate) kind: Option<Kind>,
    /// The application that is served; for systemd, a configuration as well (FILE.toml)
    #[arg(default_value = "app.wasm", conflicts_with = "check")]
    pub(crate) app: PathBuf,
    /// URL path at which the application is mounted, `/` for the root
    #[arg(long, value_name = "PATH", default_value = "/", value_parser = Mount::new)]
    pub(crate) mount: Mount,
    /// The unix socket that the server listens on [default: /run/APP.sock]
    #[arg(long, value_name = "PATH", conflicts_with = "listen")]
    pub(crate) socket: Option<PathBuf>,
    /// The TCP address that the server listens on instead
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// The server's --timeout, which the web server has to outwait
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// The user that the web server runs as [default: the first there is of www-data, nginx, http, caddy]
    #[arg(long)]
    pub(crate) user: Option<String>,
    /// The configuration file to check
    #[arg(long, value_name = "FILE")]
    pub(crate) check: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Nginx,
    Apache,
    Lighttpd,
    Caddy,
    Haproxy,
    Supervisor,
    Systemd,
}

impl Kind {
    /// As those who make it spell it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Apache => "Apache",
            Self::Lighttpd => "lighttpd",
            Self::Caddy => "Caddy",
            Self::Haproxy => "HAProxy",
            Self::Supervisor => "Supervisor",
            Self::Systemd => "systemd",
        }
    }
}
