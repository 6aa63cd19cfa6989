//! What the slots of a process share: how many of them are filled, and who
//! loads and compiles now.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::complaints::Complaints;
use super::line::Line;
use super::retired::Retired;
use super::rounds::Rounds;
use super::share::Share;
use super::slot::{Place, Refreshed, Slot};
use super::source::Source;

/// How many applications are loaded at a time, unless set. An idle one takes
/// its compiled code, most of which is shared with the page cache.
const LOADED_MAX: usize = 256;

/// How much all of them may take, unless set, bytes: eighty Flask applications. Their code
/// is mapped from the cache's folder, and on its disk until they are unloaded, whatever
/// became of the file; without a cache it is in memory, and counts four times.
const LOADED_BYTES_MAX: u64 = 8 * 1024 * 1024 * 1024;

/// How long an application stays loaded that nobody asks for, unless set: as
/// long as php-fpm's pools keep a process for a site that has visitors.
const IDLE_MAX: Duration = Duration::from_secs(600);

/// How long a request waits for its application to be loaded, unless set.
/// Compiling an interpreter takes about as long on one processor.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// How many applications are compiled at a time, unless set: with one, a bomb
/// would keep all others from being deployed until its time is over.
const COMPILES_MAX: usize = 3;

/// How many applications are read from the cache at a time, one of a tenant's:
/// enough to keep a disk busy.
const FETCHES_MAX: usize = 8;

/// What the slots of a process share. Clones are the same catalogue.
#[derive(Clone)]
pub struct Catalogue(pub(super) Arc<Shared>);

pub(super) struct Shared {
    limits: Limits,
    /// The right to look into the cache of compiled code.
    pub(super) fetches: Semaphore,
    /// The right to compile.
    pub(super) compiles: Semaphore,
    /// Who waits for either.
    pub(super) line: Line,
    pub(super) retired: Retired,
    pub(super) rounds: Rounds,
    /// How many versions came and went.
    pub(super) turnover: AtomicU64,
    /// How many made room for others.
    pub(super) evicted: AtomicU64,
    started: Instant,
    tenants: Mutex<HashMap<String, Weak<Share>>>,
    filled: Mutex<Vec<Weak<Place>>>,
}

#[derive(Clone, Copy)]
struct Limits {
    loaded_max: usize,
    loaded_bytes_max: u64,
    idle_max: Duration,
    compiles_max: usize,
    wait_max: Duration,
}

/// How many applications are loaded, and how much they take.
#[derive(Default)]
struct Load {
    applications: u64,
    bytes: u64,
}

impl Load {
    fn add(&mut self, bytes: u64) {
        self.applications += 1;
        self.bytes += bytes;
    }

    fn remove(&mut self, bytes: u64) {
        self.applications -= 1;
        self.bytes -= bytes;
    }
}

impl Limits {
    /// What there is too much of.
    fn exceeded(&self, load: &Load) -> Option<fn(&Load) -> u64> {
        if load.applications > self.loaded_max as u64 {
            return Some(|load| load.applications);
        }
        (load.bytes > self.loaded_bytes_max).then_some(|load| load.bytes)
    }
}

impl Catalogue {
    /// A catalogue with the defaults.
    pub fn new() -> Self {
        Self::with(Limits {
            loaded_max: LOADED_MAX,
            loaded_bytes_max: LOADED_BYTES_MAX,
            idle_max: IDLE_MAX,
            compiles_max: COMPILES_MAX,
            wait_max: WAIT_MAX,
        })
    }

    fn with(limits: Limits) -> Self {
        Self(Arc::new(Shared {
            limits,
            fetches: Semaphore::new(FETCHES_MAX),
            compiles: Semaphore::new(limits.compiles_max),
            line: Line::new(),
            retired: Retired::new(limits.loaded_bytes_max),
            rounds: Rounds::default(),
            turnover: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
            started: Instant::now(),
            tenants: Mutex::default(),
            filled: Mutex::default(),
        }))
    }

    /// The most applications that are loaded at a time, at least one. 256
    /// unless set. One of the tenant that has most makes room, the one that was
    /// asked for least recently.
    ///
    /// As all settings of a catalogue: for the slots that are made after.
    #[must_use]
    pub fn loaded_max(self, applications: usize) -> Self {
        Self::with(Limits {
            loaded_max: applications.max(1),
            ..self.0.limits
        })
    }

    /// How much the code of all loaded applications takes, bytes: on the disk of the
    /// cache's folder; what is in memory counts four times. 8 GiB unless set. Over it one
    /// of the tenant that has most makes room, as for [`Self::loaded_max`].
    #[must_use]
    pub fn loaded_bytes_max(self, bytes: u64) -> Self {
        Self::with(Limits {
            loaded_bytes_max: bytes,
            ..self.0.limits
        })
    }

    /// How long an application stays loaded that nobody asks for. 10 minutes
    /// unless set.
    #[must_use]
    pub fn idle_max(self, time: Duration) -> Self {
        Self::with(Limits {
            idle_max: time,
            ..self.0.limits
        })
    }

    /// How many applications are compiled at a time, at least one; one of a
    /// tenant's at a time in any case. 3 unless set. An engine has a limit of its own
    /// ([`EngineOptions::compiles_max`](crate::EngineOptions::compiles_max)), for which
    /// a thread waits.
    #[must_use]
    pub fn compiles_max(self, applications: usize) -> Self {
        Self::with(Limits {
            compiles_max: applications.clamp(1, Semaphore::MAX_PERMITS),
            ..self.0.limits
        })
    }

