//! A bounded pipe of bytes between the task that has a body and the one that
//! wants it.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use super::pieces::Pieces;

/// About how many bytes wait in a pipe before its sender has to: twice what
/// one read from a socket brings, so that both sides can be busy at once.
pub const PIPE_BYTES: usize = 128 * 1024;

/// Down to how many a full one is read before its sender goes on, bytes. Sooner,
/// both would take turns at each piece, and each turn wakes a task, often on
/// another thread.
const LOW_BYTES: usize = PIPE_BYTES / 2;

/// The reader of a body is gone: nobody wants the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody reads this body any more")]
pub struct Gone;

/// The sender of a body went away without having ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abandoned;

/// The writing end of a [`Body`](super::Body). Dropping it without
/// [`finish`](Self::finish) makes the body fail.
#[derive(Debug)]
pub struct BodySender<E> {
    shared: Arc<Mutex<State<E>>>,
}

/// The reading end. Dropping it tells the sender.
#[derive(Debug)]
pub(super) struct Receiver<E> {
    shared: Arc<Mutex<State<E>>>,
}

#[derive(Debug)]
struct State<E> {
    pieces: Pieces,
    bytes: usize,
    end: Option<Result<(), E>>,
    sender_gone: bool,
    receiver_gone: bool,
    /// Who is to be woken when something was sent, when there is room again,
    /// and when the receiver is gone.
    wants_bytes: Option<Waker>,
    wants_room: Option<Waker>,
    wants_to_know: Option<Waker>,
    /// Below how many waiting bytes there is the room that is wanted.
    room_below: usize,
}

pub(super) fn pipe<E>() -> (BodySender<E>, Receiver<E>) {
    let shared = Arc::new(Mutex::new(State {
        pieces: Pieces::default(),
        bytes: 0,
        end: None,
        sender_gone: false,
        receiver_gone: false,
        wants_bytes: None,
        wants_room: None,
        wants_to_know: None,
        room_below: PIPE_BYTES,
    }));
    let sender = BodySender {
        shared: shared.clone(),
    };
    (sender, Receiver { shared })
}

/// The lock is held for a few instructions that can not panic, and never while
/// someone is woken.
fn lock<E>(shared: &Mutex<State<E>>) -> MutexGuard<'_, State<E>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

fn remember(waker: &mut Option<Waker>, cx: &Context<'_>) {
    match waker {
        Some(known) => known.clone_from(cx.waker()),
        None => *waker = Some(cx.waker().clone()),
    }
}

impl<E> BodySender<E> {
    /// Sends bytes. They are taken whether there is room or not: see
    /// [`ready`](Self::ready).
    pub fn push(&mut self, bytes: Bytes) {
        let mut state = lock(&self.shared);
        if bytes.is_empty() || state.receiver_gone {
            return;
        }
        state.bytes += bytes.len();
        state.pieces.push(bytes, 0);
        let waker = state.wants_bytes.take();
        drop(state);
        wake(waker);
    }

    /// How many bytes wait to be read.
    pub fn waiting(&self) -> usize {
        lock(&self.shared).bytes
    }

    /// Waits until there is room, or nobody reads any more. Who finds it full waits
    /// until half of it was read.
    pub async fn ready(&mut self) -> Result<(), Gone> {
        poll_fn(|cx| self.poll_ready(cx)).await
    }

    /// As [`ready`](Self::ready).
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        self.poll_room(PIPE_BYTES, LOW_BYTES, cx)
    }

    /// Ready once fewer than so many bytes wait, or nobody reads any more.
    pub fn poll_below(&mut self, bytes: usize, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        self.poll_room(bytes, bytes, cx)
    }

    /// Ready while fewer than so many bytes wait; else woken once there are fewer
    /// than `low`.
    fn poll_room(
        &mut self,
        bytes: usize,
        low: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Gone>> {
        let mut state = lock(&self.shared);
        if state.receiver_gone {
            return Poll::Ready(Err(Gone));
        }
        if state.bytes < bytes {
            return Poll::Ready(Ok(()));
        }
        state.room_below = low;
        remember(&mut state.wants_room, cx);
        Poll::Pending
    }

    /// Ready once nobody reads any more.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.shared);
        if state.receiver_gone {
            return Poll::Ready(());
        }
        remember(&mut state.wants_to_know, cx);
        Poll::Pending
    }

    /// The body is complete.
    pub fn finish(self) {
        self.end(Ok(()));
    }

    /// The body breaks off, for this reason.
    pub fn fail(self, error: E) {
        self.end(Err(error));
    }

    fn end(&self, end: Result<(), E>) {
        lock(&self.shared).end = Some(end);
    }
}

impl<E> Drop for BodySender<E> {
    fn drop(&mut self) {
        let mut state = lock(&self.shared);
        state.sender_gone = true;
        let waker = state.wants_bytes.take();
        drop(state);
        wake(waker);
    }
}

