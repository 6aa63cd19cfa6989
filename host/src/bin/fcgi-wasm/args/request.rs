//! `request`'s part of the command line.

use std::path::PathBuf;

use clap::Args as ArgGroup;
use fcgi_wasm::Role;
use fcgi_wasm::cgi::Mount;

use super::values::{field, pair, role};
use super::{AppArgs, CacheArgs};

/// Send one request by hand, and show everything that comes back
///
/// The answer goes to standard output; messages for the error log, time, and
/// what the request cost go to standard error. The command fails if the
/// answer is a 5xx or the application says that it failed.
#[derive(ArgGroup, Debug)]
#[command(after_long_help = "\
Examples:
      fcgi-wasm request app.wasm /greet?name=Ada
      fcgi-wasm request /run/app.sock / -H 'Accept-Language: de' -p REMOTE_USER=ada
      fcgi-wasm request 127.0.0.1:9000 /upload -X POST --data @photo.jpg
      fcgi-wasm request gate.wasm /private/ --role authorizer -H 'Cookie: session=x'
      fcgi-wasm request markdown.wasm /notes.md --role filter --file notes.md")]
pub(crate) struct Request {
    /// A component's file, a unix socket, or a TCP address like 127.0.0.1:9000
    pub(crate) target: String,
    /// The path to ask for, with a query if wanted
    #[arg(default_value = "/")]
    pub(crate) path: String,
    /// The method [default: GET, or POST with --data]
    #[arg(short = 'X', long, value_name = "METHOD")]
    pub(crate) method: Option<String>,
    /// A header field (repeatable)
    #[arg(short = 'H', long, value_name = "NAME: VALUE", value_parser = field)]
    pub(crate) header: Vec<(String, String)>,
    /// The body: text, or the contents of @FILE, or @- for standard input
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) data: Option<String>,
    /// What to ask for: an answer (responder), whether the request may pass (authorizer), or an
    /// answer made of a file (filter)
    ///
    /// An authorizer is told what web servers tell one: neither SCRIPT_NAME,
    /// PATH_INFO and CONTENT_LENGTH nor the body (FastCGI §6.3).
    #[arg(long, value_name = "ROLE", default_value = "responder", value_parser = role)]
    pub(crate) role: Role,
    /// The file for a filter [default: an empty one]
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// A param as the web server sets it, such as REMOTE_USER=ada (repeatable)
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) param: Vec<(String, String)>,
    /// URL path at which the application is mounted (its SCRIPT_NAME)
    #[arg(long, value_name = "PATH", default_value = "/", value_parser = Mount::new)]
    pub(crate) mount: Mount,
    /// Leave the head of the answer out
    #[arg(long)]
    pub(crate) body_only: bool,
    #[command(flatten)]
    pub(crate) about: AppArgs,
    #[command(flatten)]
    pub(crate) cache: CacheArgs,
}
