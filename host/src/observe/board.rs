//! The board: what is known at this moment of every request and application.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant, SystemTime};

use super::counts::{Counts, Histogram};
use super::dropped::Dropped;
use super::lines::LogFile;
use crate::message::{Asked, Deployed, Fault, Journal, Notice, Observer, Owner, Record};

/// How many applications are counted one by one; the requests of further ones
/// are counted together, as of `other`.
const APPS_MAX: usize = 10_000;

/// How many parts the table of running requests has, each with a lock of its
/// own, so that threads do not wait for each other.
const SHARDS: usize = 16;

/// For how long the threads that serve may give no sign before the server
/// counts as stuck: guests are interrupted a hundred times a second.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(10);

/// Counts what happens, for the status page and for metrics.
#[derive(Debug)]
pub struct Board {
    pub(super) started: Instant,
    pub(super) started_at: Duration,
    readiness: AtomicU8,
    /// When the threads that serve gave a sign, in milliseconds since the start.
    beat_ms: AtomicU64,
    pub(super) apps: RwLock<HashMap<Owner, Arc<Mutex<Counts>>>>,
    running: [Mutex<HashMap<u64, Running>>; SHARDS],
    pub(super) times: Mutex<Times>,
    pub(super) server: ServerCounts,
    logs: Mutex<Dropped>,
    deployed: OnceLock<Look>,
}

/// Whether requests are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Applications are being loaded.
    Starting,
    /// They are.
    Ready,
    /// The server was told to stop.
    Stopping,
}

/// Who says what is loaded.
struct Look(Box<dyn Fn() -> Deployed + Send + Sync>);

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Look").finish_non_exhaustive()
    }
}

/// Of all requests of the server.
#[derive(Clone, Debug, Default)]
pub(super) struct Times {
    pub(super) queue_wait: Histogram,
    pub(super) cpu_time: Histogram,
}

#[derive(Debug, Default)]
pub(super) struct ServerCounts {
    pub(super) connections: AtomicU64,
    pub(super) connections_closed: AtomicU64,
    pub(super) accept_failures: AtomicU64,
    pub(super) protocol_errors: AtomicU64,
    pub(super) compilations: AtomicU64,
    pub(super) compilation_ms: AtomicU64,
    pub(super) cache_hits: AtomicU64,
}

#[derive(Debug)]
struct Running {
    asked: Arc<Asked>,
    /// Not held: the request is gone when nobody else has it.
    journal: Weak<Journal>,
    is_answered: bool,
}

/// A request of which something is left.
pub(super) struct Live {
    pub(super) asked: Arc<Asked>,
    pub(super) journal: Arc<Journal>,
    pub(super) is_answered: bool,
}

