//! What a tenant's guests have the system do that may wait: work on files, looking
//! up names, and sending HTTP requests to others, with TLS. It has threads of its
//! own for that, and pays for them.
//!
//! wasmtime hands such work to the threads of the runtime that a guest is polled
//! in. Were these everybody's, then a tenant that lists folders without end would
//! have the processors beside the guests' clock and its own account, and one that
//! opens pipes would have all threads.

use std::fmt;
use std::fs;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, EnterGuard, Handle};

use super::background::{give_way, thread_time};
use crate::policy::Grants;

/// How many threads of a tenant work on files at a time. More would not be
/// faster on most disks, and each of them competes with other tenants.
pub(super) const THREADS_MAX: usize = 8;

/// How long a thread waits for more to do, and how often it is looked whether
/// anybody needs them. To start them costs less than a tenth of a millisecond.
const IDLE: Duration = Duration::from_secs(2);

/// How often it is read what the threads have used, at most: a file for each of
/// them has to be opened for it.
const LOOK: Duration = Duration::from_millis(100);

/// Whether guests with these grants can ask for anything that may wait.
pub(super) fn are_needed(grants: &Grants) -> bool {
    !grants.folders.is_empty() || !grants.addresses.is_empty() || !grants.hosts.is_empty()
}

/// A tenant's threads, started when they are first needed.
#[derive(Debug, Default)]
pub(super) struct Chores(Arc<Mutex<Option<Arc<Crew>>>>);

impl Chores {
    /// The threads, for as long as it is held. `None` if they can not be started,
    /// and everybody's have to do.
    pub(super) fn crew(&self) -> Option<Arc<Crew>> {
        let mut crew = lock(&self.0);
        if crew.is_none() {
            match Crew::start(&self.0) {
                Ok(started) => *crew = Some(started),
                Err(error) => {
                    tracing::warn!("a tenant has no threads of its own for files: {error}");
                }
            }
        }
        crew.clone()
    }
}

/// The threads that a tenant has at the moment.
pub(super) struct Crew {
    runtime: Handle,
    threads: Arc<Threads>,
}

impl Crew {
    fn start(place: &Arc<Mutex<Option<Arc<Self>>>>) -> io::Result<Arc<Self>> {
        let threads = Arc::new(Threads::new());
        let [starting, ending, driven] = [(); 3].map(|()| threads.clone());
        let runtime = Builder::new_current_thread()
            .max_blocking_threads(THREADS_MAX)
            .thread_keep_alive(IDLE)
            .thread_name("files")
            .on_thread_start(move || {
                give_way();
                starting.add(Job::Files);
            })
            .on_thread_stop(move || ending.remove())
            .enable_all()
            .build()?;
        let crew = Self {
            runtime: runtime.handle().clone(),
            threads,
        };
        // Turns the runtime's clock and looks after its sockets, for which nobody
        // is to wait: so it does not give way. It has as much to do as guests ask
        // for, and these do.
        let place = Arc::downgrade(place);
        let driver = thread::Builder::new().name("chores".to_owned());
        driver.spawn(move || {
            driven.add(Job::Driver);
            runtime.block_on(until_idle(place));
            // Without waiting: a tenant that is gone may have left a thread behind
            // that waits for ever.
            runtime.shutdown_background();
        })?;
        Ok(Arc::new(crew))
    }

    /// Has what is asked of this thread's runtime done by these threads, until
    /// the guard is dropped.
    pub(super) fn enter(&self) -> EnterGuard<'_> {
        self.runtime.enter()
    }

    /// Nanoseconds of processor time that the threads have used since somebody
    /// was told last, now and then.
    pub(super) fn spent(&self) -> u64 {
        self.threads.spent()
    }
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew").finish_non_exhaustive()
    }
}

/// Waits until nobody needs the threads that stand in this place, and takes them
/// away. While one of them still waits for something they stay: new ones would be
/// more of them.
async fn until_idle(place: Weak<Mutex<Option<Arc<Crew>>>>) {
    loop {
        tokio::time::sleep(IDLE).await;
        let Some(place) = place.upgrade() else {
            return;
        };
        let mut crew = lock(&place);
        let is_needed = |crew: &Arc<Crew>| Arc::strong_count(crew) > 1 || crew.threads.work();
        if !crew.as_ref().is_some_and(is_needed) {
            *crew = None;
            return;
        }
    }
}

/// The threads that work, and what they have used.
struct Threads {
    alive: Mutex<Vec<Thread>>,
    /// Nanoseconds of those that have ended, which nobody was told of.
    untold: AtomicU64,
    began: Instant,
    /// When they are looked at next, milliseconds.
    next_look: AtomicU64,
}

/// What a thread is there for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Job {
    Driver,
    Files,
}

struct Thread {
    job: Job,
    /// Where the system says what it has used.
    path: String,
    /// Nanoseconds that somebody was told of.
    told: u64,
}

