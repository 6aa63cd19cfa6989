//! A guest's answer on its way to whoever asked: held back while it is small,
//! a stream when it grows or is flushed.

use std::any::Any;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode, header};
use tokio::sync::oneshot;

use super::limits::Meter;
use crate::cgi;
use crate::message::{Body, BodySender, Fault, Gone, Params, Pieces, Response};
use crate::policy::Policy;

/// How much of a body is held back, bytes: an answer up to this size leaves as
/// a whole, with its head; a longer one in pieces of at least this size.
const HELD_BYTES_MAX: usize = 64 * 1024;

/// What it takes of the threads that serve to send a piece on: to wake who has
/// the connection, and one write. It is added to what the guest has used, which
/// else could have others work for it, in the foreground, from the background.
const SENDING_TIME: Duration = Duration::from_micros(5);

/// How many of the fields that were dropped are named, and how much of a name.
const NAMES_TOLD_MAX: usize = 5;
const NAME_TOLD_BYTES_MAX: usize = 64;

/// The answer of one guest. Clones share it: the guest's world writes, and who
/// drives the guest closes it.
#[derive(Clone)]
pub(super) struct Reply(Arc<Mutex<State>>);

struct State {
    stage: Stage,
    held: Pieces,
    /// Goes with the body: the place that the request has.
    place: Arc<dyn Any + Send + Sync>,
    /// Learns how long the client lets the answer wait.
    meter: Arc<Meter>,
    policy: Arc<Policy>,
    /// How much of the body was written by now, bytes.
    written: u64,
    /// Whether the answer is taken for a verdict: 200 is leave to pass, and
    /// `Variable-NAME` a variable that goes with it.
    is_verdict: bool,
    /// The variables that go with a 200 that is a verdict.
    leave: Option<Params>,
}

enum Stage {
    /// Nobody has heard of the answer; its head, if there is one.
    Waiting(Answer, Option<(StatusCode, HeaderMap)>),
    /// The head is gone, the body follows.
    Streaming(BodySender<Fault>),
    /// It is complete, or given up.
    Over,
}

type Answer = oneshot::Sender<Result<Response, Fault>>;

impl Reply {
    /// An answer, and where it will arrive.
    pub(super) fn new(
        place: Arc<dyn Any + Send + Sync>,
        meter: Arc<Meter>,
        policy: Arc<Policy>,
        is_verdict: bool,
    ) -> (Self, oneshot::Receiver<Result<Response, Fault>>) {
        let (sender, receiver) = oneshot::channel();
        let state = State {
            stage: Stage::Waiting(sender, None),
            held: Pieces::default(),
            place,
            meter,
            policy,
            written: 0,
            is_verdict,
            leave: None,
        };
        (Self(Arc::new(Mutex::new(state))), receiver)
    }

    /// Sets the head, once.
    pub(super) fn start(&self, status: StatusCode, mut headers: HeaderMap) -> Result<(), String> {
        let state = &mut *self.lock();
        let Stage::Waiting(_, head @ None) = &mut state.stage else {
            return Err("the response was started before".to_owned());
        };
        if state.held.bytes() > 0 {
            return Err("a part of the response was written before".to_owned());
        }
        if !(200..600).contains(&status.as_u16()) {
            return Err(format!("the status {status} is none from 200 to 599"));
        }
        let fields = headers.iter();
        let bytes: usize = fields.map(|(n, v)| n.as_str().len() + v.len()).sum();
        let bytes_max = state.policy.response_head_bytes_max;
        if bytes > bytes_max {
            return Err(format!(
                "the response's head has over {bytes_max} bytes (max_head)"
            ));
        }
        cgi::drop_connection_fields(&mut headers);
        if state.is_verdict && status == StatusCode::OK {
            state.leave = Some(cgi::named_variables(&headers));
        }
        if !state.policy.may_command_web_server {
            drop_commands(&state.meter, status, &mut headers);
        }
        *head = Some((status, headers));
        Ok(())
    }

