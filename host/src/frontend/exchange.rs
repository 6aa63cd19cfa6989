//! One request on a FastCGI connection: handing it to the handler, and its
//! response to the connection.

use std::any::Any;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::Body as _;

use super::asker::Asker;
use super::discard::discard;
use super::outgoing::Outgoing;
use super::report::{Report, Witness};
use super::upload::Upload;
use super::verdict::{UNANSWERED, write_verdict};
use crate::cgi::{self, ToCome};
use crate::fastcgi::{Connection, ProtocolStatus, RequestId};
use crate::message::{
    BoxFuture, Fault, Handler, Journal, Params, Request, Response, ResponseBody, Role,
};

/// The most STDERR content in a record, bytes: nginx logs the first 2048 of
/// each, its own prefix included, and drops the rest.
const MESSAGE_BYTES_MAX: usize = 1800;

/// How many gaps, of 250 ms each, a response waits for others to be read to
/// their end: 20 s, a third of the time after which nginx gives up.
const TURNS_AWAITED_MAX: u32 = 80;

/// One request under way.
pub(super) struct Exchange<'h> {
    pub(super) id: RequestId,
    role: Role,
    pub(super) stdin: Upload,
    pub(super) data: Upload,
    journal: Arc<Journal>,
    report: Report,
    asker: Asker,
    /// Whether the response may have no body (RFC 9110 §9.3.2).
    is_head: bool,
    stage: Stage<'h>,
    outgoing: Outgoing,
    /// Whether the response has begun to leave, and whether it may while the
    /// request's body still comes; see [`Self::is_holding`].
    has_begun: bool,
    is_released: bool,
    turns_awaited: u32,
    /// What the response's body held, when that is over: the place that counts
    /// until its last bytes have left.
    held: Option<Arc<dyn Any + Send + Sync>>,
    ending: Ending,
}

enum Stage<'h> {
    /// Not handed to the handler yet.
    New(Params),
    /// The handler has it.
    Waiting(BoxFuture<'h, Result<Response, Fault>>),
    /// The head is there.
    Sending(ResponseBody),
    /// The body is complete, or broke off.
    Over,
}

/// What the end of the request will say.
struct Ending {
    app_status: u32,
    protocol_status: ProtocolStatus,
    is_broken: bool,
}

impl<'h> Exchange<'h> {
    /// A request that has begun.
    pub(super) fn new(
        id: RequestId,
        role: Role,
        keep_conn: bool,
        params: Params,
        witness: &Witness,
    ) -> Self {
        let report = Report::new(role, &params, witness);
        let journal = report.journal().clone();
        let upload = |length| Upload::new(length, keep_conn, journal.clone());
        let none = || Upload::none(journal.clone());
        Self {
            id,
            role,
            stdin: match role {
                // Some web servers send no stream, others an empty one.
                Role::Authorizer => none(),
                Role::Responder | Role::Filter => upload(cgi::content_length(&params)),
            },
            data: match role {
                Role::Filter => upload(cgi::data_length(&params).ok()),
                Role::Responder | Role::Authorizer => none(),
            },
            asker: Asker::new(&params),
            journal,
            report,
            is_head: params.get("REQUEST_METHOD") == Some(b"HEAD"),
            stage: Stage::New(params),
            outgoing: Outgoing::default(),
            has_begun: false,
            is_released: false,
            turns_awaited: 0,
            held: None,
            ending: Ending {
                app_status: 0,
                protocol_status: ProtocolStatus::RequestComplete,
                is_broken: false,
            },
        }
    }

    /// A request that is only told why it is not served.
    pub(super) fn refused(id: RequestId, fault: Fault, witness: &Witness, is_quiet: bool) -> Self {
        let mut refused = Self::new(id, Role::Responder, false, Params::default(), witness);
        refused.report.set_quiet(is_quiet);
        refused.answer(Err(fault));
        refused
    }