impl Threads {
    fn new() -> Self {
        Self {
            alive: Mutex::default(),
            untold: AtomicU64::new(0),
            began: Instant::now(),
            next_look: AtomicU64::new(0),
        }
    }

    /// Whether there are any for files.
    fn work(&self) -> bool {
        lock(&self.alive)
            .iter()
            .any(|thread| thread.job == Job::Files)
    }

    /// Adds this thread.
    fn add(&self, job: Job) {
        lock(&self.alive).push(Thread {
            job,
            path: path_of_this(),
            told: 0,
        });
    }

    /// Removes this thread, which ends.
    fn remove(&self) {
        let path = path_of_this();
        let mut alive = lock(&self.alive);
        if let Some(index) = alive.iter().position(|thread| thread.path == path) {
            let thread = alive.swap_remove(index);
            let untold = thread_time().saturating_sub(thread.told);
            self.untold.fetch_add(untold, Relaxed);
        }
    }

    fn spent(&self) -> u64 {
        let now = self.began.elapsed().as_millis() as u64;
        let next = self.next_look.load(Relaxed);
        let later = now + LOOK.as_millis() as u64;
        let is_time = now >= next
            && self
                .next_look
                .compare_exchange(next, later, Relaxed, Relaxed)
                .is_ok();
        if !is_time {
            return 0;
        }
        let mut spent = 0;
        for thread in lock(&self.alive).iter_mut() {
            let used = time_at(&thread.path).unwrap_or(thread.told);
            spent += used.saturating_sub(thread.told);
            thread.told = thread.told.max(used);
        }
        spent + self.untold.swap(0, Relaxed)
    }
}

fn path_of_this() -> String {
    let thread = fs::read_link("/proc/thread-self").unwrap_or_default();
    format!("/proc/{}/schedstat", thread.display())
}

/// Nanoseconds that a thread had a processor.
fn time_at(path: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    text.split(' ').next()?.parse().ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::mpsc::channel;

    use tokio::task::{JoinHandle, spawn, spawn_blocking};

    use super::super::background::is_background;
    use super::*;

    const WORK: Duration = Duration::from_millis(30);

    fn work() {
        let begin = thread_time();
        while thread_time() - begin < WORK.as_nanos() as u64 {}
    }

    fn outcome<T: Send + 'static>(crew: &Crew, task: JoinHandle<T>) -> T {
        crew.runtime.block_on(task).expect("no panic")
    }

    #[test]
    fn a_few_threads_work_and_give_way() {
        let chores = Chores::default();
        let crew = chores.crew().expect("threads");
        let entered = crew.enter();
        let mut tasks = Vec::new();
        let mut waiting = Vec::new();
        for _ in 0..3 * THREADS_MAX {
            let (go_on, told) = channel::<()>();
            waiting.push(go_on);
            tasks.push(spawn_blocking(move || {
                let _ = told.recv();
                (thread::current().id(), is_background())
            }));
        }
        let driver = spawn(async { (thread::current().id(), is_background()) });
        drop(entered);
        // The driver is not kept waiting by them.
        let driver = outcome(&crew, driver);
        drop(waiting);
        let tasks = tasks.into_iter().map(|task| outcome(&crew, task));
        let threads: HashSet<_> = tasks.collect();
        assert!(threads.len() <= THREADS_MAX, "{}", threads.len());
        assert!(threads.iter().all(|(_, gives_way)| *gives_way));
        assert!(!driver.1 && !threads.contains(&(driver.0, true)));
    }

    #[test]
    fn what_they_use_is_told_once() {
        let chores = Chores::default();
        let crew = chores.crew().expect("threads");
        for begin in [|| spawn_blocking(work), || spawn(async { work() })] {
            let entered = crew.enter();
            let working = begin();
            drop(entered);
            outcome(&crew, working);
            crew.threads.next_look.store(0, Relaxed);
            let spent = crew.spent();
            assert!(spent >= WORK.as_nanos() as u64, "{spent}");
            crew.threads.next_look.store(0, Relaxed);
            assert!(crew.spent() < spent);
        }
    }

    #[test]
    fn what_ended_threads_have_used_is_told() {
        let threads = Arc::new(Threads::new());
        let own = threads.clone();
        let working = thread::spawn(move || {
            own.add(Job::Files);
            work();
            own.remove();
        });
        working.join().expect("no panic");
        assert!(!threads.work());
        assert!(threads.spent() >= WORK.as_nanos() as u64);
    }

    #[test]
    fn they_end_when_nobody_needs_them() {
        let chores = Chores::default();
        let crew = chores.crew().expect("threads");
        let entered = crew.enter();
        let (go_on, told) = channel::<()>();
        let waiting = spawn_blocking(move || told.recv());
        drop(entered);
        drop(crew);
        // One that waits keeps them, so that a tenant has no more of them.
        thread::sleep(IDLE + IDLE / 2);
        assert!(lock(&chores.0).is_some());
        drop(go_on);
        drop(waiting);
        while lock(&chores.0).is_some() {
            thread::sleep(IDLE / 10);
        }
    }
}
