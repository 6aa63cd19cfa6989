//! A guest's task, measured while it is polled.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;

use super::{Meter, NOT_POLLED};
use crate::message::{BoxFuture, Stage};
use crate::sandbox::background::{is_background, thread_time};
use crate::sandbox::chores::Crew;
use crate::sandbox::long_polls;

/// See [`Meter::measure`].
pub(in crate::sandbox) struct Measured<'a, T> {
    meter: Arc<Meter>,
    work: BoxFuture<'a, T>,
    /// Dropped after the work, whose timers and sockets are in its runtime.
    crew: Option<Arc<Crew>>,
}

impl<'a, T> Measured<'a, T> {
    pub(super) fn new(meter: Arc<Meter>, work: BoxFuture<'a, T>, crew: Option<Arc<Crew>>) -> Self {
        Self { meter, work, crew }
    }
}

impl<T> Future for Measured<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Self { meter, work, crew } = &mut *self;
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
        if meter.waits_for_client.swap(false, Relaxed) {
            let waited = began.saturating_sub(meter.client_wait_began.load(Relaxed));
            meter.client_waits.fetch_add(waited, Relaxed);
        }
        let poll = work.as_mut().poll(cx);
        drop(entered);
        let ended = meter.now();
        meter.poll_began.store(NOT_POLLED, Relaxed);
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
