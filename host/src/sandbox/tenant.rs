//! Who the applications belong to: strangers to each other, each with a budget.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::available_parallelism;

use tokio::sync::{Notify, Semaphore};

use super::abandoned::{ABANDONED_MAX, Abandoned};
use super::account::{Account, FILE_OPERATIONS, Standing};
use super::admission::Gate;
use super::bucket::Bucket;
use super::chores::Chores;
use super::engine::Engine;
use super::names::Names;
use crate::message::{Fault, Journal, Owner};
use crate::policy::Budget;
use crate::told::Told;

/// Which part of the machine's processors a tenant may use, over some time,
/// before it gives way to the others.
const MODEST_PART: f64 = 0.25;

/// How much more than that for a moment, nanoseconds of processor time.
const MODEST_BURST: f64 = 200e6;

/// One of those who share an engine, with a budget for all of its applications
/// together. Clones are the same tenant.
#[derive(Clone)]
pub struct Tenant(Arc<State>);

struct State {
    name: String,
    engine: Engine,
    account: Account,
    abandoned: Abandoned,
    chores: Chores,
    names: Names,
    /// The turns to list folders as WASI 0.1 does.
    listings: Arc<Semaphore>,
    /// What the log was told of compiling.
    compiles: Told,
    /// Empty while it uses much of the machine. Nothing is taken while it is alone.
    modesty: Bucket,
    /// How many tenants the engine has.
    count: Arc<AtomicUsize>,
}

impl Tenant {
    /// A new tenant of this engine, which no application belongs to. Its name
    /// stands in logs.
    pub fn new(engine: &Engine, name: impl Into<String>, budget: Budget) -> Self {
        let name = name.into();
        let processors = available_parallelism().map_or(1, usize::from) as f64;
        let count = engine.tenants();
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::new(State {
            account: Account::new(format!("tenant {name}"), &budget),
            name,
            engine: engine.clone(),
            abandoned: Abandoned::default(),
            chores: Chores::default(),
            names: Names::default(),
            listings: Arc::new(Semaphore::new(1)),
            compiles: Told::default(),
            modesty: Bucket::new(processors * MODEST_PART * 1e9, MODEST_BURST),
            count,
        }))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What all of its requests may take together.
    pub fn budget(&self) -> &Budget {
        &self.0.account.budget
    }

    /// What its requests take at this moment.
    pub fn standing(&self) -> Standing {
        self.0.account.standing()
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(super) fn account(&self) -> &Account {
        &self.0.account
    }

    pub(super) fn chores(&self) -> &Chores {
        &self.0.chores
    }

    /// What looks up names for it.
    pub(super) fn names(&self) -> &Names {
        &self.0.names
    }

    pub(super) fn listings(&self) -> &Arc<Semaphore> {
        &self.0.listings
    }

    /// What the log was told of compiling for it.
    pub(super) fn compiles(&self) -> &Told {
        &self.0.compiles
    }

    pub(super) fn abandoned(&self) -> &Abandoned {
        &self.0.abandoned
    }
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tenant({})", self.0.name)
    }
}

