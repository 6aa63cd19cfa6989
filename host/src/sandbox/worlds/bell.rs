//! What wakes itself goes on at once, and does not stand in the scheduler's
//! line, from where another thread would take it.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::AcqRel, Ordering::Acquire, Ordering::Release};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// How often in a row; then others have their turn. A short answer of a WASI 0.3
/// guest takes four.
const TURNS_MAX: usize = 32;

/// Nobody works, and who wakes has to wake the task.
const IDLE: u8 = 0;
/// The work is being polled.
const WORKING: u8 = 1;
/// It was woken meanwhile.
const RUNG: u8 = 2;

/// Woken in place of the task.
struct Bell {
    state: AtomicU8,
    task: AtomicWaker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.swap(RUNG, AcqRel) == IDLE {
            self.task.wake();
        }
    }
}

impl Bell {
    /// Whether the work has really stopped.
    fn stop(&self) -> bool {
        let stopped = self.state.compare_exchange(WORKING, IDLE, AcqRel, Acquire);
        stopped.is_ok()
    }
}

/// Polls the work until it waits for something that is not its own doing, and
/// then calls `pause`.
pub(super) async fn run<T>(work: impl Future<Output = T>, mut pause: impl FnMut()) -> T {
    let mut work = pin!(work);
    let bell = Arc::new(Bell {
        state: AtomicU8::new(IDLE),
        task: AtomicWaker::new(),
    });
    let waker = Waker::from(bell.clone());
    poll_fn(|cx| {
        bell.task.register(cx.waker());
        let mut own = Context::from_waker(&waker);
        for _ in 0..TURNS_MAX {
            bell.state.store(WORKING, Release);
            if let Poll::Ready(done) = work.as_mut().poll(&mut own) {
                return Poll::Ready(done);
            }
            if bell.stop() {
                pause();
                return Poll::Pending;
            }
        }
        pause();
        bell.state.store(IDLE, Release);
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::future::FutureExt;

    use super::*;

    /// Ready after it was polled so often, and woken by itself each time.
    async fn restless(polls: usize) {
        let mut left = polls;
        poll_fn(|cx| {
            left -= 1;
            if left == 0 {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    #[test]
    fn what_wakes_itself_goes_on() {
        let pauses = Cell::new(0);
        let count = || pauses.set(pauses.get() + 1);
        assert!(run(restless(TURNS_MAX), count).now_or_never().is_some());
        assert_eq!(pauses.get(), 0);
        assert!(run(restless(TURNS_MAX + 1), count).now_or_never().is_none());
        assert_eq!(pauses.get(), 1);
    }

    #[tokio::test]
    async fn what_is_woken_from_elsewhere_goes_on_too() {
        for _ in 0..1000 {
            let (sender, receiver) = tokio::sync::oneshot::channel();
            let sent = std::thread::spawn(|| sender.send(7));
            assert_eq!(run(receiver, || ()).await, Ok(7));
            sent.join().expect("no panic").expect("received");
        }
    }

    #[tokio::test]
    async fn who_is_restless_for_long_lets_others_go_on_and_ends() {
        run(restless(10 * TURNS_MAX), || ()).await;
    }
}
