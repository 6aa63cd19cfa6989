//! What signals ask of the server, and those that would kill it unasked.

use std::future::Future;
use std::io::IsTerminal;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

/// How long further signals to stop are taken for the first one. A manager's
/// manager sends them: systemd SIGTERM to all processes of a unit, of which
/// multiwatch then sends SIGUSR1 to its own; a terminal SIGINT to both.
const SAME_WISH: Duration = Duration::from_secs(1);

pub(crate) struct Signals {
    stop: [Signal; 4],
    reload: Reloads,
    had_terminal: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Answer what is under way, and end.
    Stop,
    /// Look again at what may have changed: see [`Reloads`].
    Reload,
}

/// The signals that ask to look again at what may have changed, each time for all who
/// listen: SIGHUP, and SIGUSR2, which is what multiwatch passes on.
pub(crate) struct Reloads([Signal; 2]);

impl Reloads {
    pub(crate) fn listen() -> Result<Self> {
        Ok(Self([
            listen(SignalKind::hangup())?,
            listen(SignalKind::user_defined2())?,
        ]))
    }

    pub(crate) async fn next(&mut self) {
        any(&mut self.0).await;
    }
}

impl Signals {
    /// From now on none of them kills the process.
    pub(crate) fn listen() -> Result<Self> {
        // A file that reaches `ulimit -f`, the log or one that an application
        // writes, is an error there and not the end.
        drop(listen(SignalKind::from_raw(Number::XFSZ.as_raw()))?);
        Ok(Self {
            stop: [
                listen(SignalKind::terminate())?,
                listen(SignalKind::interrupt())?,
                listen(SignalKind::quit())?,
                // FastCGI's own: what libfcgi and multiwatch stop by.
                listen(SignalKind::user_defined1())?,
            ],
            reload: Reloads::listen()?,
            had_terminal: std::io::stdin().is_terminal(),
        })
    }

    /// What is asked for next.
    pub(crate) async fn next(&mut self) -> Wish {
        tokio::select! {
            () = any(&mut self.stop) => Wish::Stop,
            () = self.reload.next() => {
                // Who closes the terminal window wants no server to stay.
                let is_alone = self.had_terminal && !std::io::stdin().is_terminal();
                if is_alone { Wish::Stop } else { Wish::Reload }
            }
        }
    }

    /// After a wish to stop: ready when it is said again.
    pub(crate) async fn insisting(mut self) {
        let same = async {
            loop {
                any(&mut self.stop).await;
            }
        };
        let _: Result<(), _> = timeout(SAME_WISH, same).await;
        any(&mut self.stop).await;
    }
}

fn listen(kind: SignalKind) -> Result<Signal> {
    signal(kind).context("cannot listen for signals")
}

fn any(signals: &mut [Signal]) -> impl Future<Output = ()> {
    let waiting = signals.iter_mut().map(|signal| Box::pin(signal.recv()));
    let first = futures_util::future::select_all(waiting);
    async {
        first.await;
    }
}