impl State {
    fn has_others(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 1
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An application as the one who spends: on its own account and on its tenant's.
#[derive(Debug)]
pub(super) struct Customer {
    pub(super) app: Arc<Account>,
    pub(super) tenant: Tenant,
    pub(super) owner: Arc<Owner>,
    /// What each of its instances begins with, and what they come to have.
    memory_bytes_initial: u64,
    memory_bytes_usual: AtomicU64,
    /// Told when the last of its requests is over.
    last_left: Arc<Notify>,
}

impl Customer {
    pub(super) fn new(
        tenant: &Tenant,
        name: &str,
        budget: &Budget,
        memory_bytes_initial: u64,
    ) -> Arc<Self> {
        Arc::new(Self {
            app: Arc::new(Account::new(format!("app {name}"), budget)),
            tenant: tenant.clone(),
            owner: Arc::new(Owner {
                tenant: tenant.name().to_owned(),
                app: name.to_owned(),
            }),
            memory_bytes_initial,
            memory_bytes_usual: AtomicU64::new(memory_bytes_initial),
            last_left: Arc::default(),
        })
    }

    /// The same one, referred to elsewhere: for another lane (see `copies`).
    pub(super) fn copy(&self) -> Arc<Self> {
        let usual = self.memory_bytes_usual.load(Ordering::Relaxed);
        Arc::new(Self {
            app: self.app.clone(),
            tenant: self.tenant.clone(),
            owner: Arc::new(self.owner.as_ref().clone()),
            memory_bytes_initial: self.memory_bytes_initial,
            memory_bytes_usual: AtomicU64::new(usual),
            last_left: self.last_left.clone(),
        })
    }

    /// Whether it is the same application.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.app, &other.app)
    }

    /// Its own account first: that one is smaller.
    pub(super) fn accounts(&self) -> [&Account; 2] {
        [&self.app, self.tenant.account()]
    }

    pub(super) fn gate(&self) -> &Arc<Gate> {
        self.tenant.engine().gate()
    }

    /// One of its requests is over.
    pub(super) fn leave(&self) {
        for account in self.accounts() {
            account.running.give_back(1);
        }
        if self.app.running.used() == 0 {
            self.last_left.notify_waiters();
        }
    }

    /// Waits until none of its requests is under way.
    pub(super) async fn idle(&self) {
        loop {
            let mut left = pin!(self.last_left.notified());
            left.as_mut().enable();
            if self.app.running.used() == 0 {
                return;
            }
            left.await;
        }
    }

    /// How much memory a request needs in order to begin: what those before it
    /// came to have, so that it rather waits than fails midway.
    pub(super) fn memory_bytes_needed(&self) -> u64 {
        let usual = self.memory_bytes_usual.load(Ordering::Relaxed);
        let most = self
            .accounts()
            .map(|account| account.budget.memory_bytes_max);
        let most = most.into_iter().min().unwrap_or(usual);
        usual.min(most).max(self.memory_bytes_initial)
    }

    /// Notes how much an instance had at most. The usual follows slowly, so that
    /// one large request does not make all others wait.
    pub(super) fn note_memory(&self, bytes_peak: u64) {
        let usual = self.memory_bytes_usual.load(Ordering::Relaxed);
        let follows = usual - usual / 8 + bytes_peak / 8;
        // Of two at a time one may be lost, which does no harm.
        self.memory_bytes_usual.store(follows, Ordering::Relaxed);
    }

    /// Takes processor time that was used.
    pub(super) fn charge_cpu(&self, nanos: u64) {
        self.charge_modesty(nanos);
        for account in self.accounts() {
            account.charge_cpu(nanos);
        }
    }

    /// Lets its tenant give way to others as if it had used so much more
    /// processor time, which is on nobody's account.
    pub(super) fn charge_modesty(&self, nanos: u64) {
        if nanos > 0 && self.has_others() {
            self.tenant.0.modesty.charge(nanos);
        }
    }

    /// Takes so many bytes of what may be written to the log. Whose limit is
    /// reached, if one is.
    pub(super) fn log(&self, bytes: usize) -> Option<&Account> {
        let mut accounts = self.accounts().into_iter();
        accounts.find(|account| !account.may_log(bytes))
    }

    /// Whether so many bytes about one of its requests may go to the log. If not,
    /// the log is told of that.
    pub(super) fn may_log(&self, bytes: usize, journal: &Journal) -> bool {
        let exhausted = self.log(bytes);
        if let Some(account) = exhausted {
            account.tell_of_log(journal);
        }
        exhausted.is_none()
    }

    /// The fault of a request that comes while too many of the tenant's
    /// operations on files go on without an end.
    pub(super) fn check_abandoned(&self, journal: &Journal) -> Result<(), Fault> {
        if !self.tenant.abandoned().are_too_many() {
            return Ok(());
        }
        let detail = format!(
            "over {ABANDONED_MAX} of its operations on files go on after the requests that began \
             them have ended: one may have opened a pipe"
        );
        let account = self.tenant.account();
        Err(account.exceeded(FILE_OPERATIONS, detail, journal))
    }

    /// How much its tenant has computed lately, to compare it with others.
    pub(super) fn recent_cpu(&self) -> u64 {
        self.tenant.0.modesty.full_in()
    }

    /// Whether its tenant uses much of the machine while there are others.
    pub(super) fn is_greedy(&self) -> bool {
        let state = &self.tenant.0;
        state.has_others() && state.modesty.is_empty()
    }

    /// Whether its tenant may take one more of the places that all share: beside
    /// others it has fewer of them than are free (the dynamic threshold of
    /// Choudhury and Hahne, 1998). So who has many leaves some to who comes next,
    /// and one tenant alone may have all.
    pub(super) fn leaves_places(&self) -> bool {
        let running = self.tenant.account().running.used();
        running == 0 || !self.tenant.0.has_others() || running < self.gate().places.free()
    }

    /// Whether its tenant shares the engine with others.
    pub(super) fn has_others(&self) -> bool {
        self.tenant.0.has_others()
    }

    /// Whether its tenant may have one more request wait, by the same rule.
    pub(super) fn leaves_room_to_wait(&self) -> bool {
        let waiting = self.tenant.account().waiting.used();
        !self.tenant.0.has_others() || waiting < self.gate().waiting.free()
    }
}