    /// Answers that the request may pass, with these variables, instead of what
    /// was said before. It is too late for that if a part of that has left.
    pub(super) fn allow(&self, variables: Params) -> Result<(), String> {
        let state = &mut *self.lock();
        if !matches!(state.stage, Stage::Waiting(..)) {
            return Err("it began to refuse the request before it allowed it".to_owned());
        }
        let bytes: usize = variables.iter().map(|(n, v)| n.len() + v.len()).sum();
        let bytes_max = state.policy.response_head_bytes_max;
        if bytes > bytes_max {
            return Err(format!(
                "the variables of its verdict have over {bytes_max} bytes (max_head)"
            ));
        }
        state.meter.publish();
        if let Stage::Waiting(answer, _) = std::mem::replace(&mut state.stage, Stage::Over) {
            let leave = Response::allow(variables);
            // As in `finish`.
            let _ = answer.send(Ok(Response {
                body: leave.body.holding(state.place.clone()),
                ..leave
            }));
        }
        Ok(())
    }

    /// Appends a copy of these bytes to the body; see [`ready`](Self::ready).
    pub(super) fn append(&self, bytes: &[u8]) {
        self.lock().add(bytes.len(), |held| held.copy(bytes));
    }

    /// Appends these bytes to the body; see [`ready`](Self::ready).
    pub(super) fn push(&self, bytes: Bytes) {
        self.lock().add(bytes.len(), |held| held.push(bytes, 0));
    }

    /// Waits until there is room for more.
    pub(super) async fn ready(&self) -> Result<(), Gone> {
        poll_fn(|cx| self.poll_ready(cx)).await
    }

