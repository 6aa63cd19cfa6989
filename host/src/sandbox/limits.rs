//! What one instance may take: memory, and time on a processor.

mod measured;
mod memory;

pub(super) use measured::Measured;
pub(super) use memory::MemoryLimit;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use wasmtime::{Store, UpdateDeadline};

use super::background::{is_background, thread_time};
use super::chores::Crew;
use super::clock::TICK;
use super::guest::Guest;
use super::place::Claim;
use super::slow;
use super::stdio::LINE_COST_BYTES;
use super::tenant::Customer;
use crate::message::{BoxFuture, Fault, Journal, Stage, Usage};

/// In place of the time at which the present poll or pause began.
const NOT_NOW: u64 = u64::MAX;

/// A guest computed for longer than it may.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("out of processor time")]
pub(super) struct OutOfCpu;

/// What one instance has taken. The guest's task writes it, and reads it when
/// the instance is gone.
#[derive(Debug)]
pub(super) struct Meter {
    journal: Arc<Journal>,
    /// Who pays for it, if somebody does.
    customer: Option<Arc<Customer>>,
    began: Instant,
    /// Nanoseconds in polls of the past, and when the present one began by the
    /// clock that counts for it.
    spent: AtomicU64,
    poll_began: AtomicU64,
    /// Nanoseconds that its tenant's threads have worked on files and the like, as
    /// far as it was this request's poll that saw it.
    chores: AtomicU64,
    /// Of its own the ones that are on the customer's account.
    charged: AtomicU64,
    /// Nanoseconds in which it was not polled because its customer might not compute,
    /// and when the present such pause began.
    paused: AtomicU64,
    pause_began: AtomicU64,
    /// Nanoseconds between polls in which it waited for the client; and when
    /// the last poll ended, if it ended with such a wait.
    client_waits: AtomicU64,
    client_wait_began: AtomicU64,
    waits_for_client: AtomicBool,
    /// Whether the last poll ended because others were to run.
    is_yielding: AtomicBool,
    memory_bytes: AtomicU64,
    memory_bytes_peak: AtomicU64,
    was_refused_memory: AtomicBool,
    /// Why, if it was not its own limit.
    memory_fault: OnceLock<Fault>,
    body_was_too_large: AtomicBool,
    /// For what the guest is to end, whatever it does.
    pub(super) condemned: OnceLock<Fault>,
}

impl Meter {
    pub(super) fn new(journal: Arc<Journal>, customer: Option<Arc<Customer>>) -> Arc<Self> {
        Arc::new(Self {
            journal,
            customer,
            began: Instant::now(),
            spent: AtomicU64::new(0),
            poll_began: AtomicU64::new(NOT_NOW),
            chores: AtomicU64::new(0),
            charged: AtomicU64::new(0),
            paused: AtomicU64::new(0),
            pause_began: AtomicU64::new(NOT_NOW),
            client_waits: AtomicU64::new(0),
            client_wait_began: AtomicU64::new(0),
            waits_for_client: AtomicBool::new(false),
            is_yielding: AtomicBool::new(false),
            memory_bytes: AtomicU64::new(0),
            memory_bytes_peak: AtomicU64::new(0),
            was_refused_memory: AtomicBool::new(false),
            memory_fault: OnceLock::new(),
            body_was_too_large: AtomicBool::new(false),
            condemned: OnceLock::new(),
        })
    }

    /// Notes what the instance has cost by now in the request's journal. Its
    /// customer is charged at the end of each poll and at each tick of the clock.
    ///
    /// Processor time is the sum of the times in which the guest's task is
    /// polled. On the threads that serve that is wall-clock time, because to
    /// read their processor's clock costs more; so on a machine with fewer free
    /// processors than threads it counts somewhat more. In the background,
    /// where a thread waits for others, the processor's clock counts. What threads
    /// did for its tenant's files is told with it, but not held against its limit:
    /// it may have been another request's.
    pub(super) fn publish(&self) {
        self.journal.set_usage(Usage {
            cpu_time: self.spent_by_now() + Duration::from_nanos(self.chores.load(Relaxed)),
            memory_bytes_peak: self.memory_bytes_peak.load(Relaxed),
            paused: self.paused(),
        });
    }

    /// The request's journal.
    pub(super) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Whether the guest computes, and only lets others run for a moment.
    pub(super) fn is_yielding(&self) -> bool {
        self.is_yielding.load(Relaxed)
    }

    /// The request's number, for the log.
    pub(super) fn request(&self) -> u64 {
        self.journal.number()
    }

    /// Whether so many bytes about the request may go to the log: they are on its
    /// customer's account.
    pub(super) fn may_log(&self, bytes: usize) -> bool {
        let customer = self.customer.as_ref();
        customer.is_none_or(|customer| customer.may_log(bytes, &self.journal))
    }

    /// The same of so many lines, which count for what the log adds to each, too.
    pub(super) fn may_log_lines(&self, lines: &[impl AsRef<str>]) -> bool {
        let bytes = lines
            .iter()
            .map(|line| line.as_ref().len() + LINE_COST_BYTES);
        self.may_log(bytes.sum())
    }

    /// Adds time that was spent for the guest and not by it.
    pub(super) fn add(&self, time: Duration) {
        self.spent.fetch_add(time.as_nanos() as u64, Relaxed);
    }

    /// Adds what threads have used for the customer, and charges it.
    fn add_chores(&self, nanos: u64) {
        if nanos > 0 {
            self.chores.fetch_add(nanos, Relaxed);
            if let Some(customer) = &self.customer {
                customer.charge_cpu(nanos);
            }
        }
    }