impl<E: From<Abandoned>> Receiver<E> {
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, E>>> {
        let mut state = lock(&self.shared);
        let piece = state.pieces.pop();
        if !piece.is_empty() {
            state.bytes -= piece.len();
            let has_room = state.bytes < state.room_below;
            let waker = state.wants_room.take_if(|_| has_room);
            drop(state);
            wake(waker);
            return Poll::Ready(Some(Ok(piece)));
        }
        if !state.sender_gone {
            remember(&mut state.wants_bytes, cx);
            return Poll::Pending;
        }
        // An error is told once; after it the body is over.
        Poll::Ready(match state.end.replace(Ok(())) {
            Some(Ok(())) => None,
            Some(Err(error)) => Some(Err(error)),
            None => Some(Err(Abandoned.into())),
        })
    }
}

impl<E> Drop for Receiver<E> {
    fn drop(&mut self) {
        let mut state = lock(&self.shared);
        state.receiver_gone = true;
        let dropped = std::mem::take(&mut state.pieces);
        let wakers = [state.wants_room.take(), state.wants_to_know.take()];
        drop(state);
        drop(dropped);
        wakers.into_iter().for_each(wake);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;
    use crate::message::BodyError;

    fn poll(receiver: &mut Receiver<BodyError>) -> Poll<Option<Result<Bytes, BodyError>>> {
        receiver.poll_next(&mut Context::from_waker(Waker::noop()))
    }

    fn room(sender: &mut BodySender<BodyError>) -> Poll<Result<(), Gone>> {
        sender.poll_ready(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn bytes_come_out_in_order_whatever_their_size() {
        let (mut sender, mut receiver) = pipe();
        let mut sent = Vec::new();
        for (number, bytes) in [1, 3_000, 5, 7, 4_096, 2].into_iter().enumerate() {
            let piece = vec![number as u8; bytes];
            sent.extend_from_slice(&piece);
            sender.push(piece.into());
        }
        sender.finish();
        let mut received = Vec::new();
        while let Poll::Ready(Some(Ok(piece))) = poll(&mut receiver) {
            received.extend_from_slice(&piece);
        }
        assert_eq!(received, sent);
        assert_eq!(poll(&mut receiver), Poll::Ready(None));
    }

    #[test]
    fn a_full_pipe_has_no_room_until_something_is_read() {
        let (mut sender, mut receiver) = pipe();
        assert_eq!(room(&mut sender), Poll::Ready(Ok(())));
        sender.push(vec![0; PIPE_BYTES].into());
        assert_eq!(room(&mut sender), Poll::Pending);
        assert_eq!(sender.waiting(), PIPE_BYTES);
        assert!(poll(&mut receiver).is_ready());
        assert_eq!(room(&mut sender), Poll::Ready(Ok(())));
    }

    #[test]
    fn who_waits_for_room_is_woken_only_when_there_is_some() {
        let (mut sender, mut receiver) = pipe::<BodyError>();
        (0..4).for_each(|_| sender.push(vec![0; PIPE_BYTES / 4].into()));
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(bell.clone());
        let cx = &mut Context::from_waker(&waker);
        assert_eq!(sender.poll_ready(cx), Poll::Pending);
        let woken = [1, 2, 3, 4].map(|_| {
            assert!(poll(&mut receiver).is_ready());
            bell.0.load(Ordering::Relaxed)
        });
        // The second leaves just half.
        assert_eq!(woken, [0, 0, 1, 1]);
    }

    /// Counts how often it rang.
    #[derive(Default)]
    struct Bell(AtomicUsize);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn small_pieces_do_not_keep_large_buffers_alive() {
        let (mut sender, mut receiver) = pipe();
        let buffer = Bytes::from(vec![1; 64 * 1024]);
        sender.push(buffer.slice(..1));
        assert!(buffer.is_unique());
        assert_eq!(
            poll(&mut receiver),
            Poll::Ready(Some(Ok(Bytes::from_static(&[1]))))
        );
    }

    #[test]
    fn a_sender_that_vanishes_leaves_an_error_once() {
        let (sender, mut receiver) = pipe();
        assert_eq!(poll(&mut receiver), Poll::Pending);
        drop(sender);
        let incomplete = Poll::Ready(Some(Err(BodyError::Incomplete)));
        assert_eq!(poll(&mut receiver), incomplete);
        assert_eq!(poll(&mut receiver), Poll::Ready(None));
    }

    #[test]
    fn a_failure_comes_after_the_bytes_before_it() {
        let (mut sender, mut receiver) = pipe();
        sender.push(Bytes::from_static(b"some"));
        sender.fail(BodyError::TooLarge);
        assert!(matches!(poll(&mut receiver), Poll::Ready(Some(Ok(_)))));
        let too_large = Poll::Ready(Some(Err(BodyError::TooLarge)));
        assert_eq!(poll(&mut receiver), too_large);
    }

    #[test]
    fn the_sender_learns_that_nobody_reads() {
        let (mut sender, receiver) = pipe();
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(sender.poll_gone(cx).is_pending());
        sender.push(vec![0; PIPE_BYTES].into());
        drop(receiver);
        assert!(sender.poll_gone(cx).is_ready());
        assert_eq!(room(&mut sender), Poll::Ready(Err(Gone)));
        sender.push(Bytes::from_static(b"ignored"));
    }
}
