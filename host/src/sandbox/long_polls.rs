//! Polls of a guest that went on past the engine's clock.
//!
//! A guest is interrupted where it loops or calls, so one instruction that fills
//! or copies a large memory keeps its thread for as long as that takes, and so
//! does one call of ours. On the threads that serve, all others wait for it.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::background::thread_time;

/// How long a poll may take on a thread that serves, by the processor's clock:
/// over two ticks of the engine's clock, so that a guest that can be interrupted
/// is never meant.
const POLL_MAX: Duration = Duration::from_millis(25);

/// How many times its length a longer one counts when a tenant's use is compared
/// with that of others. One of 45 ms brings its tenant some seconds in the
/// background, where the system interrupts who can not be interrupted here.
const PENALTY: u64 = 100;

/// How old a reading of the thread's clock may be: so much the more a poll may
/// seem to have taken. To read it each time would cost every poll a system call.
const READING_AGE_MAX: Duration = Duration::from_millis(5);

thread_local! {
    /// When this thread's clock was read, and what it said.
    static READING: Cell<Option<(Instant, u64)>> = const { Cell::new(None) };
}

/// To be called when a poll begins on a thread that serves.
pub(super) fn begin(now: Instant) {
    let is_young = |(at, _)| now.saturating_duration_since(at) < READING_AGE_MAX;
    if !READING.get().is_some_and(is_young) {
        READING.set(Some((now, thread_time())));
    }
}

/// What is charged for a poll that took so long, nanoseconds on top of what it
/// took: nothing unless it was too long. That its thread had no processor for a
/// while, on a busy machine, is not the guest's fault; so then, and only then,
/// the thread's own clock is asked.
pub(super) fn penalty(length: Duration) -> u64 {
    if length <= POLL_MAX {
        return 0;
    }
    let computed = READING
        .get()
        .map(|(_, began)| thread_time().saturating_sub(began));
    match computed {
        Some(nanos) if Duration::from_nanos(nanos) > POLL_MAX => nanos.saturating_mul(PENALTY),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Future, poll_fn};
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};

    use super::super::engine::Engine;
    use super::super::limits::Meter;
    use super::super::tenant::{Customer, Tenant};
    use super::*;
    use crate::policy::Budget;

    /// Whether a customer beside another one is greedy after one poll in which
    /// this was done.
    fn makes_greedy(work: fn()) -> bool {
        let engine = Engine::options().instances_max(1).start();
        let engine = engine.expect("an engine");
        let tenant = |name: &str| Tenant::new(&engine, name, Budget::strict());
        let (tenant, _other) = (tenant("one"), tenant("other"));
        let customer = Customer::new(&tenant, "app", &Budget::strict(), 1);
        let meter = Meter::new(Arc::default(), Some(customer.clone()));
        let work = Box::pin(poll_fn(move |_| {
            work();
            Poll::Ready(())
        }));
        let mut measured = Box::pin(meter.measure(work, None));
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(measured.as_mut().poll(cx).is_ready());
        customer.is_greedy()
    }

    #[test]
    fn who_can_not_be_interrupted_is_greedy() {
        assert!(makes_greedy(|| {
            let began = thread_time();
            while Duration::from_nanos(thread_time() - began) < 2 * POLL_MAX {}
        }));
        // The same without a processor.
        assert!(!makes_greedy(|| std::thread::sleep(4 * POLL_MAX)));
    }
}
