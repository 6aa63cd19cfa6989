//! `serve`'s part of the command line.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args as ArgGroup;
use fcgi_wasm::CONNECTIONS_MAX;
use fcgi_wasm::cgi::Mount;

use super::values::{count, duration, octal};
use super::{AppArgs, CacheArgs, Observing};

/// Serve an application to web servers, or many by a configuration
///
/// Listens on all the places that are given. With none it takes the listening
/// socket on file descriptor 0 or systemd's (LISTEN_FDS), so the same command
/// works under Supervisor, spawn-fcgi and lighttpd.
///
/// SIGTERM, SIGINT, SIGQUIT and SIGUSR1 stop it once the requests under way
/// are answered; another one, a second later or more, stops it at once. SIGHUP
/// and SIGUSR2 open the log anew, and make it look for a new version of the
/// application, or of the configuration.
#[derive(ArgGroup, Debug)]
#[command(after_long_help = "\
Examples:
  Behind nginx, with `fastcgi_pass unix:/run/app.sock;`:
      fcgi-wasm serve app.wasm --socket /run/app.sock --socket-group www-data

  While developing, without a web server:
      fcgi-wasm serve app.wasm --http 127.0.0.1:8080 --watch

  Many applications of many tenants:
      fcgi-wasm serve --config /etc/fcgi-wasm/fcgi-wasm.toml")]
pub(crate) struct Serve {
    /// The application, a WebAssembly component or module
    #[arg(required_unless_present = "config")]
    pub(crate) app: Option<PathBuf>,
    /// The script whose first line this is: `#!/usr/bin/env -S fcgi-wasm serve app.wasm`
    #[arg(hide = true)]
    pub(crate) script: Option<PathBuf>,
    /// Serve what this configuration calls for, instead of one application
    ///
    /// All other settings stand in the file then: see `fcgi-wasm config`. But
    /// for what is logged and shown: flags go before the file there.
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "app", "watch", "interface", "mount", "drain_timeout", "max_connections", "idle_timeout",
        "hang_up_when_broken", "no_multiplex", "slow", "authorizer", "Places", "Limits", "GrantArgs", "CacheArgs",
    ])]
    pub(crate) config: Option<PathBuf>,
    /// Serve new versions of the application's file without being told (SIGHUP)
    #[arg(long)]
    pub(crate) watch: bool,
    #[command(flatten)]
    pub(crate) places: Places,
    #[command(flatten)]
    pub(crate) log: LogPlace,
    #[command(flatten)]
    pub(crate) about: AppArgs,
    #[command(flatten)]
    pub(crate) observing: Observing,
    #[command(flatten)]
    pub(crate) cache: CacheArgs,
    /// URL path at which the web server mounts the application, `/` for the root
    ///
    /// Needed where the web server splits SCRIPT_NAME and PATH_INFO elsewhere:
    /// Apache's mod_proxy_fcgi, lighttpd at the root, rewrites.
    #[arg(long, value_name = "PATH", value_parser = Mount::new)]
    pub(crate) mount: Option<Mount>,
    /// How long requests may go on once the server was told to stop
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) drain_timeout: Duration,
    /// Connections at a time; more wait to be accepted
    #[arg(long, value_name = "NUMBER", default_value_t = CONNECTIONS_MAX, value_parser = count)]
    pub(crate) max_connections: usize,
    /// How long a connection may stay open without a request
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = duration)]
    pub(crate) idle_timeout: Duration,
    /// Let an answer that breaks off end with its connection, so that clients see it
    ///
    /// With FastCGI's own end of a request nginx, Apache and HAProxy pass such
    /// an answer on as if it were complete. Behind nginx this takes
    /// `fastcgi_keep_conn on`; mod_fcgid can not take it.
    #[arg(long)]
    pub(crate) hang_up_when_broken: bool,
    /// Tell web servers that ask (FCGI_MPXS_CONNS) to send one request at a time
    #[arg(long)]
    pub(crate) no_multiplex: bool,
}

#[derive(ArgGroup, Debug)]
#[command(next_help_heading = "Where to listen")]
pub(crate) struct Places {
    /// FastCGI on a unix socket at this path (repeatable)
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Vec<PathBuf>,
    /// Who may connect to it, as octal permission bits
    #[arg(long, value_name = "MODE", default_value = "0660", value_parser = octal)]
    pub(crate) socket_mode: u32,
    /// The user that it belongs to, by name or number
    #[arg(long, value_name = "USER", requires = "socket")]
    pub(crate) socket_owner: Option<String>,
    /// The group that it belongs to, such as the web server's
    #[arg(long, value_name = "GROUP", requires = "socket")]
    pub(crate) socket_group: Option<String>,
    /// FastCGI on a TCP address, such as 127.0.0.1:9000 (repeatable)
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Vec<SocketAddr>,
    /// Web servers that may connect over TCP; needed for addresses beyond this machine
    #[arg(long, value_name = "IP,...", value_delimiter = ',')]
    pub(crate) allowed_clients: Vec<IpAddr>,
    /// HTTP for development on a TCP address, such as 127.0.0.1:8080 (repeatable)
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) http: Vec<SocketAddr>,
}

#[derive(ArgGroup, Clone, Debug, Default, PartialEq)]
#[command(next_help_heading = "Where the log goes (standard error unless set)")]
pub(crate) struct LogPlace {
    /// A file, which is opened anew on SIGHUP
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
    /// Syslog, by the socket /dev/log or another one
    #[arg(long, value_name = "SOCKET", num_args = 0..=1, require_equals = true,
        default_missing_value = "/dev/log", conflicts_with = "log")]
    pub(crate) syslog: Option<PathBuf>,
}
