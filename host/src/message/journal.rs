//! What is said of one request beside its answer: messages and what it cost.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tracing::field::{DisplayValue, display};

use super::Fault;
use super::observer::{Observer, Observers};
use super::pot::Pot;
use super::printable::printable;
use super::waits::Waits;

/// The most bytes of messages that wait for a web server to take them. What
/// is over that is dropped here; the server's own log has it.
pub const JOURNAL_BYTES_MAX: usize = 64 * 1024;

/// What is kept free of that for this server's own messages, bytes: the cause
/// of a fault must not be lost behind an application's chatter.
const RESERVED_BYTES: usize = 8 * 1024;

/// What a request has cost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Time that a processor worked for it.
    pub cpu_time: Duration,
    /// The most memory its guest had at a time, bytes.
    pub memory_bytes_peak: u64,
    /// Time in which it was paused because its application or tenant had used up its
    /// share of the processors.
    pub paused: Duration,
}

/// Whose request it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner {
    /// The tenant's name.
    pub tenant: String,
    /// The name of the tenant's application.
    pub app: String,
}

/// As logs name it: `TENANT/APP`, or the name that both have.
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let app = printable(&self.app);
        match self.tenant == self.app {
            true => f.write_str(&app),
            false => write!(f, "{}/{app}", printable(&self.tenant)),
        }
    }
}

/// The journal of one request, shared by whoever serves it.
pub struct Journal {
    number: u64,
    owner: OnceLock<Arc<Owner>>,
    line: Option<Arc<Pot>>,
    is_muted: AtomicBool,
    observers: Observers,
    stage: AtomicU8,
    cpu_nanos: AtomicU64,
    memory_bytes_peak: AtomicU64,
    paused_nanos: AtomicU64,
    queue_nanos: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    lines_dropped: AtomicU64,
    pub(super) waits: Waits,
    state: Mutex<State>,
}

/// How far a request's guest has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// It has not come to an application.
    #[default]
    New,
    /// It waits for its application to be loaded, or for a place.
    Queued,
    /// Its guest computes, on a processor or waiting for one.
    Computing,
    /// Its guest may not go on: the application or the tenant has used up its share of the
    /// processors.
    Paused,
    /// Its guest waits for something in the host: a timer, another server.
    Waiting,
    /// Its guest waits for the client to send or to take bytes.
    WaitingForClient,
    /// Its guest is done.
    Done,
}

const STAGES: [Stage; 7] = [
    Stage::New,
    Stage::Queued,
    Stage::Computing,
    Stage::Paused,
    Stage::Waiting,
    Stage::WaitingForClient,
    Stage::Done,
];

#[derive(Default)]
struct State {
    messages: Vec<u8>,
    reader: Option<Waker>,
}

impl Journal {
    /// The journal of a new request, with the next number of this process.
    pub fn new() -> Self {
        Self::observed(Observers::default())
    }

    /// The same, with these who are told.
    pub fn observed(observers: Observers) -> Self {
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        Self {
            number: NUMBERS.fetch_add(1, Relaxed),
            owner: OnceLock::new(),
            line: None,
            is_muted: AtomicBool::new(false),
            observers,
            stage: AtomicU8::new(Stage::New as u8),
            cpu_nanos: AtomicU64::new(0),
            memory_bytes_peak: AtomicU64::new(0),
            paused_nanos: AtomicU64::new(0),
            queue_nanos: AtomicU64::new(0),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            lines_dropped: AtomicU64::new(0),
            waits: Waits::default(),
            state: Mutex::default(),
        }
    }

    /// The same for a request that came by a socket with so much room for those who
    /// wait for a place.
    pub(crate) fn in_line(mut self, line: Option<Arc<Pot>>) -> Self {
        self.line = line;
        self
    }

    /// The room for those who wait and came by the same socket, if it has a limit.
    pub(crate) fn line(&self) -> Option<&Arc<Pot>> {
        self.line.as_ref()
    }

    /// The request's number, by which log lines and error pages name it. It
    /// counts from 1 in each process.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Notes whose request it is, once that is known.
    pub fn set_owner(&self, owner: Arc<Owner>) {
        // The first is the one who answers.
        let _ = self.owner.set(owner);
    }

    /// Whose request it is, if that is known.
    pub fn owner(&self) -> Option<&Arc<Owner>> {
        self.owner.get()
    }

    /// The same, as the field of a line in the log.
    pub(crate) fn app(&self) -> Option<DisplayValue<&Arc<Owner>>> {
        self.owner().map(display)
    }

    /// Keeps the request's failure out of the server's log: it is no news, or
    /// its owner has used up what it may write there.
    pub fn mute(&self) {
        self.is_muted.store(true, Relaxed);
    }

    /// Whether it was [muted](Self::mute).
    pub fn is_muted(&self) -> bool {
        self.is_muted.load(Relaxed)
    }

    /// Adds a message of this server about the request, made [`printable`]: for the web
    /// server's error log, where the request's number goes before it, and for observers.
    /// There is always room for one.
    pub fn say(&self, message: &str) {
        self.tell_observers(&format!("fcgi-wasm: {message}"));
        let message = format!("fcgi-wasm: request {}: {message}", self.number);
        self.add(&message, JOURNAL_BYTES_MAX + RESERVED_BYTES);
    }

