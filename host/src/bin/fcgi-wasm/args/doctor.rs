//! `doctor`'s part of the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args as ArgGroup;
use fcgi_wasm::cgi::Mount;

use super::values::{duration, pair};

/// Find out why a web server gets no answer from a socket, step by step
///
/// Any FastCGI server can be examined, of whatever make. Each step says ok,
/// warn or FAIL, and what to do; the command fails if a step did.
#[derive(ArgGroup, Debug)]
#[command(after_long_help = "\
Examples:
      fcgi-wasm doctor /run/app.sock
      fcgi-wasm doctor 127.0.0.1:9000 --path /app/login --mount /app
      fcgi-wasm doctor /run/php/php-fpm.sock -p SCRIPT_FILENAME=/srv/index.php")]
pub(crate) struct Doctor {
    /// A unix socket, or a TCP address like 127.0.0.1:9000 or localhost:9000
    pub(crate) target: String,
    /// The user that the web server runs as [default: the first there is of www-data, nginx, http, caddy]
    #[arg(long)]
    pub(crate) user: Option<String>,
    /// The path to ask for, with a query if wanted [default: the mount's]
    #[arg(long)]
    pub(crate) path: Option<String>,
    /// URL path at which the web server mounts the application
    #[arg(long, value_name = "PATH", default_value = "/", value_parser = Mount::new)]
    pub(crate) mount: Mount,
    /// A param as the web server sets it, such as SCRIPT_FILENAME=/srv/index.php (repeatable)
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) param: Vec<(String, String)>,
    /// How long to wait for the answer to the request
    #[arg(long, value_name = "TIME", default_value = "65s", value_parser = duration)]
    pub(crate) wait: Duration,
}

/// Connect to a socket as another user, for `doctor` and `conf --check`
#[derive(ArgGroup, Debug)]
pub(crate) struct ConnectAs {
    pub(crate) user: String,
    pub(crate) socket: PathBuf,
}
