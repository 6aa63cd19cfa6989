//! One FastCGI connection: moves bytes between the socket, the protocol's
//! state and the requests under way, and says whose turn it is.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::StatusCode;
use tokio_util::io::{poll_read_buf, poll_write_buf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::Socket;
use super::exchange::Exchange;
use super::fastcgi::FastCgi;
use super::linger;
use super::report::Witness;
use super::upload::Upload;
use super::verdict::UNANSWERED;
use super::waits::{Wait, Waits};
use crate::cgi;
use crate::fastcgi::{self, Connection, Event, ProtocolError, ProtocolStatus, Refusal, RequestId};
use crate::message::{Fault, Handler, Notice, Observer, Observers};

/// What one read asks for at first, bytes: a request of a browser has one or
/// two KiB, and this much is kept for each idle connection.
pub(super) const READ_BYTES_MIN: usize = 4 * 1024;

/// What one read asks for at most, bytes: beyond it an upload gets no faster.
const READ_BYTES_MAX: usize = 128 * 1024;

/// By how much the next read asks for more when one brings all that it asks for,
/// and for less when one brings less than such a part of it. What waits for a
/// handler keeps the buffer that it was read into, so that may be several times
/// as large and no more.
const READ_STEP: usize = 4;

/// How much may wait to leave before no more of a response is taken, bytes.
const OUTPUT_BYTES_MAX: usize = 128 * 1024;

/// How much of a response leaves at a time, bytes: two full records, which is about
/// what a pipe holds.
const TURN_BYTES: usize = 2 * 65_535;

/// The same where several responses share the connection.
const SHARED_TURN_BYTES: usize = 32 * 1024;

/// How many requests over the limit may wait for their refusal at a time: so
/// much a peer that sends nothing else can make us hold.
const REFUSALS_MAX: usize = 16;

/// The peer is gone: whatever was for it is dropped.
#[derive(Debug)]
pub(super) struct Gone;

/// Whether bytes are still taken from the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    Open,
    /// The peer ended its side.
    Ended,
    /// The peer broke the protocol.
    Refused,
}

pub(super) struct Conversation<'h> {
    options: &'h FastCgi,
    handler: &'h dyn Handler,
    pub(super) socket: Box<dyn Socket>,
    pub(super) witness: Witness,
    pub(super) connection: Connection,
    pub(super) exchanges: Vec<Exchange<'h>>,
    pub(super) input: Input,
    /// What the next read asks for.
    pub(super) read_bytes: usize,
    /// Whether it asked for more since the connection was idle.
    pub(super) has_grown: bool,
    pub(super) waits: Waits,
    /// Whether a refusal was logged: one line a connection is enough.
    has_refused: bool,
    /// In a set of its own, which polls it only when it has something to say:
    /// a poll of the token itself takes a lock that all connections share.
    stop: FuturesUnordered<WaitForCancellationFutureOwned>,
    pub(super) stopping: bool,
    /// Whether there was a request.
    pub(super) has_begun: bool,
}

impl<'h> Conversation<'h> {
    pub(super) fn new(
        options: &'h FastCgi,
        handler: &'h dyn Handler,
        socket: Box<dyn Socket>,
        observers: Observers,
        stop: CancellationToken,
    ) -> Self {
        Self {
            options,
            handler,
            witness: Witness {
                peer: socket.peer().into(),
                observers,
                news: options.news.clone(),
                line: Some(options.line.clone()),
            },
            socket,
            connection: Connection::new(options.values.clone()),
            exchanges: Vec::new(),
            input: Input::Open,
            read_bytes: READ_BYTES_MIN,
            has_grown: false,
            waits: Waits::new(options.limits),
            has_refused: false,
            stop: [stop.cancelled_owned()].into_iter().collect(),
            stopping: false,
            has_begun: false,
        }
    }

