//! What one instance may take: memory, and time on a processor.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use wasmtime::{ResourceLimiter, Store, UpdateDeadline};

use super::guest::Guest;
use crate::message::{BoxFuture, Journal, Usage};

/// Bytes of host memory that one element of a table takes.
const TABLE_ELEMENT_BYTES: usize = 8;

/// In place of the time at which the present poll began.
const NOT_POLLED: u64 = u64::MAX;

/// A guest computed for longer than it may.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("out of processor time")]
pub(super) struct OutOfCpu;

/// What one instance has taken. The guest's task writes it, and reads it when
/// the instance is gone.
#[derive(Debug)]
pub(super) struct Meter {
    journal: Arc<Journal>,
    began: Instant,
    /// Nanoseconds in polls of the past, and when the present one began.
    spent: AtomicU64,
    poll_began: AtomicU64,
    /// Nanoseconds between polls in which it waited for the client; and when
    /// the last poll ended, if it ended with such a wait.
    client_waits: AtomicU64,
    client_wait_began: AtomicU64,
    waits_for_client: AtomicBool,
    memory_bytes: AtomicU64,
    memory_bytes_peak: AtomicU64,
    was_refused_memory: AtomicBool,
    body_was_too_large: AtomicBool,
}

impl Meter {
    pub(super) fn new(journal: Arc<Journal>) -> Arc<Self> {
        Arc::new(Self {
            journal,
            began: Instant::now(),
            spent: AtomicU64::new(0),
            poll_began: AtomicU64::new(NOT_POLLED),
            client_waits: AtomicU64::new(0),
            client_wait_began: AtomicU64::new(0),
            waits_for_client: AtomicBool::new(false),
            memory_bytes: AtomicU64::new(0),
            memory_bytes_peak: AtomicU64::new(0),
            was_refused_memory: AtomicBool::new(false),
            body_was_too_large: AtomicBool::new(false),
        })
    }

    /// Notes what the instance has cost by now in the request's journal.
    ///
    /// Processor time is the sum of the times in which the guest's task is
    /// polled. That is a thread's wall-clock time, so on a machine with fewer
    /// free processors than threads it counts somewhat more.
    pub(super) fn publish(&self) {
        self.journal.set_usage(Usage {
            cpu_time: self.spent_by_now(),
            memory_bytes_peak: self.memory_bytes_peak.load(Relaxed),
        });
    }

    /// The request's number, for the log.
    pub(super) fn request(&self) -> u64 {
        self.journal.number()
    }

    /// Whether the guest wanted more memory than it may have.
    pub(super) fn was_refused_memory(&self) -> bool {
        self.was_refused_memory.load(Relaxed)
    }

    /// Notes that the guest found the request's body to be too large.
    pub(super) fn note_large_body(&self) {
        self.body_was_too_large.store(true, Relaxed);
    }

    /// Whether it did.
    pub(super) fn body_was_too_large(&self) -> bool {
        self.body_was_too_large.load(Relaxed)
    }

    /// Passes on whether something is ready that the client has a hand in: if
    /// not, the time until the guest's task is polled again is the client's.
    pub(super) fn of_client<T>(&self, poll: Poll<T>) -> Poll<T> {
        if poll.is_pending() {
            self.waits_for_client.store(true, Relaxed);
        }
        poll
    }

    /// The time since the request was admitted, and the client's share of it.
    /// Asked when the guest's task has been polled.
    pub(super) fn elapsed(&self) -> (Duration, Duration) {
        let client = Duration::from_nanos(self.client_waits.load(Relaxed));
        (self.began.elapsed(), client)
    }

    /// A future that is measured while it is polled.
    pub(super) fn measure<'a, T>(self: Arc<Self>, work: BoxFuture<'a, T>) -> Measured<'a, T> {
        Measured { meter: self, work }
    }

    /// The memories and tables of the instance may have so many bytes in sum.
    pub(super) fn limit_memory(self: Arc<Self>, bytes_max: u64) -> MemoryLimit {
        MemoryLimit {
            meter: self,
            bytes_max,
        }
    }

    /// Has the guest in `store` interrupted at each tick of the engine's
    /// clock: to let others run, and to end it once it has computed for longer
    /// than `time_max`.
    pub(super) fn limit_cpu(self: Arc<Self>, store: &mut Store<Guest>, time_max: Duration) {
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(move |_| {
            if self.spent_by_now() > time_max {
                return Err(wasmtime::Error::new(OutOfCpu));
            }
            // tokio's own yield: a plain one is polled again at once.
            let others = Box::pin(tokio::task::yield_now());
            Ok(UpdateDeadline::YieldCustom(1, others))
        });
    }

    /// The time up to now: that of polls in the past, and of the present one.
    fn spent_by_now(&self) -> Duration {
        let present = match self.poll_began.load(Relaxed) {
            NOT_POLLED => 0,
            began => self.now().saturating_sub(began),
        };
        Duration::from_nanos(self.spent.load(Relaxed) + present)
    }

    fn now(&self) -> u64 {
        self.began.elapsed().as_nanos() as u64
    }
}

/// See [`Meter::limit_memory`].
#[derive(Debug)]
pub(super) struct MemoryLimit {
    meter: Arc<Meter>,
    bytes_max: u64,
}

impl MemoryLimit {
    fn grow(&mut self, more: usize) -> bool {
        let bytes = self.meter.memory_bytes.load(Relaxed);
        let bytes = bytes.saturating_add(more as u64);
        if bytes > self.bytes_max {
            self.meter.was_refused_memory.store(true, Relaxed);
            return false;
        }
        self.meter.memory_bytes.store(bytes, Relaxed);
        self.meter.memory_bytes_peak.fetch_max(bytes, Relaxed);
        true
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // What its own maximum forbids will not happen, and is not counted.
        let is_possible = maximum.is_none_or(|maximum| desired <= maximum);
        Ok(is_possible && self.grow(desired.saturating_sub(current)))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let elements = desired.saturating_sub(current);
        Ok(self.grow(elements.saturating_mul(TABLE_ELEMENT_BYTES)))
    }
}

/// See [`Meter::measure`].
pub(super) struct Measured<'a, T> {
    meter: Arc<Meter>,
    work: BoxFuture<'a, T>,
}

impl<T> Future for Measured<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let began = self.meter.now();
        self.meter.poll_began.store(began, Relaxed);
        if self.meter.waits_for_client.swap(false, Relaxed) {
            let waited = began.saturating_sub(self.meter.client_wait_began.load(Relaxed));
            self.meter.client_waits.fetch_add(waited, Relaxed);
        }
        let poll = self.work.as_mut().poll(cx);
        let ended = self.meter.now();
        self.meter.poll_began.store(NOT_POLLED, Relaxed);
        self.meter.client_wait_began.store(ended, Relaxed);
        let spent = ended.saturating_sub(began);
        self.meter.spent.fetch_add(spent, Relaxed);
        poll
    }
}