    /// How long a request waits until its application is loaded, before it
    /// gets a 503. 30 s unless set.
    #[must_use]
    pub fn wait_max(self, time: Duration) -> Self {
        Self::with(Limits {
            wait_max: time,
            ..self.0.limits
        })
    }

    /// A place for an application of this tenant, empty until the first request
    /// or [`Slot::load`].
    pub fn slot(&self, name: &str, tenant: &str, source: impl Source) -> Slot {
        self.slot_of(name, Complaints::of(tenant, name), source)
    }

    /// The same for one of several that count as one application.
    pub(super) fn slot_of(
        &self,
        name: &str,
        complaints: Arc<Complaints>,
        source: impl Source,
    ) -> Slot {
        Slot::new(self, name, complaints, Box::new(source), true)
    }

    /// A place that stays filled once it is: it is not unloaded when nobody
    /// asks, nor to make room.
    pub fn lasting_slot(&self, name: &str, tenant: &str, source: impl Source) -> Slot {
        let complaints = Complaints::of(tenant, name);
        Slot::new(self, name, complaints, Box::new(source), false)
    }

    /// Looks after the files of all loaded applications, and loads those anew
    /// that have changed: beside the old version, which serves until the new
    /// one can. What came of each that has changed.
    pub async fn refresh(&self) -> Vec<(String, Refreshed)> {
        let refreshing = self.0.places().into_iter().map(|place| async move {
            let slot = Slot::from(place);
            (slot.name().to_owned(), slot.refresh().await)
        });
        let mut outcomes = join_all(refreshing).await;
        outcomes.retain(|(_, refreshed)| !matches!(refreshed, Refreshed::Unchanged));
        outcomes
    }

    /// How many applications are loaded.
    pub fn loaded(&self) -> usize {
        let places = self.0.places();
        places.iter().filter(|place| place.is_filled()).count()
    }

    /// How many versions of applications were loaded, and how many given up, in
    /// sum. Both leave memory that is free: what loading took, and what they took
    /// themselves when the last of their requests has ended.
    pub fn turnover(&self) -> u64 {
        self.0.turnover.load(Ordering::Relaxed)
    }

    /// Waits until no request is running any more, on versions that were
    /// replaced neither. A slot of which the last clone is gone, that of a server that has
    /// stopped for instance, is not waited for: keep one.
    pub async fn drained(&self) {
        let places = self.0.places();
        join_all(places.iter().map(|place| place.drained())).await;
        self.0.retired.drained().await;
    }
}

impl Default for Catalogue {
    fn default() -> Self {
        Self::new()
    }
}

impl Shared {
    pub(super) fn loaded_max(&self) -> usize {
        self.limits.loaded_max
    }

    pub(super) fn idle_max(&self) -> Duration {
        self.limits.idle_max
    }

    pub(super) fn wait_max(&self) -> Duration {
        self.limits.wait_max
    }

    /// The time as slots note it: milliseconds since the catalogue was made.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A slot was filled: another may have to make room.
    pub(super) fn note_filled(&self, place: &Arc<Place>) {
        let mut filled = self.filled();
        filled.retain(|known| {
            let known = known.upgrade();
            known.is_some_and(|known| known.is_filled() && !Arc::ptr_eq(&known, place))
        });
        let places: Vec<_> = filled.iter().filter_map(Weak::upgrade).collect();
        let mut all = Load::default();
        let mut by_tenant: HashMap<usize, Load> = HashMap::new();
        let mut others = Vec::new();
        for loaded in places.iter().chain([place]) {
            // Asked once: it may be emptied meanwhile.
            let bytes = loaded.loaded_bytes();
            all.add(bytes);
            by_tenant.entry(loaded.tenant()).or_default().add(bytes);
            if loaded.may_be_emptied() && !Arc::ptr_eq(loaded, place) {
                let is_last = loaded.refused_version().is_some();
                let order = (is_last, !loaded.is_idle(), loaded.used_at());
                others.push((loaded, bytes, order));
            }
        }
        while let Some(measure) = self.limits.exceeded(&all) {
            // Of the tenant that has most who can be loaded again first, who is idle of
            // those, and whose last request is longest ago.
            let order = |(other, _, order): &(&Arc<Place>, u64, (bool, bool, u64))| {
                let of_tenant = by_tenant.get(&other.tenant()).map(measure);
                (Reverse(of_tenant), *order)
            };
            let numbered = others.iter().enumerate();
            let Some((first, _)) = numbered.min_by_key(|(_, other)| order(other)) else {
                break;
            };
            let (other, bytes, ..) = others.swap_remove(first);
            all.remove(bytes);
            let of_tenant = by_tenant.entry(other.tenant());
            of_tenant.and_modify(|load| load.remove(bytes));
            other.empty("others need its place");
            self.evicted.fetch_add(1, Ordering::Relaxed);
        }
        filled.push(Arc::downgrade(place));
    }

    /// Those that were filled and are still there.
    pub(super) fn places(&self) -> Vec<Arc<Place>> {
        self.filled().iter().filter_map(Weak::upgrade).collect()
    }

    fn filled(&self) -> MutexGuard<'_, Vec<Weak<Place>>> {
        self.filled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tenant(&self, name: &str) -> Arc<Share> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = tenants.get(name).and_then(Weak::upgrade) {
            return known;
        }
        tenants.retain(|_, tenant| tenant.strong_count() > 0);
        let share = Arc::new(Share::new());
        tenants.insert(name.to_owned(), Arc::downgrade(&share));
        share
    }
}