    /// Moves bytes, events and answers until nothing moves any more. Ready
    /// once everything is answered and the connection is to be closed.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        loop {
            self.stopping |= matches!(self.stop.poll_next_unpin(cx), Poll::Ready(Some(())));
            self.react_to_events();
            let has_full_upload = self.poll_uploads(cx);
            let may_read = !has_full_upload && self.may_read();
            let moved = (may_read && self.poll_read(cx)?)
                | self.poll_exchanges(cx)
                | self.poll_write(cx)?
                | (has_full_upload && !self.has_full_upload());
            if self.is_over() {
                return Poll::Ready(Ok(()));
            }
            self.note_waits(may_read, has_full_upload);
            match self.waits.poll_over(cx) {
                Poll::Ready(wait) => self.lose_patience(wait)?,
                Poll::Pending if moved => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Ends the connection, once the peer has sent what it is still sending.
    pub(super) async fn close(self) {
        if self.input != Input::Ended && self.connection.is_owed_input() {
            linger::close(self.socket).await;
        }
    }

    /// Whether a body that came before waits for its handler to read it. All
    /// are asked, so that each will wake this task.
    fn poll_uploads(&mut self, cx: &mut Context<'_>) -> bool {
        let uploads = self.exchanges.iter_mut().flat_map(Exchange::uploads);
        let full = uploads.filter_map(|upload| upload.poll_room(cx).is_pending().then_some(()));
        full.count() > 0
    }

    /// The same without being woken: an answer may have made room meanwhile.
    fn has_full_upload(&mut self) -> bool {
        let mut uploads = self.exchanges.iter_mut().flat_map(Exchange::uploads);
        uploads.any(|upload| upload.is_full())
    }

    /// Whether what would be read now could be used.
    fn may_read(&mut self) -> bool {
        self.input == Input::Open
            && !self.is_crowded()
            && !self.connection.is_paused()
            && self.connection.output().remaining() < OUTPUT_BYTES_MAX
    }

    /// Whether there are so many requests that no more are even refused.
    fn is_crowded(&self) -> bool {
        self.exchanges.len() >= self.options.values.requests_max + REFUSALS_MAX
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Result<bool, Gone> {
        let input = self.connection.input();
        input.reserve(self.read_bytes);
        let asked = input.capacity() - input.len();
        let socket = Pin::new(&mut self.socket);
        match poll_read_buf(socket, cx, input) {
            Poll::Pending => return Ok(false),
            Poll::Ready(Err(error)) => {
                tracing::debug!(peer = self.socket.peer(), %error, "the connection broke");
                return Err(Gone);
            }
            Poll::Ready(Ok(0)) => {
                self.input = Input::Ended;
                self.break_off_uploads();
                if self.socket.is_hung_up() {
                    return Err(Gone);
                }
            }
            Poll::Ready(Ok(bytes)) => {
                if bytes == asked {
                    self.read_bytes = (self.read_bytes * READ_STEP).min(READ_BYTES_MAX);
                    self.has_grown = true;
                } else if bytes < self.read_bytes / READ_STEP {
                    self.read_bytes = (self.read_bytes / READ_STEP).max(READ_BYTES_MIN);
                }
                self.waits.renew(Wait::Body);
                self.waits.renew(Wait::Gap);
            }
        }
        Ok(true)
    }

    fn react_to_events(&mut self) {
        while !self.is_crowded() {
            match self.connection.next_event() {
                Ok(Some(event)) => self.react(event),
                Ok(None) => return,
                Err(error) => self.refuse_input(&error),
            }
        }
    }

    fn react(&mut self, event: Event) {
        match event {
            Event::Begin {
                id,
                role,
                keep_conn,
                params,
            } => {
                self.has_begun = true;
                let role = role.into();
                let params = self.options.params(role, &params);
                match cgi::check(role, &params) {
                    // One that comes alone is still served, and the last one.
                    _ if self.stopping && !self.exchanges.is_empty() => {
                        let fault = Fault::Overloaded("the server is stopping".to_owned());
                        self.refuse(id, fault);
                    }
                    Err(fault) => self.refuse(id, fault),
                    Ok(()) => {
                        let exchange = Exchange::new(id, role, keep_conn, params, &self.witness);
                        self.exchanges.push(exchange);
                    }
                }
            }
            Event::Stdin(id, bytes) => self.upload(id, |exchange| exchange.receive(bytes)),
            Event::StdinEnd(id) => self.upload(id, |exchange| exchange.stdin.end()),
            Event::Data(id, bytes) => self.upload(id, |exchange| exchange.data.push(bytes)),
            Event::DataEnd(id) => self.upload(id, |exchange| exchange.data.end()),
            Event::Abort(id, role) => self.abort_request(id, role),
            Event::Refuse(id, refusal) => {
                let fault = match refusal {
                    Refusal::UnknownRole(role) => {
                        Fault::UnknownRole(format!("FastCGI has no role {role}"))
                    }
                    Refusal::TooManyRequests => Fault::Overloaded(format!(
                        "{} requests are under way on this connection",
                        self.exchanges.len()
                    )),
                };
                self.refuse(id, fault);
            }
        }
    }

    /// The web server gives a request up. An authorizer's is not ended without a
    /// refusal, nor in the middle of one.
    fn abort_request(&mut self, id: RequestId, role: fastcgi::Role) {
        let index = self.exchanges.iter().position(|known| known.id == id);
        let mut exchange = index.map(|index| self.exchanges.swap_remove(index));
        if role == fastcgi::Role::Authorizer {
            let mut unsent = match &mut exchange {
                Some(exchange) => exchange.unsent(),
                None => [UNANSWERED].into(),
            };
            let bytes = unsent.iter().map(Bytes::len).sum();
            self.connection.stdout(id, &mut unsent, bytes);
        }
        // The handler's work is dropped.
        drop(exchange);
        let status = ProtocolStatus::RequestComplete;
        self.connection.end(id, 0, status);
    }

    /// Tells the peer why a request is not served, and the log the first time.
    fn refuse(&mut self, id: RequestId, fault: Fault) {
        let is_quiet = std::mem::replace(&mut self.has_refused, true);
        let refused = Exchange::refused(id, fault, &self.witness, is_quiet);
        self.exchanges.push(refused);
    }

    fn upload(&mut self, id: RequestId, act: impl FnOnce(&mut Exchange<'h>)) {
        let exchange = self.exchanges.iter_mut().find(|known| known.id == id);
        if let Some(exchange) = exchange {
            act(exchange);
        }
    }

    /// What the peer sends makes no sense any more. What it was promised it
    /// still gets.
    fn refuse_input(&mut self, error: &ProtocolError) {
        self.witness.observers.noticed(Notice::ProtocolError);
        let fault = match error {
            ProtocolError::TooMuch { what, .. } => Fault::RequestTooLarge {
                status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                what: what.clone(),
            },
            _ => Fault::BadRequest(error.to_string()),
        };
        match error.request() {
            Some(id) => self.refuse(id, fault),
            None => {
                if let Some(besides) = self.witness.news.of_connection("protocol") {
                    let peer = self.socket.peer();
                    tracing::warn!(%peer, "connection closed: {error}{besides}");
                }
            }
        }
        self.input = Input::Refused;
        self.break_off_uploads();
    }

    pub(super) fn break_off_uploads(&mut self) {
        let uploads = self.exchanges.iter_mut().flat_map(Exchange::uploads);
        uploads.for_each(Upload::break_off);
    }

    /// Takes what the handlers have, one turn each. Whether there was any.
    fn poll_exchanges(&mut self, cx: &mut Context<'_>) -> bool {
        let before = self.connection.output().remaining();
        let count = self.exchanges.len();
        let turn_bytes = match count {
            0 | 1 => TURN_BYTES,
            _ => SHARED_TURN_BYTES,
        };
        let mut index = 0;
        while index < self.exchanges.len()
            && self.connection.output().remaining() < OUTPUT_BYTES_MAX
        {
            let exchange = &mut self.exchanges[index];
            match exchange.poll(cx, self.handler, &mut self.connection, turn_bytes) {
                Poll::Ready(()) => {
                    let exchange = self.exchanges.remove(index);
                    self.end(exchange);
                }
                Poll::Pending => index += 1,
            }
        }
        // Who had no turn now is first the next time.
        self.exchanges.rotate_left(index);
        self.connection.output().remaining() > before || self.exchanges.len() < count
    }

    /// Ends a request, or else the connection, if that is how a web server is
    /// to learn that the answer broke off.
    fn end(&mut self, exchange: Exchange<'h>) {
        let is_last = self.exchanges.is_empty();
        if exchange.is_broken() && is_last && self.options.hangs_up_when_broken() {
            self.input = Input::Refused;
        } else {
            exchange.end(&mut self.connection);
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<bool, Gone> {
        let mut written = false;
        while self.connection.output().has_remaining() {
            let socket = Pin::new(&mut self.socket);
            match poll_write_buf(socket, cx, self.connection.output()) {
                Poll::Pending => break,
                Poll::Ready(Ok(bytes)) if bytes > 0 => written = true,
                Poll::Ready(outcome) => {
                    let peer = self.socket.peer();
                    tracing::debug!(peer, ?outcome, "the peer takes no more");
                    return Err(Gone);
                }
            }
        }
        if written {
            self.waits.renew(Wait::Unsent);
        }
        Ok(written)
    }

    fn is_over(&mut self) -> bool {
        let is_quiet = self.exchanges.is_empty() && !self.connection.output().has_remaining();
        is_quiet && (self.input != Input::Open || self.connection.wants_close())
    }
}
