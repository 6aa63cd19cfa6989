//! A server's side of reloads: that one was asked for, and what came of it.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};

use fcgi_wasm::printable;
use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use rustix::process::{Pid, geteuid, getpid};
use tokio::sync::Notify;

use crate::systemd;

/// How a result begins.
pub(super) const DONE: &str = "done\n";
pub(super) const REFUSED: &str = "refused\n";

/// The most that is told of a result, bytes: it fits into the socket, so that nobody
/// waits for who asked.
const RESULT_BYTES_MAX: usize = 32 * 1024;

/// Where whoever has a server reload waits for what comes of it. The server connects
/// there when it gets the signal, and so needs no place of its own to listen at.
pub(super) fn place(server: Pid) -> Result<SocketAddrUnix, Errno> {
    let name = format!("fcgi-wasm-reload-{}", server.as_raw_nonzero());
    SocketAddrUnix::new_abstract_name(name.as_bytes())
}

/// Reloads that were asked for and have not begun.
#[derive(Default)]
pub(crate) struct Asked {
    signal: Notify,
    waiting: Mutex<Vec<UnixStream>>,
}

/// Who waits to be told what came of a reload.
pub(crate) struct Waiting(Vec<UnixStream>);

/// What came of a reload.
pub(crate) enum Outcome {
    /// All that is new serves.
    Done,
    /// So does all but these applications, each with the reason.
    Without(Vec<String>),
    /// Everything is as it was, for this reason.
    Refused(String),
}

impl Asked {
    /// One more is asked for. Those that come before it begins are one with it.
    pub(crate) fn ask(&self) {
        match who_waits() {
            Ok(stream) => {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                waiting.extend(stream);
            }
            // Most who send a signal do not wait.
            Err(error) => tracing::trace!("nobody waits for the reload: {error}"),
        }
        self.signal.notify_one();
    }

    /// Ready when one is asked for.
    pub(crate) async fn next(&self) -> Waiting {
        self.signal.notified().await;
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        Waiting(std::mem::take(&mut waiting))
    }
}

impl Outcome {
    /// Done but for these applications, whose own lines in the log have more words of it.
    pub(crate) fn without(apps: Vec<(&str, String)>) -> Self {
        let apps = apps.into_iter().map(|(app, reason)| {
            let first = reason.lines().next().unwrap_or_default();
            format!("{}: {}", printable(app), printable(first))
        });
        let apps: Vec<_> = apps.collect();
        match apps.is_empty() {
            true => Self::Done,
            false => Self::Without(apps),
        }
    }
}

impl Waiting {
    /// They learn what comes of another reload, which takes the place of theirs.
    pub(crate) fn join(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Ends a reload: the log, systemd and those who wait learn what came of it.
    /// `serving` is what systemd is told to be served.
    pub(crate) fn tell(self, outcome: &Outcome, serving: &str) {
        match outcome {
            Outcome::Done => {
                tracing::info!("reloaded");
                systemd::reloaded(serving);
            }
            Outcome::Without(apps) => {
                let what = format!("reloaded, but not all of it: {}", apps.join("; "));
                tracing::warn!("{what}");
                systemd::reloaded(&format!("{serving}; {what}"));
            }
            Outcome::Refused(reason) => {
                tracing::error!("the reload was refused, and the old configuration serves");
                let what = format!("the reload was refused: {reason}");
                systemd::reloaded(&format!("{serving} as before; {what}"));
            }
        }
        self.tell_alone(outcome);
    }

    /// Tells only those who wait what came of theirs: an earlier reload goes on.
    pub(crate) fn tell_alone(self, outcome: &Outcome) {
        let text = match outcome {
            Outcome::Done => return self.write(DONE, ""),
            Outcome::Without(apps) => format!("reloaded, but not all of it: {}", apps.join("; ")),
            Outcome::Refused(reason) => {
                format!("refused, and the old configuration serves:\n{reason}")
            }
        };
        self.write(REFUSED, &text);
    }

    fn write(self, how: &str, text: &str) {
        let text = &text[..text.floor_char_boundary(RESULT_BYTES_MAX)];
        for mut stream in self.0 {
            // Who has gone needs no result.
            let _ = stream.write_all(format!("{how}{text}").as_bytes());
        }
    }
}

/// Connects to whoever waits for a reload of this server. Not to strangers: what is
/// wrong with a configuration is for who may see it.
fn who_waits() -> Result<Option<UnixStream>, Errno> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &place(getpid())?)?;
    let other = socket_peercred(&socket)?.uid;
    let is_trusted = other.is_root() || other == geteuid();
    Ok(is_trusted.then(|| socket.into()))
}
