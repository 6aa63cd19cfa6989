//! The socket or address that a configuration names: is there a server, and
//! can the web server's user connect?

use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::findings::Check;
use crate::reach::{self, Place};

/// What is written where a socket is meant: a path, or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Unix(PathBuf),
    Tcp(String),
}

/// How long to wait for a TCP connection.
const CONNECT_WAIT: Duration = Duration::from_secs(2);

impl Check {
    /// Looks at a place that requests are passed to.
    pub(super) fn address(&mut self, line: usize, address: &Address) {
        match address {
            Address::Unix(path) => self.socket(line, path),
            Address::Tcp(address) => self.tcp(line, address),
        }
    }

    fn socket(&mut self, line: usize, path: &Path) {
        let shown = path.display();
        let serve = format!("nothing here; start the server: fcgi-wasm serve APP --socket {shown}");
        let seen = "502 or 503 for every request";
        match Place::at(path) {
            Place::Missing(error) => {
                let what = format!("the socket {shown} is not there: {error}");
                self.mistake(line, &what, seen, &serve);
            }
            Place::Other => {
                let what = format!("{shown} is no socket");
                self.mistake(
                    line,
                    &what,
                    seen,
                    "the path that the server has as --socket",
                );
            }
            Place::Deaf(error) => {
                let what = format!("nobody answers at the socket {shown}: {error}");
                self.mistake(line, &what, seen, &serve);
            }
            Place::Served(..) => {}
        }
        let Some(visitor) = &self.visitor else {
            return;
        };
        if let Some(obstacle) = reach::obstacle(path, visitor) {
            let seen = "502, 503 or 403 for every request, and (13: Permission denied) in the log";
            let what = format!("the socket {shown}: {}", obstacle.sentence);
            self.mistake(
                line,
                &what,
                seen,
                &format!("nothing here; {}", obstacle.cure),
            );
        }
    }

    fn tcp(&mut self, line: usize, address: &str) {
        let resolved = address
            .to_socket_addrs()
            .ok()
            .and_then(|mut found| found.next());
        let outcome = match resolved {
            None => Err("it is no address with a port".to_owned()),
            Some(resolved) => TcpStream::connect_timeout(&resolved, CONNECT_WAIT)
                .map(drop)
                .map_err(|error| error.to_string()),
        };
        if let Err(error) = outcome {
            let what = format!("nobody answers at {address}: {error}");
            let cure = "nothing here; start the server: fcgi-wasm serve APP --listen ADDRESS";
            self.mistake(line, &what, "502 or 503 for every request", cure);
        }
    }
}

/// A time as configurations write it: a number of seconds, or with ms, s, m,
/// h or d.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let end = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let number: u64 = text[..end].parse().ok()?;
    match &text[end..] {
        "" | "s" => Some(number),
        "ms" => Some(number / 1000),
        "m" => number.checked_mul(60),
        "h" => number.checked_mul(3600),
        "d" => number.checked_mul(86_400),
        _ => None,
    }
}

/// A size as configurations write it: bytes, or with k or m.
pub(super) fn bytes(text: &str) -> Option<u64> {
    let text = text.to_ascii_lowercase();
    let (number, unit) = match (text.strip_suffix('k'), text.strip_suffix('m')) {
        (Some(number), _) => (number, 1024),
        (_, Some(number)) => (number, 1024 * 1024),
        _ => (text.as_str(), 1),
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}
