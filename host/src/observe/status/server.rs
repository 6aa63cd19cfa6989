//! The status listener: what the server is at, for people and for programs.
//!
//! It has a thread of its own, so that it answers while every place is taken
//! and every thread that serves computes.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::runtime::Builder;
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::page;
use crate::listen::{Acceptor, Listener, Stream};
use crate::observe::board::{Board, Readiness, SILENCE_MAX};
use crate::observe::metrics;
use crate::observe::snapshot::Snapshot;
use crate::setup::SetupError;

/// How many may look at a time: some people, their `top`s and Prometheus. Who
/// is too many is hung up on.
const CONNECTIONS_MAX: usize = 64;

/// How long a request's head may take to arrive, and how long one may look.
const HEAD_WAIT_MAX: Duration = Duration::from_secs(5);
const CONNECTION_MAX: Duration = Duration::from_secs(60);

/// How often the past is written down.
const TICK: Duration = Duration::from_secs(1);

/// What is answered where.
const PATHS: &str = "/  /status.json  /metrics  /healthz  /readyz\n";

const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// The status listener at work. Dropping it stops it.
#[derive(Debug)]
pub struct StatusServer {
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl StatusServer {
    /// Answers on this listener with what is on the board.
    ///
    /// # Errors
    ///
    /// If its thread can not be started, or the listener not be used.
    pub fn start(listener: Listener, board: Arc<Board>) -> Result<Self, SetupError> {
        let name = listener.to_string();
        let cannot = |error: io::Error| {
            SetupError::new(format!("cannot show the status on {name}: {error}"))
        };
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(cannot)?;
        // A page elsewhere whose name leads to this machine could read it.
        let is_local = listener
            .local_addr()
            .is_some_and(|at| at.ip().is_loopback());
        let acceptor = {
            let _entered = runtime.enter();
            listener.start().map_err(cannot)?
        };
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let showing = Arc::new(Showing { board, is_local });
        let thread = thread::Builder::new()
            .name("status".to_owned())
            .spawn(move || {
                runtime.block_on(stopped.run_until_cancelled(showing.run(&acceptor)));
            })
            .map_err(cannot)?;
        tracing::info!("status on {name}");
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for StatusServer {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // It removes its socket. That it panicked has been said.
            let _ = thread.join();
        }
    }
}

struct Showing {
    board: Arc<Board>,
    is_local: bool,
}

impl Showing {
    async fn run(self: Arc<Self>, acceptor: &Acceptor) {
        let mut open: VecDeque<AbortHandle> = VecDeque::new();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            let accepted = tokio::select! {
                _ = ticks.tick() => {
                    self.board.tick();
                    continue;
                }
                accepted = acceptor.accept() => accepted,
            };
            let Ok(stream) = accepted else {
                // Out of file descriptors: the next tick may help.
                ticks.tick().await;
                self.board.tick();
                continue;
            };
            // Whoever came first has seen most, or only keeps others out.
            open.retain(|showing| !showing.is_finished());
            if open.len() >= CONNECTIONS_MAX
                && let Some(first) = open.pop_front()
            {
                first.abort();
            }
            let showing = self.clone();
            let shown = tokio::spawn(async move {
                let shown = timeout(CONNECTION_MAX, showing.show(stream)).await;
                if let Ok(Err(error)) = shown {
                    tracing::debug!("a look at the status ended early: {error}");
                }
            });
            open.push_back(shown.abort_handle());
        }
    }

    async fn show(&self, stream: Stream) -> hyper::Result<()> {
        let service = service_fn(|request: hyper::Request<Incoming>| async move {
            Ok::<_, Infallible>(self.answer(&request))
        });
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WAIT_MAX)
            .serve_connection(TokioIo::new(stream), service)
            .await
    }

    fn answer<B>(&self, request: &hyper::Request<B>) -> hyper::Response<Full<Bytes>> {
        if self.is_local && !is_named_locally(request.headers()) {
            let complaint = "Ask for it by its address, or as localhost.\n";
            return response(StatusCode::FORBIDDEN, TEXT, complaint);
        }
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return response(StatusCode::METHOD_NOT_ALLOWED, TEXT, "GET it.\n");
        }
        let snapshot = || Snapshot::of(&self.board);
        match request.uri().path() {
            "/" => response(StatusCode::OK, HTML, page::html(&snapshot())),
            "/page.js" => response(StatusCode::OK, "text/javascript", page::SCRIPT),
            "/status.json" => response(StatusCode::OK, "application/json", snapshot().json()),
            "/metrics" => {
                let kind = "text/plain; version=0.0.4; charset=utf-8";
                response(StatusCode::OK, kind, metrics::write(&snapshot()))
            }
            "/healthz" => {
                let silence = self.board.silence();
                let is_starting = self.board.readiness() == Readiness::Starting;
                match silence > SILENCE_MAX && !is_starting {
                    false => response(StatusCode::OK, TEXT, "ok\n"),
                    true => {
                        let complaint =
                            format!("the threads that serve are silent for {silence:?}\n");
                        response(StatusCode::SERVICE_UNAVAILABLE, TEXT, complaint)
                    }
                }
            }
            "/readyz" => match self.board.readiness() {
                Readiness::Ready => response(StatusCode::OK, TEXT, "ready\n"),
                Readiness::Starting => {
                    response(StatusCode::SERVICE_UNAVAILABLE, TEXT, "starting\n")
                }
                Readiness::Stopping => {
                    response(StatusCode::SERVICE_UNAVAILABLE, TEXT, "stopping\n")
                }
            },
            _ => response(StatusCode::NOT_FOUND, TEXT, PATHS),
        }
    }
}

/// Whether the request names this machine by an address or as localhost. A name
/// of somebody else's that leads here (DNS rebinding) is not one of these.
fn is_named_locally(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST) else {
        return true;
    };
    let host = host.to_str().unwrap_or_default();
    let host: Option<http::uri::Authority> = host.parse().ok();
    host.is_some_and(|host| {
        let name = host.host().trim_matches(['[', ']']);
        name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
    })
}

fn response(
    status: StatusCode,
    kind: &'static str,
    text: impl Into<Bytes>,
) -> hyper::Response<Full<Bytes>> {
    let mut response = hyper::Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; \
             connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(showing: &Showing, method: &str, path: &str, host: &str) -> StatusCode {
        let request = hyper::Request::builder()
            .method(method)
            .uri(path)
            .header("host", host)
            .body(())
            .expect("a request");
        showing.answer(&request).status()
    }

    #[test]
    fn others_names_and_methods_are_refused() {
        let showing = Showing {
            board: Board::new(),
            is_local: true,
        };
        for (method, path, host, status) in [
            ("GET", "/", "127.0.0.1:9900", 200),
            ("HEAD", "/metrics", "[::1]:9900", 200),
            ("GET", "/status.json", "LOCALHOST", 200),
            ("GET", "/", "evil.example", 403),
            ("GET", "/", "127.0.0.1.evil.example", 403),
            ("POST", "/", "localhost", 405),
            ("GET", "/etc/passwd", "localhost", 404),
            ("GET", "/healthz", "localhost", 200),
            ("GET", "/readyz", "localhost", 503),
        ] {
            let answer = ask(&showing, method, path, host);
            assert_eq!(answer, status, "{method} {path} {host}");
        }
        showing.board.set_readiness(Readiness::Ready);
        assert_eq!(ask(&showing, "GET", "/readyz", "localhost"), 200);
    }
}
