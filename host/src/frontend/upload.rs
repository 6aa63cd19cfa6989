//! One stream of a request on its way from the connection to the handler.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::message::{Body, BodyError, BodySender, PIPE_BYTES, RequestBody};

/// How much of a body may wait where other requests may come behind it on the
/// connection, bytes. Behind more than that they, and an abort, are not seen
/// until the handler reads: FastCGI has no flow control by request.
const SHARED_ROOM_BYTES: usize = 1024 * 1024;

/// A request's body (or a filter's file), measured against its announced
/// length (FastCGI §6.2: fewer bytes than CONTENT_LENGTH are an error, more
/// are cut).
pub(super) struct Upload {
    state: State,
    announced: Option<u64>,
    received: u64,
    /// How much may wait for the handler.
    room_bytes: usize,
}

enum State {
    /// The handler does not have it yet: a body that is all here by then needs
    /// no pipe.
    Early(VecDeque<Bytes>),
    EarlyEnd(VecDeque<Bytes>, Result<(), BodyError>),
    Open(BodySender<BodyError>),
    /// It is over, or nobody reads it: what still comes is dropped.
    Closed,
}

impl Upload {
    /// A stream of which nothing came yet.
    pub(super) fn new(announced: Option<u64>, keep_conn: bool) -> Self {
        Self {
            state: State::Early(VecDeque::new()),
            announced,
            received: 0,
            room_bytes: match keep_conn {
                true => SHARED_ROOM_BYTES,
                false => PIPE_BYTES,
            },
        }
    }

    /// No stream at all.
    pub(super) fn none() -> Self {
        Self {
            state: State::EarlyEnd(VecDeque::new(), Ok(())),
            announced: None,
            received: 0,
            room_bytes: 0,
        }
    }

    pub(super) fn push(&mut self, mut bytes: Bytes) {
        if let Some(announced) = self.announced {
            let wanted = announced - self.received.min(announced);
            bytes.truncate(usize::try_from(wanted).unwrap_or(usize::MAX));
        }
        self.received += bytes.len() as u64;
        match &mut self.state {
            State::Early(pieces) => pieces.push_back(bytes),
            State::Open(sender) => sender.push(bytes),
            State::EarlyEnd(..) | State::Closed => {}
        }
    }

    /// The web server says that this was all.
    pub(super) fn end(&mut self) {
        let is_short = self.announced.is_some_and(|bytes| self.received < bytes);
        self.close(match is_short {
            true => Err(BodyError::Incomplete),
            false => Ok(()),
        });
    }

    /// Nothing more will come.
    pub(super) fn break_off(&mut self) {
        self.close(Err(BodyError::Incomplete));
    }

    fn close(&mut self, end: Result<(), BodyError>) {
        self.state = match std::mem::replace(&mut self.state, State::Closed) {
            State::Early(pieces) => State::EarlyEnd(pieces, end),
            State::Open(sender) => {
                match end {
                    Ok(()) => sender.finish(),
                    Err(error) => sender.fail(error),
                }
                State::Closed
            }
            other => other,
        };
    }

    /// The stream as the handler gets it, once.
    pub(super) fn open(&mut self) -> RequestBody {
        let (mut pieces, end) = match std::mem::replace(&mut self.state, State::Closed) {
            State::EarlyEnd(mut pieces, Ok(())) if pieces.len() <= 1 => {
                return Body::from(pieces.pop_front().unwrap_or_default());
            }
            State::EarlyEnd(pieces, end) => (pieces, Some(end)),
            State::Early(pieces) => (pieces, None),
            State::Open(_) | State::Closed => return Body::default(),
        };
        let (mut sender, body) = Body::pipe();
        pieces.drain(..).for_each(|piece| sender.push(piece));
        self.state = State::Open(sender);
        if let Some(end) = end {
            self.close(end);
        }
        body
    }

    /// Whether more of it may come, for a handler that has it.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Whether so much waits that no more should be read.
    pub(super) fn is_full(&self) -> bool {
        matches!(&self.state, State::Open(sender) if sender.waiting() >= self.room_bytes)
    }

    /// Ready unless so much waits that no more should be read.
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let State::Open(sender) = &mut self.state else {
            return Poll::Ready(());
        };
        match sender.poll_below(self.room_bytes, cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) => Poll::Ready(()),
            Poll::Ready(Err(_)) => {
                self.state = State::Closed;
                Poll::Ready(())
            }
        }
    }
}