    /// Charges the customer for what was spent since the last time.
    pub(super) fn charge(&self) {
        if let Some(customer) = &self.customer {
            let spent = self.spent_by_now().as_nanos() as u64;
            let charged = self.charged.swap(spent, Relaxed);
            customer.charge_cpu(spent.saturating_sub(charged));
        }
    }

    /// Whether the guest is to let others go before it: it has computed for
    /// longer than `prompt`, or its tenant does.
    pub(super) fn gives_way(&self, prompt: Duration) -> bool {
        Duration::from_nanos(self.spent.load(Relaxed)) > prompt
            || self
                .customer
                .as_ref()
                .is_some_and(|customer| customer.is_greedy())
    }

    /// How long until the customer may compute again; zero if it may.
    fn pause(&self) -> Duration {
        let accounts = self
            .customer
            .iter()
            .flat_map(|customer| customer.accounts());
        accounts
            .map(|account| account.cpu_wait())
            .max()
            .unwrap_or_default()
    }

    /// The time in which the request was paused because its customer might not compute.
    pub(super) fn paused(&self) -> Duration {
        let present = match self.pause_began.load(Relaxed) {
            NOT_NOW => 0,
            began => self.now().saturating_sub(began),
        };
        Duration::from_nanos(self.paused.load(Relaxed) + present)
    }

    /// The fault of a request whose time is up, with the time that it was paused.
    pub(super) fn tell_pauses(&self, fault: Fault) -> Fault {
        let paused = self.paused();
        let accounts = self
            .customer
            .iter()
            .flat_map(|customer| customer.accounts());
        let shares = accounts.filter(|account| account.has_cpu_share());
        match shares.max_by_key(|account| account.cpu_wait()) {
            Some(account) if !paused.is_zero() => Fault::Paused {
                fault: Box::new(fault),
                paused,
                owner: account.owner.clone(),
            },
            _ => fault,
        }
    }

    /// Who pays.
    pub(super) fn customer(&self) -> Option<&Arc<Customer>> {
        self.customer.as_ref()
    }

    /// The fault of a guest that ended after its application or tenant had no
    /// more memory for it.
    pub(super) fn memory_fault(&self) -> Option<&Fault> {
        self.memory_fault.get()
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

    /// A future that is measured while it is polled, and has this crew do what may
    /// wait.
    pub(super) fn measure<'a, T>(
        self: Arc<Self>,
        work: BoxFuture<'a, T>,
        crew: Option<Arc<Crew>>,
    ) -> Measured<'a, T> {
        Measured::new(self, work, crew)
    }

    /// The memories and tables of the instance may have so many bytes in sum,
    /// as far as its customer has as much.
    pub(super) fn limit_memory(
        self: Arc<Self>,
        bytes_max: u64,
        claim: Option<Claim>,
    ) -> MemoryLimit {
        MemoryLimit::new(self, bytes_max, claim)
    }

    /// Has the guest in `store` interrupted at each tick of the engine's
    /// clock: to let others run, to see whether its customer may still compute, and
    /// to end it once it has computed for longer than `time_max`. One that is
    /// still there after `slow` tells the log once where it is.
    pub(super) fn limit_cpu(
        self: Arc<Self>,
        store: &mut Store<Guest>,
        time_max: Duration,
        mut slow: Option<Duration>,
    ) {
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(move |mut store| {
            Guest::count_concurrent(&mut store)?;
            self.publish();
            self.charge();
            if self.spent_by_now() > time_max {
                return Err(wasmtime::Error::new(OutOfCpu));
            }
            if slow
                .take_if(|after| self.began.elapsed() > *after)
                .is_some()
            {
                slow::tell_where(&store, &self);
            }
            if self.pause().is_zero() && is_background() && self.polled_for() < TICK {
                thread::yield_now();
                return Ok(UpdateDeadline::Continue(1));
            }
            self.is_yielding.store(true, Relaxed);
            // tokio's own yield: a plain one is polled again at once.
            let others = Box::pin(tokio::task::yield_now());
            Ok(UpdateDeadline::YieldCustom(1, others))
        });
    }

    /// The time up to now: that of polls in the past, and of the present one.
    pub(super) fn spent_by_now(&self) -> Duration {
        Duration::from_nanos(self.spent.load(Relaxed)) + self.polled_for()
    }

    /// The time of the present poll.
    fn polled_for(&self) -> Duration {
        Duration::from_nanos(match self.poll_began.load(Relaxed) {
            NOT_NOW => 0,
            began => self.clock().saturating_sub(began),
        })
    }

    /// Notes, for who looks, what the guest's task is left for.
    fn note_pause(&self, is_done: bool) {
        let is_yielding = self.is_yielding.load(Relaxed);
        let waits_for_client = self.waits_for_client.load(Relaxed);
        self.journal.set_stage(match (is_done, is_yielding) {
            (true, _) => Stage::Done,
            (false, true) => Stage::Computing,
            (false, false) if waits_for_client => Stage::WaitingForClient,
            (false, false) => Stage::Waiting,
        });
        self.publish();
        self.charge();
    }

    fn now(&self) -> u64 {
        self.began.elapsed().as_nanos() as u64
    }

    /// Nanoseconds on the clock that counts on this thread.
    fn clock(&self) -> u64 {
        match is_background() {
            true => thread_time(),
            false => self.now(),
        }
    }
}
