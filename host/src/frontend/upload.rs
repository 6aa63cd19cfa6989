//! One stream of a request on its way from the connection to the handler.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::message::{
    Body, BodyError, BodySender, Journal, PIPE_BYTES, Portion, Pot, RequestBody, Stage,
};

/// How much of a body may wait where other requests may come behind it on the
/// connection, bytes. Behind more than that they, and an abort, are not seen
/// until the handler reads: FastCGI has no flow control by request.
const SHARED_ROOM_BYTES: usize = 1024 * 1024;

/// How much all uploads of this process may have beyond what fits into a pipe,
/// bytes: thousands of requests may wait for a place to run, each with its body.
/// Who finds nothing left has his pipe.
const ROOMS_BYTES_MAX: usize = 128 * 1024 * 1024;

/// What they hold of that.
static ROOMS: LazyLock<Arc<Pot>> = LazyLock::new(|| Pot::of(ROOMS_BYTES_MAX));

/// How much of a body is taken while its request waits for a place, bytes: as much
/// as most forms have. Two thousand may wait, and their pipes took 256 MiB.
const QUEUED_ROOM_BYTES: usize = 16 * 1024;

/// How much the uploads of this process may hold beyond their rooms, bytes, all
/// together: while a response is held back until its request's body is here,
/// the body is read ahead of its handler. As much as one instance may have.
const AHEAD_BYTES_MAX: usize = 128 * 1024 * 1024;

/// In what steps an upload takes of that whose length is not known, bytes.
const AHEAD_STEP_BYTES: usize = 1024 * 1024;

/// What they hold of it.
static AHEAD: LazyLock<Arc<Pot>> = LazyLock::new(|| Pot::of(AHEAD_BYTES_MAX));

/// A request's body (or a filter's file), measured against its announced
/// length (FastCGI §6.2: fewer bytes than CONTENT_LENGTH are an error, more
/// are cut).
pub(super) struct Upload {
    state: State,
    announced: Option<u64>,
    received: u64,
    /// Whose it is, and how far that has come.
    journal: Arc<Journal>,
    /// How much may wait for the handler at most, and what is beyond its pipe.
    room_bytes_max: usize,
    beyond: Portion,
    ahead: Portion,
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
    pub(super) fn new(announced: Option<u64>, keep_conn: bool, journal: Arc<Journal>) -> Self {
        Self {
            state: State::Early(VecDeque::new()),
            announced,
            received: 0,
            journal,
            room_bytes_max: match keep_conn {
                true => SHARED_ROOM_BYTES,
                false => PIPE_BYTES,
            },
            beyond: ROOMS.portion(),
            ahead: AHEAD.portion(),
        }
    }

