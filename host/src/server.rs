//! Accepts connections, hands each to its front-end, and stops when told.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::select;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::frontend::{CONNECTIONS_MAX, Frontend, Socket};
use crate::listen::{Acceptor, Listener, Stream};
use crate::message::{Handler, Notice, Observer, Observers};
use crate::told::{Told, besides};

/// How long the requests under way may take once the server was told to stop,
/// unless set: twice that, for those under way and what goes on after answers, is
/// shorter than what systemd waits before it kills (90 s). Supervisor's 10 s are to be
/// raised.
const DRAIN_MAX: Duration = Duration::from_secs(30);

/// The first and the longest pause after a failed accept (EMFILE and the like,
/// which pass when connections end).
const ACCEPT_PAUSE_MIN: Duration = Duration::from_millis(5);
const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);

/// How long a stopping server looks for connections that were made before its
/// socket was removed: they are there, and only have to be noticed.
const BACKLOG_WAIT: Duration = Duration::from_millis(10);

/// Listeners, their front-ends, and the one handler behind them.
pub struct Server {
    handler: Arc<dyn Handler>,
    listeners: Vec<(Listener, Arc<dyn Frontend>)>,
    observers: Observers,
    connections_max: usize,
    drain_max: Duration,
}

impl Server {
    /// A server that answers with this handler: an application, a router, or
    /// any function from request to response.
    pub fn new(handler: impl Handler) -> Self {
        Self {
            handler: Arc::new(handler),
            listeners: Vec::new(),
            observers: Observers::default(),
            connections_max: CONNECTIONS_MAX,
            drain_max: DRAIN_MAX,
        }
    }

    /// Serves what connects there, in the front-end's protocol. May be called
    /// several times.
    #[must_use]
    pub fn listen(mut self, listener: Listener, frontend: impl Frontend) -> Self {
        self.listeners.push((listener, Arc::new(frontend)));
        self
    }

    /// Has this one told of every request and connection. May be called
    /// several times.
    #[must_use]
    pub fn observe(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observers = self.observers.with(observer);
        self
    }

    /// The most connections at a time; further ones wait to be accepted.
    /// 4096 unless set, which is at least one.
    #[must_use]
    pub fn connections_max(mut self, connections: usize) -> Self {
        self.connections_max = connections.clamp(1, Semaphore::MAX_PERMITS);
        self
    }

    /// How long the requests under way may take once the server was told to
    /// stop; then they are cut off. 30 seconds unless set.
    #[must_use]
    pub fn drain_max(mut self, drain: Duration) -> Self {
        self.drain_max = drain;
        self
    }

    /// Serves until `signal` is ready. Then removes the socket files that it
    /// made, serves who had connected, lets the requests under way end, and
    /// closes everything.
    ///
    /// # Errors
    ///
    /// If a listener can not be used on this runtime.
    pub async fn run_until(self, signal: impl Future<Output = ()>) -> io::Result<()> {
        let stop = CancellationToken::new();
        let cut_off = CancellationToken::new();
        // Should this future be dropped, everything ends with it.
        let _guards = (stop.clone().drop_guard(), cut_off.clone().drop_guard());
        let tasks = TaskTracker::new();
        let places = Arc::new(Semaphore::new(self.connections_max));
        let mut started = Vec::new();
        for (listener, frontend) in self.listeners {
            let name = listener.to_string();
            started.push((name, listener.start()?, frontend));
        }
        for (name, acceptor, frontend) in started {
            tracing::info!("listening on {name}");
            let accepting = Accepting {
                frontend,
                handler: self.handler.clone(),
                observers: self.observers.clone(),
                places: places.clone(),
                tasks: tasks.clone(),
                stop: stop.clone(),
                cut_off: cut_off.clone(),
            };
            let cut_off = cut_off.clone();
            tasks.spawn(cut_off.run_until_cancelled_owned(accepting.run(acceptor)));
        }
        signal.await;
        stop.cancel();
        tasks.close();
        if timeout(self.drain_max, tasks.wait()).await.is_err() {
            tracing::warn!(
                "{} connections were cut off after {:?} (--drain-timeout, drain_timeout)",
                tasks.len(),
                self.drain_max
            );
            cut_off.cancel();
            tasks.wait().await;
        }
        Ok(())
    }
}

/// What the connections of one listener are served with.
struct Accepting {
    frontend: Arc<dyn Frontend>,
    handler: Arc<dyn Handler>,
    observers: Observers,
    places: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
    cut_off: CancellationToken,
}

impl Accepting {
    async fn run(self, mut acceptor: Acceptor) {
        let mut pause = ACCEPT_PAUSE_MIN;
        let told = Told::default();
        // One connection over the limit waits here, others in the kernel's queue.
        let mut waiting = None;
        while let Some(accepted) = self.stop.run_until_cancelled(acceptor.accept()).await {
            let stream = match accepted {
                Ok(stream) => stream,
                Err(error) => {
                    self.observers.noticed(Notice::AcceptFailed);
                    if let Some(unsaid) = told.is_news(1) {
                        let besides = besides(unsaid);
                        tracing::warn!(
                            "cannot accept a connection, trying again: {error}{besides}"
                        );
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(ACCEPT_PAUSE_MAX);
                    continue;
                }
            };
            pause = ACCEPT_PAUSE_MIN;
            match self.stop.run_until_cancelled(self.place()).await {
                Some(place) => self.serve(stream, place),
                None => {
                    waiting = Some(stream);
                    break;
                }
            }
        }
        let is_ours = acceptor.retire();
        // Nobody can connect any more, and who has is served.
        if let Some(stream) = waiting {
            self.serve(stream, self.place().await);
        }
        while is_ours && let Ok(Ok(stream)) = timeout(BACKLOG_WAIT, acceptor.accept()).await {
            self.serve(stream, self.place().await);
        }
    }

    /// The right to have a connection. The semaphore is never closed.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().acquire_owned().await.ok()
    }

    fn serve(&self, stream: Stream, place: Option<OwnedSemaphorePermit>) {
        let frontend = self.frontend.clone();
        let handler = self.handler.clone();
        let stop = self.stop.clone();
        let connected = Connected::new(self.observers.clone());
        // In a set of its own, which polls it only when it has something to
        // say: the token's lock is everybody's.
        let cut_off = self.cut_off.clone().cancelled_owned();
        let mut cut_off: FuturesUnordered<_> = [cut_off].into_iter().collect();
        self.tasks.spawn(async move {
            let observers = connected.0.clone();
            let conversation = frontend.converse(Box::new(stream), handler, observers, stop);
            select(conversation, cut_off.next()).await;
            drop((connected, place));
        });
    }
}

/// A connection, for the observers.
struct Connected(Observers);

impl Connected {
    fn new(observers: Observers) -> Self {
        observers.noticed(Notice::Connected);
        Self(observers)
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.noticed(Notice::Disconnected);
    }
}

impl Socket for Stream {
    fn is_hung_up(&self) -> bool {
        Self::is_hung_up(self)
    }

    fn peer(&self) -> &str {
        Self::peer(self)
    }
}
