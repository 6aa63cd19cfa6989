//! What a connection waits for at present, and what it does when it has waited
//! for too long.

use bytes::{Buf, BytesMut};

use super::conversation::{Conversation, Gone, Input, READ_BYTES_MIN};
use super::exchange::Exchange;
use super::waits::Wait;
use crate::message::Fault;

impl Conversation<'_> {
    /// Notes what is waited for when nothing moves.
    pub(super) fn note_waits(&mut self, may_read: bool, has_full_upload: bool) {
        let is_open = self.input == Input::Open;
        let is_busy = !self.exchanges.is_empty();
        let is_midway = may_read && self.connection.is_midway();
        let has_output = self.connection.output().has_remaining();
        let uploads = self.exchanges.iter_mut().flat_map(Exchange::uploads);
        let has_open_upload = uploads.filter(|upload| upload.is_open()).count() > 0;
        let is_crossed = self.exchanges.iter().any(Exchange::is_crossed);
        let is_shared = self.exchanges.len() > 1;
        let is_stalled = has_full_upload && is_open && (is_shared || is_crossed);
        let is_holding = self.exchanges.iter().any(Exchange::is_holding);
        let is_stuck = self.exchanges.iter().any(Exchange::is_stuck);
        let is_idle = !is_busy && !is_midway && !has_output;
        self.waits.set(Wait::Midway, is_midway);
        self.waits.set(Wait::Body, may_read && has_open_upload);
        self.waits
            .set(Wait::Gap, (may_read && is_holding) || is_stuck);
        self.waits.set(Wait::Unsent, has_output);
        self.waits.set(Wait::Stalled, is_stalled);
        self.waits.set(Wait::Look, is_busy && !may_read);
        self.waits.set(Wait::Idle, is_idle);
        let is_parting = is_idle && self.stopping;
        self.waits.set(Wait::Parting, is_parting && self.has_begun);
        self.waits.set(Wait::First, is_parting && !self.has_begun);
        if is_idle && self.has_grown && self.connection.input().is_empty() {
            // The buffer of a large upload is not kept for an idle connection.
            self.read_bytes = READ_BYTES_MIN;
            self.has_grown = false;
            *self.connection.input() = BytesMut::new();
        }
    }

    pub(super) fn lose_patience(&mut self, wait: Wait) -> Result<(), Gone> {
        let peer = self.socket.peer();
        let news = &self.witness.news;
        match wait {
            Wait::Parting | Wait::First => self.input = Input::Refused,
            Wait::Idle => {
                tracing::debug!(peer, "an idle connection is closed");
                self.input = Input::Refused;
            }
            Wait::Midway => {
                if let Some(besides) = news.of_connection("midway") {
                    tracing::info!(
                        peer,
                        "connection closed: a request never came to its end{besides}"
                    );
                }
                self.input = Input::Refused;
                self.break_off_uploads();
            }
            Wait::Body => {
                if let Some(besides) = news.of_connection("body") {
                    tracing::info!(
                        peer,
                        "the web server stopped sending a request's body, which counts as \
                         incomplete (nginx does so when the answer has begun and our side was \
                         busy){besides}"
                    );
                }
                self.break_off_uploads();
            }
            Wait::Gap => self.exchanges.iter_mut().for_each(Exchange::release),
            Wait::Unsent => {
                if let Some(besides) = news.of_connection("unsent") {
                    tracing::info!(peer, "connection closed: the peer takes no bytes{besides}");
                }
                return Err(Gone);
            }
            Wait::Stalled => self.give_up_stalled(),
            Wait::Look if self.socket.is_hung_up() => return Err(Gone),
            Wait::Look => {}
        }
        Ok(())
    }

    /// A body that nobody reads may not keep other requests out for long.
    fn give_up_stalled(&mut self) {
        let complaint = "the application left its request's body unread while other requests \
                         waited on the same connection";
        for exchange in &mut self.exchanges {
            if exchange.is_crossed() {
                let complaint = "the web server sent a filter's file before the request's body \
                                 (FastCGI §6.4 has it the other way round)";
                exchange.fail(Fault::BadRequest(complaint.to_owned()));
            } else if exchange.uploads().any(|upload| upload.is_full()) {
                exchange.fail(Fault::Overloaded(complaint.to_owned()));
            }
        }
    }
}