    /// As [`ready`](Self::ready).
    pub(super) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        let state = &mut *self.lock();
        match &mut state.stage {
            Stage::Streaming(sender) => state.meter.of_client(sender.poll_ready(cx)),
            Stage::Waiting(answer, _) if answer.is_closed() => Poll::Ready(Err(Gone)),
            Stage::Waiting(..) => Poll::Ready(Ok(())),
            Stage::Over => Poll::Ready(Err(Gone)),
        }
    }

    /// The guest wants to send trailers, which FastCGI has no place for.
    pub(super) fn note_trailers(&self) {
        let note = "the response's trailers are dropped: FastCGI has no place for them";
        let meter = &self.lock().meter;
        if meter.may_log(note.len()) {
            tracing::warn!(request = meter.request(), "{note}");
        }
    }

    /// Sends what is held back.
    pub(super) fn flush(&self) {
        self.lock().flush();
    }

    /// The same, if there is anything: what was said may be what the visitor
    /// waits for.
    pub(super) fn show(&self) {
        if self.has_begun() {
            self.flush();
        }
    }

    /// Ends the answer. Without a [`start`](Self::start) it has the status 200.
    pub(super) fn finish(&self) {
        let state = &mut *self.lock();
        if let Stage::Streaming(_) = state.stage {
            state.flush();
        }
        // Before anybody can take the answer for the end of the request.
        state.meter.publish();
        match std::mem::replace(&mut state.stage, Stage::Over) {
            Stage::Waiting(answer, head) => {
                let body = Body::from(std::mem::take(&mut state.held).join());
                // Nobody to send it to is no error: the client is gone.
                let _ = answer.send(Ok(state.response(head, body)));
            }
            Stage::Streaming(sender) => sender.finish(),
            Stage::Over => {}
        }
    }

    /// Gives the answer up: the visitor learns of the fault, or at least gets
    /// no more than there was. Whether anybody learned of it.
    pub(super) fn fail(&self, fault: Fault) -> bool {
        self.lock().fail(fault)
    }

    /// Gives the answer up after what was said of it: the visitor gets that.
    pub(super) fn break_off(&self, fault: Fault) -> bool {
        self.lock().flush();
        self.fail(fault)
    }

    /// Whether anything was said: a status or a byte.
    pub(super) fn has_begun(&self) -> bool {
        let state = self.lock();
        !matches!(state.stage, Stage::Waiting(_, None)) || state.held.bytes() > 0
    }

    /// Whether nothing of the answer has left.
    pub(super) fn is_held_back(&self) -> bool {
        matches!(self.lock().stage, Stage::Waiting(..))
    }

    /// Whether the answer is complete or given up.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.lock().stage, Stage::Over)
    }

    /// Ready once nobody waits for the answer any more, before it is complete.
    pub(super) fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.lock().stage {
            Stage::Waiting(answer, _) => answer.poll_closed(cx),
            Stage::Streaming(sender) => sender.poll_gone(cx),
            Stage::Over => Poll::Pending,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// See [`Reply::fail`].
    fn fail(&mut self, fault: Fault) -> bool {
        if let Stage::Streaming(_) = self.stage {
            self.flush();
        }
        self.meter.publish();
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Waiting(answer, _) => answer.send(Err(fault)).is_ok(),
            Stage::Streaming(sender) => {
                sender.fail(fault);
                true
            }
            Stage::Over => false,
        }
    }

    /// Whether the body may have so many more bytes. If not the answer breaks
    /// off, which the guest learns when it waits for room.
    fn may_grow(&mut self, bytes: usize) -> bool {
        let bytes_max = self.policy.response_body_bytes_max;
        self.written = self.written.saturating_add(bytes as u64);
        if self.written > bytes_max {
            self.fail(Fault::ResponseTooLarge(bytes_max));
        }
        self.written <= bytes_max
    }

    /// Holds so many more bytes back. What is held leaves before it becomes too
    /// much, or is a good piece of a stream.
    fn add(&mut self, bytes: usize, hold: impl FnOnce(&mut Pieces)) {
        if !self.may_grow(bytes) || matches!(self.stage, Stage::Over) {
            return;
        }
        if self.held.bytes() + bytes > HELD_BYTES_MAX {
            self.flush();
        }
        hold(&mut self.held);
        let is_streaming = matches!(self.stage, Stage::Streaming(_));
        if is_streaming && self.held.bytes() >= HELD_BYTES_MAX {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if let Stage::Waiting(answer, head) = &mut self.stage {
            let head = head.take();
            let (sender, body) = Body::pipe();
            let (nobody, _) = oneshot::channel();
            let answer = std::mem::replace(answer, nobody);
            // If nobody waits for it, the pipe says so.
            let _ = answer.send(Ok(self.response(head, body)));
            self.stage = Stage::Streaming(sender);
        }
        if let Stage::Streaming(sender) = &mut self.stage
            && self.held.bytes() > 0
        {
            while self.held.bytes() > 0 {
                sender.push(self.held.pop());
            }
            self.meter.add(SENDING_TIME);
        }
    }

    fn response(&mut self, head: Option<(StatusCode, HeaderMap)>, body: Body<Fault>) -> Response {
        let (status, headers) = head.unwrap_or_default();
        Response {
            status,
            headers,
            body: body.holding(self.place.clone()),
            leave: self.leave.take(),
        }
    }
}

/// A `Location` with status 200 is a command too: RFC 3875 §6.2.2 has the web
/// server answer with its own document of that name.
fn drop_commands(meter: &Meter, status: StatusCode, headers: &mut HeaderMap) {
    let mut dropped = cgi::drop_commands(headers);
    if status == StatusCode::OK && headers.remove(header::LOCATION).is_some() {
        dropped.push(header::LOCATION);
    }
    if dropped.is_empty() {
        return;
    }
    let names = dropped.iter().take(NAMES_TOLD_MAX).map(HeaderName::as_str);
    let names: Vec<_> = names
        .map(|name| name.get(..NAME_TOLD_BYTES_MAX).unwrap_or(name))
        .collect();
    let line = format!(
        "{} of a response's fields were dropped, {names:?}: they command the web server, which the \
         application may not",
        dropped.len()
    );
    if meter.may_log(line.len()) {
        tracing::warn!(request = meter.request(), "{line}");
    }
}

#[cfg(test)]
mod tests;