    /// Adds a line that the application wrote, made [`printable`].
    pub fn quote(&self, line: &str) {
        self.tell_observers(line);
        self.add(line, JOURNAL_BYTES_MAX);
    }

    fn tell_observers(&self, message: &str) {
        if !self.observers.is_empty() {
            let lines = message.lines().map(printable);
            lines.for_each(|line| self.observers.said(self, &line));
        }
    }

    fn add(&self, message: &str, bytes_max: usize) {
        let mut state = self.lock();
        for line in message.lines() {
            let line = printable(line);
            let room = bytes_max.saturating_sub(state.messages.len() + 1);
            let cut = line.floor_char_boundary(room);
            if cut == 0 && !line.is_empty() {
                break;
            }
            state.messages.extend_from_slice(line[..cut].as_bytes());
            state.messages.push(b'\n');
        }
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Takes the messages that came since the last time; pending if there are
    /// none.
    pub fn poll_messages(&self, cx: &mut Context<'_>) -> Poll<Vec<u8>> {
        let mut state = self.lock();
        if !state.messages.is_empty() {
            return Poll::Ready(std::mem::take(&mut state.messages));
        }
        match &mut state.reader {
            Some(reader) => reader.clone_from(cx.waker()),
            None => state.reader = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Takes the messages that came since the last time.
    pub fn take_messages(&self) -> Vec<u8> {
        std::mem::take(&mut self.lock().messages)
    }

    /// Tells the observers that the request failed.
    pub fn fail(&self, fault: &Fault) {
        self.observers.failed(self, fault);
    }

    /// Notes what the request has cost so far.
    pub fn set_usage(&self, usage: Usage) {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.cpu_nanos.store(nanos(usage.cpu_time), Relaxed);
        self.paused_nanos.store(nanos(usage.paused), Relaxed);
        self.memory_bytes_peak
            .store(usage.memory_bytes_peak, Relaxed);
    }

    /// What the request has cost so far. While its guest computes this is some
    /// hundredths of a second old.
    pub fn usage(&self) -> Usage {
        Usage {
            cpu_time: Duration::from_nanos(self.cpu_nanos.load(Relaxed)),
            memory_bytes_peak: self.memory_bytes_peak.load(Relaxed),
            paused: Duration::from_nanos(self.paused_nanos.load(Relaxed)),
        }
    }

    /// Notes how far its guest has come.
    pub fn set_stage(&self, stage: Stage) {
        self.stage.store(stage as u8, Relaxed);
    }

    /// How far its guest has come.
    pub fn stage(&self) -> Stage {
        STAGES[usize::from(self.stage.load(Relaxed))]
    }

    /// Notes what it waited for a place.
    pub fn set_queue_wait(&self, wait: Duration) {
        let nanos = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        self.queue_nanos.store(nanos, Relaxed);
    }

    /// What it waited for a place.
    pub fn queue_wait(&self) -> Duration {
        Duration::from_nanos(self.queue_nanos.load(Relaxed))
    }

    /// Notes that so much of the request's body has come.
    pub fn note_received(&self, bytes: usize) {
        self.bytes_in.fetch_add(bytes as u64, Relaxed);
    }

    /// How much has, bytes.
    pub fn bytes_in(&self) -> u64 {
        self.bytes_in.load(Relaxed)
    }

    /// Notes that so much of the response's body was passed on.
    pub fn note_sent(&self, bytes: usize) {
        self.bytes_out.fetch_add(bytes as u64, Relaxed);
    }

    /// How much was, bytes.
    pub fn bytes_out(&self) -> u64 {
        self.bytes_out.load(Relaxed)
    }

    /// Notes that a line of the application was dropped: it is over a limit.
    pub fn note_dropped_line(&self) {
        self.lines_dropped.fetch_add(1, Relaxed);
    }

    /// How many were.
    pub fn lines_dropped(&self) -> u64 {
        self.lines_dropped.load(Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if !self.observers.is_empty() {
            self.observers.gone(self);
        }
    }
}

impl Default for Journal {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Journal(#{})", self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conformance_88_control_characters_are_escaped() {
        let journal = Journal::new();
        journal.quote("red \u{1b}[31m\ttab é\r\nnext\0 \u{202e}txt");
        let expected = "red \\u{1b}[31m\ttab é\nnext\\u{0} \\u{202e}txt\n";
        assert_eq!(journal.take_messages(), expected.as_bytes());
    }

    #[test]
    fn what_nobody_takes_is_bounded() {
        let journal = Journal::new();
        for _ in 0..100 {
            journal.quote(&"x".repeat(10_000));
        }
        journal.say("the cause");
        journal.say(&"y".repeat(10_000_000));
        let kept = journal.take_messages();
        assert_eq!(kept.len(), JOURNAL_BYTES_MAX + RESERVED_BYTES);
        let kept = String::from_utf8(kept).expect("text");
        let number = journal.number();
        let ours = format!("fcgi-wasm: request {number}: ");
        assert!(kept.contains(&format!("\n{ours}the cause\n{ours}yyy")));
    }

    #[test]
    fn each_stage_is_read_as_it_was_set() {
        let journal = Journal::new();
        for stage in STAGES {
            journal.set_stage(stage);
            assert_eq!(journal.stage(), stage);
        }
    }

    #[test]
    fn numbers_differ() {
        assert_ne!(Journal::new().number(), Journal::new().number());
    }
}
