//! A guest's task, measured while it is polled.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use super::{Meter, NOT_NOW};
use crate::message::{BoxFuture, Stage};
use crate::sandbox::background::{is_background, thread_time};
use crate::sandbox::chores::Crew;
use crate::sandbox::long_polls;

/// How often it is looked whether the customer may compute again, at most and at least.
const PAUSE_MIN: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// See [`Meter::measure`].
pub(in crate::sandbox) struct Measured<'a, T> {
    meter: Arc<Meter>,
    work: BoxFuture<'a, T>,
    /// Dropped after the work, whose timers and sockets are in its runtime.
    crew: Option<Arc<Crew>>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<'a, T> Measured<'a, T> {
    pub(super) fn new(meter: Arc<Meter>, work: BoxFuture<'a, T>, crew: Option<Arc<Crew>>) -> Self {
        Self {
            meter,
            work,
            crew,
            pause: None,
        }
    }

    /// Pending while the customer may not compute. What the host does for the guest is
    /// on the same account, and the clock of guests does not interrupt it.
    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self { meter, pause, .. } = self;
        loop {
            if let Some(present) = pause {
                ready!(present.as_mut().poll(cx));
                *pause = None;
            }
            let wait = meter.pause();
            if wait.is_zero() {
                meter.end_pause();
                return Poll::Ready(());
            }
            meter.begin_pause();
            *pause = Some(Box::pin(sleep(wait.clamp(PAUSE_MIN, PAUSE_MAX))));
        }
    }
}

impl<T> Future for Measured<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        ready!(self.poll_pause(cx));
        let Self {
            meter, work, crew, ..
        } = &mut *self;
        let entered = crew.as_ref().map(|crew| crew.enter());
        let is_background = is_background();
        let began = meter.now();
        let clock_began = match is_background {
            true => thread_time(),
            false => began,
        };
        if !is_background {
            long_polls::begin(meter.began + Duration::from_nanos(began));
        }
        meter.poll_began.store(clock_began, Relaxed);
        meter.is_yielding.store(false, Relaxed);
        meter.journal.set_stage(Stage::Computing);
        meter.end_client_wait(began);
        let poll = work.as_mut().poll(cx);
        drop(entered);
        let ended = meter.now();
        meter.poll_began.store(NOT_NOW, Relaxed);
        meter.client_wait_began.store(ended, Relaxed);
        let clock_ended = match is_background {
            true => thread_time(),
            false => ended,
        };
        let spent = clock_ended.saturating_sub(clock_began);
        if !is_background && let Some(customer) = &meter.customer {
            customer.charge_modesty(long_polls::penalty(Duration::from_nanos(spent)));
        }
        meter.spent.fetch_add(spent, Relaxed);
        if let Some(crew) = crew {
            meter.add_chores(crew.spent());
        }
        meter.note_pause(poll.is_ready());
        poll
    }
}

impl Meter {
    fn end_client_wait(&self, now: u64) {
        if self.waits_for_client.swap(false, Relaxed) {
            let waited = now.saturating_sub(self.client_wait_began.load(Relaxed));
            self.client_waits.fetch_add(waited, Relaxed);
        }
    }

    /// Notes a pause, if there is none already. It is not the client's time.
    fn begin_pause(&self) {
        if self.pause_began.load(Relaxed) == NOT_NOW {
            let now = self.now();
            self.end_client_wait(now);
            self.pause_began.store(now, Relaxed);
            self.journal.set_stage(Stage::Paused);
        }
        self.publish();
    }

    fn end_pause(&self) {
        let began = self.pause_began.load(Relaxed);
        if began != NOT_NOW {
            self.paused
                .fetch_add(self.now().saturating_sub(began), Relaxed);
            self.pause_began.store(NOT_NOW, Relaxed);
        }
    }
}
