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
    stop: Vec<Signal>,
    reload: Vec<Signal>,
    had_terminal: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Answer what is under way, and end.
    Stop,
    /// Look again at what may have changed: SIGHUP, or SIGUSR2, which is what
    /// multiwatch passes on.
    Reload,
}

impl Signals {
    /// From now on none of them kills the process.
    pub(crate) fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        // A file that reaches `ulimit -f`, the log or one that an application
        // writes, is an error there and not the end.
        drop(listen(SignalKind::from_raw(Number::XFSZ.as_raw()))?);
        Ok(Self {
            stop: vec![
                listen(SignalKind::terminate())?,
                listen(SignalKind::interrupt())?,
                listen(SignalKind::quit())?,
                // FastCGI's own: what libfcgi and multiwatch stop by.
                listen(SignalKind::user_defined1())?,
            ],
            reload: vec![
                listen(SignalKind::hangup())?,
                listen(SignalKind::user_defined2())?,
            ],
            had_terminal: std::io::stdin().is_terminal(),
        })
    }

    /// What is asked for next.
    pub(crate) async fn next(&mut self) -> Wish {
        tokio::select! {
            () = any(&mut self.stop) => Wish::Stop,
            () = any(&mut self.reload) => {
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

fn any(signals: &mut [Signal]) -> impl Future<Output = ()> {
    let waiting = signals.iter_mut().map(|signal| Box::pin(signal.recv()));
    let first = futures_util::future::select_all(waiting);
    async {
        first.await;
    }
}