    /// No stream at all.
    pub(super) fn none(journal: Arc<Journal>) -> Self {
        Self {
            state: State::EarlyEnd(VecDeque::new(), Ok(())),
            announced: None,
            received: 0,
            journal,
            room_bytes_max: 0,
            beyond: ROOMS.portion(),
            ahead: AHEAD.portion(),
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
        matches!(&self.state, State::Open(sender) if sender.waiting() >= self.room_bytes())
    }

    /// How much may wait now.
    fn room_bytes(&self) -> usize {
        let pipe_bytes = match self.journal.stage() {
            Stage::Queued => QUEUED_ROOM_BYTES,
            _ => PIPE_BYTES,
        };
        pipe_bytes + self.beyond.amount() + self.ahead.amount()
    }

    /// Makes more room, if more may wait than now does: the handler's answer is
    /// held back until the body is here. Room for all of it, if that is known:
    /// of many uploads that have a part each none would come to its end.
    pub(super) fn read_ahead(&mut self) {
        if self.is_full() {
            let to_come = self.announced.map(|all| all.saturating_sub(self.received));
            let bytes = to_come.map_or(AHEAD_STEP_BYTES, |bytes| {
                usize::try_from(bytes).unwrap_or(usize::MAX)
            });
            self.ahead.grow(bytes, &self.journal);
        }
    }

    /// Gives back the room that was made and is not filled, for others: this
    /// body came too slowly to be waited for.
    pub(super) fn give_back(&mut self) {
        if let State::Open(sender) = &self.state {
            let room = PIPE_BYTES + self.beyond.amount();
            let filled = sender.waiting().saturating_sub(room);
            self.ahead.shrink(filled);
        }
    }

    /// Whether there could ever be room for all of it.
    pub(super) fn may_fit(&self) -> bool {
        self.announced
            .is_some_and(|all| all.saturating_sub(self.received) <= AHEAD_BYTES_MAX as u64)
    }

    /// Ready unless so much waits that no more should be read.
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_full() && PIPE_BYTES + self.beyond.amount() < self.room_bytes_max {
            self.beyond.grow(PIPE_BYTES, &self.journal);
        }
        let room_bytes = self.room_bytes();
        let State::Open(sender) = &mut self.state else {
            return Poll::Ready(());
        };
        match sender.poll_below(room_bytes, cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) => Poll::Ready(()),
            Poll::Ready(Err(_)) => {
                self.state = State::Closed;
                Poll::Ready(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Owner;

    /// Sends until no more should be read. How much waits then.
    fn fill(upload: &mut Upload) -> usize {
        let cx = &mut Context::from_waker(std::task::Waker::noop());
        while upload.poll_room(cx).is_ready() {
            upload.push(Bytes::from_static(&[0; 64 * 1024]));
        }
        let State::Open(sender) = &upload.state else {
            return 0;
        };
        sender.waiting()
    }

    fn fresh(announced: Option<u64>, keep_conn: bool) -> Upload {
        Upload::new(announced, keep_conn, Arc::default())
    }

    fn fresh_of(tenant: &str, announced: Option<u64>, keep_conn: bool) -> Upload {
        let upload = fresh(announced, keep_conn);
        let (tenant, app) = (tenant.to_owned(), String::new());
        upload.journal.set_owner(Arc::new(Owner { tenant, app }));
        upload
    }

    #[test]
    fn a_kept_connection_takes_more_and_less_while_its_request_is_queued() {
        for (keep_conn, room) in [(true, SHARED_ROOM_BYTES), (false, PIPE_BYTES)] {
            let mut running = fresh(None, keep_conn);
            let _body = running.open();
            assert_eq!(fill(&mut running), room);
            let mut queued = fresh(None, keep_conn);
            queued.journal.set_stage(Stage::Queued);
            let _body = queued.open();
            let less = fill(&mut queued);
            assert!(less <= room - PIPE_BYTES + 64 * 1024, "{less} bytes");
            queued.journal.set_stage(Stage::Computing);
            assert_eq!(fill(&mut queued), room);
        }
    }

    #[test]
    fn rooms_are_bounded_together_and_given_back() {
        let of_noisy = || fresh_of("noisy", None, true);
        let mut uploads: Vec<_> = (0..1000).map(|_| of_noisy()).collect();
        let _bodies: Vec<_> = uploads.iter_mut().map(Upload::open).collect();
        assert_eq!(fill(&mut uploads[0]), SHARED_ROOM_BYTES);
        let all: usize = uploads.iter_mut().map(fill).sum();
        assert!(all <= 1000 * PIPE_BYTES + ROOMS_BYTES_MAX / 2, "{all}");
        let mut next = of_noisy();
        let _body = next.open();
        assert_eq!(fill(&mut next), PIPE_BYTES);
        drop(uploads.drain(..500));
        let mut next = of_noisy();
        let _body = next.open();
        assert_eq!(fill(&mut next), SHARED_ROOM_BYTES);
    }

    #[test]
    fn what_is_read_ahead_is_shared_and_given_back() {
        let of = |tenant: &str, announced| {
            let mut upload = fresh_of(tenant, announced, false);
            let body = upload.open();
            upload.push(vec![0; PIPE_BYTES].into());
            assert!(upload.is_full());
            (upload, body)
        };
        let read_all_ahead = |upload: &mut Upload| {
            upload.read_ahead();
            while !upload.is_full() {
                upload.push(vec![0; AHEAD_STEP_BYTES].into());
                upload.read_ahead();
            }
        };
        let (mut noisy, _body) = of("noisy", None);
        read_all_ahead(&mut noisy);
        assert_eq!(noisy.ahead.amount(), AHEAD_BYTES_MAX / 2);
        let (mut another, _body) = of("noisy", None);
        another.read_ahead();
        assert!(another.is_full());
        // The next tenant has as much as it leaves.
        let (mut quiet, _body) = of("quiet", None);
        read_all_ahead(&mut quiet);
        assert_eq!(quiet.ahead.amount(), AHEAD_BYTES_MAX / 4);
        // One whose length is known gets room for all of it, or none.
        let (mut large, _body) = of("large", Some(AHEAD_BYTES_MAX as u64));
        large.read_ahead();
        assert!(large.is_full() && large.may_fit());
        drop((noisy, another, quiet));
        large.read_ahead();
        assert!(!large.is_full());
        // What it took and has not filled it gives back when nobody waits for it.
        large.push(vec![0; AHEAD_STEP_BYTES].into());
        assert!(!large.is_full());
        large.give_back();
        assert_eq!(large.ahead.amount(), AHEAD_STEP_BYTES);
        assert!(large.is_full());
        let (mut next, _body) = of("next", Some(AHEAD_BYTES_MAX as u64 / 2));
        next.read_ahead();
        assert!(!next.is_full());
    }
}
