//! FastCGI as the operator sets it, and its params as requests have them.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::conversation::Conversation;
use super::report::News;
use super::waits::Limits;
use super::{CONNECTIONS_MAX, Frontend, Socket};
use crate::cgi::{self, Mount};
use crate::fastcgi::{self, Pairs, Values};
use crate::message::{BoxFuture, Handler, Observers, Params, Pot, Role};

/// FastCGI 1.0 (§3, §6), as web servers speak it with applications.
#[derive(Clone, Debug)]
pub struct FastCgi {
    mount: Option<Mount>,
    pub(super) values: Values,
    pub(super) limits: Limits,
    hang_up_when_broken: bool,
    pub(super) news: Arc<News>,
    pub(super) line: Arc<Pot>,
}

impl Default for FastCgi {
    fn default() -> Self {
        Self {
            mount: None,
            values: Values {
                connections_max: CONNECTIONS_MAX,
                requests_max: 128,
                multiplex: true,
                app: "".into(),
            },
            limits: Limits {
                idle: Duration::from_secs(300),
                midway: Duration::from_secs(30),
                body: Duration::from_secs(60),
                unsent: Duration::from_secs(60),
            },
            hang_up_when_broken: false,
            news: Arc::default(),
            line: line(CONNECTIONS_MAX),
        }
    }
}

impl FastCgi {
    /// Splits each request's path at this URL path; see [`Mount`]. Without one
    /// it is corrected only where the web server contradicts itself.
    #[must_use]
    pub fn mount(mut self, mount: Mount) -> Self {
        self.mount = Some(mount);
        self
    }

    /// The most connections at a time, as told to web servers that ask
    /// (FCGI_MAX_CONNS). The limit itself is the server's. Requests that wait for a
    /// place have half of them, so that others can connect.
    #[must_use]
    pub fn connections_max(mut self, connections: usize) -> Self {
        self.values.connections_max = connections;
        self.line = line(connections);
        self
    }

    /// The most requests at a time on one connection (FCGI_MAX_REQS); one more
    /// is answered 503. 128 unless set, which is at least one.
    #[must_use]
    pub fn requests_max(mut self, requests: usize) -> Self {
        self.values.requests_max = requests.max(1);
        self
    }

    /// Whether web servers that ask are told to send several requests at a
    /// time on one connection (FCGI_MPXS_CONNS). They are unless set, and are
    /// served in either case. One slow reader can hold up the others on its
    /// connection: FastCGI has no flow control by request.
    #[must_use]
    pub fn multiplex(mut self, multiplex: bool) -> Self {
        self.values.multiplex = multiplex;
        self
    }

    /// What is served, as told to `fcgi-wasm doctor` and whoever else asks for
    /// FCGI_WASM_APP: the application's name. Whoever can connect can ask.
    #[must_use]
    pub fn app_name(mut self, name: &str) -> Self {
        self.values.app = name.into();
        self
    }

    /// How long a connection is kept without a request. 5 minutes unless set:
    /// longer than nginx (60 s) keeps one, so that it is the web server that
    /// closes.
    #[must_use]
    pub fn idle_max(mut self, idle: Duration) -> Self {
        self.limits.idle = idle;
        self
    }

    /// How long a request may take to arrive up to the end of its params.
    /// 30 seconds unless set.
    #[must_use]
    pub fn params_wait_max(mut self, wait: Duration) -> Self {
        self.limits.midway = wait;
        self
    }

    /// How long a request's body may stay away; it then counts as incomplete.
    /// 60 seconds unless set, as in nginx.
    #[must_use]
    pub fn body_wait_max(mut self, wait: Duration) -> Self {
        self.limits.body = wait;
        self
    }

    /// How long the peer may take none of the bytes that wait for it.
    /// 60 seconds unless set, as in nginx.
    #[must_use]
    pub fn write_wait_max(mut self, wait: Duration) -> Self {
        self.limits.unsent = wait;
        self
    }

    /// Whether an answer that breaks off ends with its connection, without
    /// END_REQUEST. Then nginx with `fastcgi_keep_conn`, Apache and HAProxy let
    /// their clients see it; with END_REQUEST they pass it on as complete.
    /// mod_fcgid can not take it. Not unless set.
    #[must_use]
    pub fn hang_up_when_broken(mut self, hang_up: bool) -> Self {
        self.hang_up_when_broken = hang_up;
        self
    }

    pub(super) fn hangs_up_when_broken(&self) -> bool {
        self.hang_up_when_broken
    }

    pub(super) fn params(&self, role: Role, stream: &[u8]) -> Params {
        let mut params = Params::with_capacity(stream.len());
        for (name, value) in Pairs::new(stream).flatten() {
            // RFC 3875 §4.1: no variable contains a NUL. In a path it makes
            // the request a bad one.
            let is_path = matches!(
                name,
                b"SCRIPT_NAME" | b"PATH_INFO" | b"REQUEST_URI" | b"QUERY_STRING"
            );
            if name.contains(&0) || (value.contains(&0) && !is_path) {
                tracing::debug!("a param with a NUL byte was dropped");
                continue;
            }
            params.push(name, value);
        }
        if role == Role::Authorizer {
            cgi::authorizer_params(&mut params);
        }
        match &self.mount {
            Some(mount) => mount.apply(&mut params),
            None => cgi::correct_split(&mut params),
        }
        params
    }
}

/// The room for those who wait, each of whom holds a connection.
fn line(connections: usize) -> Arc<Pot> {
    Pot::of((connections / 2).max(1))
}

impl Frontend for FastCgi {
    fn converse(
        &self,
        socket: Box<dyn Socket>,
        handler: Arc<dyn Handler>,
        observers: Observers,
        stop: CancellationToken,
    ) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let handler = handler.as_ref();
            let mut conversation = Conversation::new(self, handler, socket, observers, stop);
            // Else the peer is gone, and all that was under way is dropped.
            if let Ok(()) = poll_fn(|cx| conversation.poll(cx)).await {
                conversation.close().await;
            }
        })
    }
}

impl From<fastcgi::Role> for Role {
    fn from(role: fastcgi::Role) -> Self {
        match role {
            fastcgi::Role::Responder => Self::Responder,
            fastcgi::Role::Authorizer => Self::Authorizer,
            fastcgi::Role::Filter => Self::Filter,
        }
    }
}