    /// Goes as far as it can go now, up to `turn_bytes` of response. Ready
    /// once all of the response is on the connection; then it wants its
    /// [`end`](Self::end).
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        handler: &'h dyn Handler,
        connection: &mut Connection,
        turn_bytes: usize,
    ) -> Poll<()> {
        loop {
            let budget = match self.may_hold() {
                true => self.outgoing.room_to_hold(),
                false => turn_bytes,
            };
            self.advance(cx, handler, budget);
            let is_over = !self.may_hold() || self.outgoing.bytes() < budget;
            if is_over || !self.outgoing.hold_more(&self.journal) {
                break;
            }
        }
        if self.is_holding() {
            self.stdin.read_ahead();
            return Poll::Pending;
        }
        let turn_bytes = turn_bytes.min(self.outgoing.bytes());
        self.has_begun |= turn_bytes > 0;
        connection.stdout(self.id, self.outgoing.take(turn_bytes), turn_bytes);
        if self.has_begun {
            // Not before the head: nginx takes both into one buffer of 4 KiB.
            self.send_messages(cx, connection);
        }
        match self.outgoing.bytes() == 0 && matches!(self.stage, Stage::Over) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    /// The request is over.
    pub(super) fn end(self, connection: &mut Connection) {
        let ending = &self.ending;
        connection.end(self.id, ending.app_status, ending.protocol_status);
        self.report.end();
    }

    /// Whether the response broke off after its head had left.
    pub(super) fn is_broken(&self) -> bool {
        self.ending.is_broken
    }

    /// Whether a response waits until the request's body is complete.
    ///
    /// nginx stops sending a body, and never goes on, once it has seen the head
    /// of the answer and found our side busy. So while the body comes without
    /// a gap, an answer to it waits: some of it here and the rest
    /// with its handler, ahead of which the body is read as far as it may be.
    pub(super) fn is_holding(&self) -> bool {
        self.may_hold() && self.outgoing.bytes() > 0
    }

    /// Whether it waits in vain: neither the body nor the answer can get any
    /// further.
    pub(super) fn is_stuck(&self) -> bool {
        let is_full = self.outgoing.bytes() >= self.outgoing.room_to_hold();
        self.is_holding() && is_full && self.stdin.is_full()
    }

    fn may_hold(&self) -> bool {
        let is_unfinished = matches!(self.stage, Stage::Waiting(_) | Stage::Sending(_));
        is_unfinished && !self.has_begun && !self.is_released && self.stdin.is_open()
    }

    /// The response waits no longer, unless for its turn to have the body read
    /// ahead; it asks again each time that it is told to leave.
    pub(super) fn release(&mut self) {
        let may_wait = self.is_stuck() && self.stdin.may_fit();
        self.turns_awaited += 1;
        self.is_released = !may_wait || self.turns_awaited > TURNS_AWAITED_MAX;
        if self.is_released {
            self.stdin.give_back();
        }
    }

    /// A part of the request's body has come.
    pub(super) fn receive(&mut self, bytes: Bytes) {
        self.journal.note_received(bytes.len());
        self.stdin.push(bytes);
    }

    /// The request's streams on their way in.
    pub(super) fn uploads(&mut self) -> impl Iterator<Item = &mut Upload> {
        [&mut self.stdin, &mut self.data].into_iter()
    }

    /// Whether the file of a filter comes before the rest of the body, and
    /// waits: then neither comes any further (FastCGI §6.4 has the body first).
    pub(super) fn is_crossed(&self) -> bool {
        self.data.is_full() && self.stdin.is_open()
    }

    /// What of the response would leave next: at least a whole head, unless
    /// that has left.
    pub(super) fn unsent(&mut self) -> VecDeque<Bytes> {
        match self.stage {
            Stage::New(_) | Stage::Waiting(_) => [UNANSWERED].into(),
            Stage::Sending(_) | Stage::Over => self.outgoing.pieces(),
        }
    }

    /// Gives the request up, with an answer as far as that is still possible.
    pub(super) fn fail(&mut self, fault: Fault) {
        match self.stage {
            Stage::New(_) | Stage::Waiting(_) => self.answer(Err(fault)),
            Stage::Sending(_) => self.break_off(&fault),
            Stage::Over => {}
        }
    }

    fn advance(&mut self, cx: &mut Context<'_>, handler: &'h dyn Handler, turn_bytes: usize) {
        if let Stage::New(params) = &mut self.stage {
            let request = Request {
                role: self.role,
                params: std::mem::take(params),
                body: self.stdin.open(),
                data: self.data.open(),
                journal: self.journal.clone(),
            };
            self.stage = Stage::Waiting(handler.handle(request));
        }
        if let Stage::Waiting(answer) = &mut self.stage
            && let Poll::Ready(answer) = answer.as_mut().poll(cx)
        {
            self.answer(answer);
        }
        while let Stage::Sending(body) = &mut self.stage
            && self.outgoing.bytes() < turn_bytes
        {
            match Pin::new(body).poll_frame(cx) {
                Poll::Pending => return,
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(bytes) => self.take(bytes),
                    Err(_) => {
                        tracing::debug!("trailers are dropped: FastCGI has no place for them")
                    }
                },
                Poll::Ready(Some(Err(fault))) => self.break_off(&fault),
                Poll::Ready(None) => self.complete(),
            }
        }
    }

    /// The handler has answered: the head is written, or a page about why
    /// there is none.
    fn answer(&mut self, answer: Result<Response, Fault>) {
        let checked = answer.and_then(|mut response| {
            let head = match self.role {
                Role::Authorizer => write_verdict(&mut response, self.is_head, &self.report)?,
                Role::Responder | Role::Filter => cgi::response_head(&mut response, self.is_head)?,
            };
            self.asker.expect_head(head.len(), &response.headers);
            Ok((head, response))
        });
        let (head, response) = checked.unwrap_or_else(|fault| {
            self.report.fault(&fault);
            self.ending.app_status = fault.app_status();
            self.ending.protocol_status = match fault {
                Fault::Overloaded(_) | Fault::OverBudget { .. } => ProtocolStatus::Overloaded,
                Fault::UnknownRole(_) => ProtocolStatus::UnknownRole,
                _ => ProtocolStatus::RequestComplete,
            };
            let page = fault.page(self.journal.number());
            let mut head = BytesMut::new();
            cgi::write_head(page.status, &page.headers, &mut head);
            (head, page)
        });
        self.outgoing.push(head.freeze());
        self.report.answered(response.status);
        let is_leave = self.role == Role::Authorizer && response.leave.is_some();
        if self.is_head || is_leave || !cgi::may_have_body(response.status) {
            discard(response.body);
            self.stage = Stage::Over;
            return;
        }
        self.outgoing.to_come = ToCome::of(&response.headers);
        self.stage = Stage::Sending(response.body);
    }

    fn take(&mut self, mut bytes: Bytes) {
        if let Err(fault) = self.outgoing.to_come.take(&mut bytes) {
            self.break_off(&fault);
        }
        self.journal.note_sent(bytes.len());
        self.outgoing.push(bytes);
    }

    fn complete(&mut self) {
        self.close();
        if let Err(fault) = self.outgoing.to_come.end() {
            self.break_off(&fault);
        }
    }

    /// The body can not be completed. What was sent can not be taken back, and
    /// FastCGI has no sign for it that web servers know: the log and the
    /// application's status tell.
    fn break_off(&mut self, fault: &Fault) {
        self.report.fault(fault);
        self.ending.app_status = fault.app_status();
        self.ending.is_broken = true;
        self.close();
    }

    /// Nothing of the body is taken any more, which its writer learns; what was
    /// taken is still to leave.
    fn close(&mut self) {
        if let Stage::Sending(body) = std::mem::replace(&mut self.stage, Stage::Over) {
            self.held = body.into_held();
        }
    }

    fn send_messages(&mut self, cx: &mut Context<'_>, connection: &mut Connection) {
        while let Poll::Ready(messages) = self.journal.poll_messages(cx) {
            let mut rest = messages.as_slice();
            while !rest.is_empty() {
                let window = &rest[..rest.len().min(MESSAGE_BYTES_MAX)];
                let line_end = window.iter().rposition(|&byte| byte == b'\n');
                let (record, after) = rest.split_at(line_end.map_or(window.len(), |end| end + 1));
                connection.stderr(self.id, record);
                rest = after;
            }
        }
    }
}