impl Board {
    /// A board of a server that starts now.
    pub fn new() -> Arc<Self> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Arc::new(Self {
            started: Instant::now(),
            started_at: now.unwrap_or_default(),
            readiness: AtomicU8::new(Readiness::Starting as u8),
            beat_ms: AtomicU64::new(0),
            apps: RwLock::default(),
            running: std::array::from_fn(|_| Mutex::default()),
            times: Mutex::default(),
            server: ServerCounts::default(),
            logs: Mutex::default(),
            deployed: OnceLock::new(),
        })
    }

    /// Notes whether requests are served, for load balancers that ask.
    pub fn set_readiness(&self, readiness: Readiness) {
        self.readiness.store(readiness as u8, Relaxed);
        self.beat();
    }

    pub(super) fn readiness(&self) -> Readiness {
        let known = [Readiness::Starting, Readiness::Ready, Readiness::Stopping];
        known[usize::from(self.readiness.load(Relaxed))]
    }

    /// A sign of life of the threads that serve, to be given every second.
    pub fn beat(&self) {
        let ms = u64::try_from(self.started.elapsed().as_millis());
        self.beat_ms.store(ms.unwrap_or(u64::MAX), Relaxed);
    }

    /// For how long there was none.
    pub(super) fn silence(&self) -> Duration {
        let last = Duration::from_millis(self.beat_ms.load(Relaxed));
        self.started.elapsed().saturating_sub(last)
    }

    /// Has the lines counted that these logs drop, instead of those that were
    /// watched until now. What was counted stays counted.
    pub fn watch_logs(&self, logs: impl IntoIterator<Item = LogFile>) {
        lock(&self.logs).change(logs.into_iter().collect());
    }

    pub(super) fn log_lines_dropped(&self) -> u64 {
        lock(&self.logs).lines()
    }

    /// Has shown what this says is loaded: a catalogue, for instance
    /// ([`Catalogue::deployed`](crate::Catalogue::deployed)). The first one counts.
    pub fn watch_deployed(&self, look: impl Fn() -> Deployed + Send + Sync + 'static) {
        self.deployed.get_or_init(|| Look(Box::new(look)));
    }

    pub(super) fn deployed(&self) -> Deployed {
        let look = self.deployed.get();
        look.map(|Look(look)| look()).unwrap_or_default()
    }

    /// The requests of which something is left, in no order.
    pub(super) fn live(&self) -> Vec<Live> {
        let mut live = Vec::new();
        for shard in &self.running {
            // A journal may end here, and then is gone from the shard: so it
            // must outlive the lock.
            live.extend(lock(shard).values().filter_map(|running| {
                Some(Live {
                    asked: running.asked.clone(),
                    journal: running.journal.upgrade()?,
                    is_answered: running.is_answered,
                })
            }));
        }
        live
    }

    /// Another second is over.
    pub(super) fn tick(&self) {
        let mut cpu_by_owner: HashMap<Arc<Owner>, Duration> = HashMap::new();
        for live in self.live() {
            if let Some(owner) = live.journal.owner() {
                *cpu_by_owner.entry(owner.clone()).or_default() += live.journal.usage().cpu_time;
            }
        }
        let apps = self.apps.read().unwrap_or_else(PoisonError::into_inner);
        for (owner, counts) in apps.iter() {
            let live = cpu_by_owner.get(owner).copied().unwrap_or_default();
            let mut counts = lock(counts);
            let (requests, cpu_time) = (counts.requests(), counts.cpu_time + live);
            counts.history.tick(requests, cpu_time);
        }
    }

    fn shard(&self, id: u64) -> MutexGuard<'_, HashMap<u64, Running>> {
        lock(&self.running[(id % SHARDS as u64) as usize])
    }

    fn counts(&self, owner: Option<&Owner>) -> Arc<Mutex<Counts>> {
        let named = |name: &str| Owner {
            tenant: name.to_owned(),
            app: name.to_owned(),
        };
        let nobody;
        let owner = match owner {
            Some(owner) => owner,
            None => {
                nobody = named("none");
                &nobody
            }
        };
        let apps = self.apps.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counts) = apps.get(owner) {
            return counts.clone();
        }
        let is_full = apps.len() >= APPS_MAX;
        drop(apps);
        let owner = if is_full {
            named("other")
        } else {
            owner.clone()
        };
        let mut apps = self.apps.write().unwrap_or_else(PoisonError::into_inner);
        apps.entry(owner).or_default().clone()
    }
}

impl Observer for Board {
    fn began(&self, asked: &Arc<Asked>, journal: &Arc<Journal>) {
        let running = Running {
            asked: asked.clone(),
            journal: Arc::downgrade(journal),
            is_answered: false,
        };
        self.shard(asked.id).insert(asked.id, running);
    }

    fn ended(&self, record: &Record) {
        if let Some(running) = self.shard(record.asked.id).get_mut(&record.asked.id) {
            running.is_answered = true;
        }
        lock(&self.counts(record.owner.as_deref())).add(record);
    }

    fn gone(&self, journal: &Journal) {
        let was_here = self.shard(journal.number()).remove(&journal.number());
        if was_here.is_none() {
            return;
        }
        let usage = journal.usage();
        if let Some(owner) = journal.owner() {
            let counts = self.counts(Some(owner));
            let mut counts = lock(&counts);
            counts.cpu_time += usage.cpu_time;
            counts.paused += usage.paused;
            counts.memory_bytes_peak = counts.memory_bytes_peak.max(usage.memory_bytes_peak);
            counts.lines_dropped += journal.lines_dropped();
            drop(counts);
            let mut times = lock(&self.times);
            times.queue_wait.add(journal.queue_wait());
            times.cpu_time.add(usage.cpu_time);
        }
    }

    fn failed(&self, journal: &Journal, fault: &Fault) {
        let counts = self.counts(journal.owner().map(Arc::as_ref));
        *lock(&counts).faults.entry(fault.cause()).or_default() += 1;
    }

    fn compiled(&self, owner: &Owner, time: Duration) {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.server.compilations.fetch_add(1, Relaxed);
        self.server.compilation_ms.fetch_add(ms, Relaxed);
        let counts = self.counts(Some(owner));
        let mut counts = lock(&counts);
        counts.compilations += 1;
        counts.compilation_time += time;
    }

    fn noticed(&self, notice: Notice) {
        let server = &self.server;
        let count = match notice {
            Notice::Connected => &server.connections,
            Notice::Disconnected => &server.connections_closed,
            Notice::AcceptFailed => &server.accept_failures,
            Notice::ProtocolError => &server.protocol_errors,
            Notice::FromCache => &server.cache_hits,
        };
        count.fetch_add(1, Relaxed);
    }
}

/// The locks are held for some additions, which do not panic.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::message::{Observers, Stage, Usage};
    use crate::observe::{Destination, LogWriter};

    #[test]
    fn lines_that_were_dropped_stay_counted_when_logs_change() {
        let board = Board::new();
        let writer = LogWriter::start().expect("a thread");
        let log = || writer.open(Destination::StandardError, 1).expect("a log");
        let (stays, goes, new) = (log(), log(), log());
        board.watch_logs([stays.clone(), goes.clone()]);
        stays.note_dropped(1);
        goes.note_dropped(2);
        board.watch_logs([stays.clone(), new.clone()]);
        assert_eq!(board.log_lines_dropped(), 3);
        new.note_dropped(4);
        stays.note_dropped(8);
        goes.note_dropped(16);
        assert_eq!(board.log_lines_dropped(), 15);
    }

    #[test]
    fn a_request_is_running_until_nothing_is_left_of_it() {
        let board = Board::new();
        let observers = Observers::default().with(board.clone());
        let journal = Arc::new(Journal::observed(observers));
        let asked = Arc::new(Asked {
            id: journal.number(),
            ..Asked::default()
        });
        board.began(&asked, &journal);
        let owner = Arc::new(Owner {
            tenant: "t".to_owned(),
            app: "a".to_owned(),
        });
        journal.set_owner(owner.clone());
        journal.set_stage(Stage::Computing);
        board.ended(&Record {
            asked,
            owner: Some(owner.clone()),
            duration: Duration::from_millis(1),
            queue_wait: Duration::ZERO,
            usage: Usage::default(),
            bytes_in: 1,
            bytes_out: 2,
            status: StatusCode::NOT_FOUND,
            cause: None,
            is_aborted: false,
        });
        assert!(board.live()[0].is_answered);
        // It computes on after its answer.
        journal.set_usage(Usage {
            cpu_time: Duration::from_secs(5),
            memory_bytes_peak: 9,
            paused: Duration::from_secs(2),
        });
        board.tick();
        drop(journal);
        assert!(board.live().is_empty());
        let counts = board.counts(Some(&owner));
        let counts = lock(&counts);
        assert_eq!(counts.by_class, [0, 0, 1, 0, 0]);
        assert_eq!(counts.cpu_time, Duration::from_secs(5));
        assert_eq!(counts.paused, Duration::from_secs(2));
        assert_eq!(counts.history.cpu_ms, [5000]);
    }

    #[test]
    fn the_applications_that_are_counted_are_bounded() {
        let board = Board::new();
        for number in 0..APPS_MAX + 100 {
            let owner = Owner {
                tenant: "t".to_owned(),
                app: number.to_string(),
            };
            lock(&board.counts(Some(&owner))).bytes_in += 1;
        }
        let apps = board.apps.read().expect("no panic");
        assert_eq!(apps.len(), APPS_MAX + 1);
        let other = &apps[&Owner {
            tenant: "other".to_owned(),
            app: "other".to_owned(),
        }];
        assert_eq!(lock(other).bytes_in, 100);
    }
}
