//! Threads for guests that compute for long, which the system runs when nobody
//! else wants to compute.
//!
//! The threads that serve take turns between all that is ready, so there each
//! guest that computes makes all others wait. Here the system itself prefers
//! who is short.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::thread::{available_parallelism, yield_now};
use std::time::{Duration, Instant};

use rustix::process::{getpriority_process, setpriority_process};
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, Runtime};

use super::clock::Clock;
use super::limits::Meter;
use super::tenant::Customer;
use crate::message::BoxFuture;

/// How nice these threads are (see nice(1)): beside others that compute they
/// get a tenth, and what becomes ready elsewhere interrupts them at once. 19
/// would starve a Python application on a machine whose database is busy.
const NICENESS: i32 = 10;

/// How long a guest computes before it gives way to others, unless set. Most
/// are done by then, and a tick of the engine's clock is half of it.
pub(super) const PROMPT: Duration = Duration::from_millis(20);

/// How long a thread works here before it has the system choose anew who runs. Linux
/// else lets it go on for milliseconds, whoever becomes ready meanwhile: until its slice
/// is over, and the next tick of a clock after that.
const STRETCH: Duration = Duration::from_micros(100);

thread_local! {
    static IS_BACKGROUND: Cell<bool> = const { Cell::new(false) };
    /// When it last had the system choose.
    static STRETCH_BEGAN: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Whether this thread is one of those.
pub(super) fn is_background() -> bool {
    IS_BACKGROUND.get()
}

/// Nanoseconds that this thread had a processor.
pub(super) fn thread_time() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    (time.tv_sec as u64).saturating_mul(1_000_000_000) + time.tv_nsec as u64
}

/// Makes this thread one that gives way to others.
pub(super) fn give_way() {
    IS_BACKGROUND.set(true);
    // On Linux it is the thread's, not the process's. Being nicer is always
    // allowed; if it fails, things are as fair as they were. One that was started by
    // such a thread is as nice already.
    if let Err(error) = setpriority_process(None, own_niceness() + NICENESS) {
        tracing::debug!("a thread can not be made nicer: {error}");
    }
}

/// How nice the process was started.
fn own_niceness() -> i32 {
    static OWN: OnceLock<i32> = OnceLock::new();

    *OWN.get_or_init(|| getpriority_process(None).unwrap_or_default())
}

/// Lets others have this thread's processor, if it worked for long.
fn let_others() {
    let began = STRETCH_BEGAN.get();
    if began.is_none_or(|began| began.elapsed() >= STRETCH) {
        yield_now();
        STRETCH_BEGAN.set(Some(Instant::now()));
    }
}

/// The threads, started when they are first needed.
pub(super) struct Background {
    threads: OnceLock<Option<Runtime>>,
    /// Goes fast while one of them works.
    clock: Clock,
    /// How long a guest computes before it goes on there.
    prompt: Duration,
}

impl Background {
    pub(super) fn new(prompt: Duration, clock: Clock) -> Self {
        // Before any of its threads is nicer.
        own_niceness();
        Self {
            threads: OnceLock::new(),
            clock,
            prompt,
        }
    }

    /// Goes on with this future there, or here if there are no such threads.
    fn run(&self, future: BoxFuture<'static, ()>) {
        match self.threads.get_or_init(start) {
            Some(runtime) => runtime.spawn(Yielding {
                task: future,
                clock: self.clock.clone(),
            }),
            None => tokio::spawn(future),
        };
    }
}

/// A task before whose polls others may have its thread's processor.
struct Yielding {
    task: BoxFuture<'static, ()>,
    clock: Clock,
}

impl Future for Yielding {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let_others();
        let Self { task, clock } = &mut *self;
        let _fast = clock.hurry();
        task.as_mut().poll(cx)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(Some(runtime)) = self.threads.take() {
            // Without waiting, because this may be on a thread that serves.
            runtime.shutdown_background();
        }
    }
}

fn start() -> Option<Runtime> {
    let threads = available_parallelism().map_or(1, usize::from);
    let started = Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("background")
        .on_thread_start(give_way)
        .enable_all()
        .build();
    if let Err(error) = &started {
        tracing::warn!("there are no threads for guests that compute for long: {error}");
    }
    started.ok()
}

/// Runs the task of a guest: where it is called, until the guest has computed
/// for long.
pub(super) fn spawn(customer: Arc<Customer>, meter: Arc<Meter>, task: BoxFuture<'static, ()>) {
    let background = customer.tenant.engine().background();
    if meter.gives_way(background.prompt) {
        return background.run(task);
    }
    tokio::spawn(Foreground {
        task: Some(task),
        meter,
        customer,
    });
}

struct Foreground {
    /// `None` once it has moved.
    task: Option<BoxFuture<'static, ()>>,
    meter: Arc<Meter>,
    customer: Arc<Customer>,
}

impl Future for Foreground {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let background = this.customer.tenant.engine().background();
        let gives_way = || this.meter.gives_way(background.prompt);
        let Some(task) = &mut this.task else {
            return Poll::Ready(());
        };
        // What others of its tenant did since it was begun counts before it is
        // polled: of many that can not be interrupted each would be once.
        if !gives_way() {
            if task.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            if !gives_way() {
                return Poll::Pending;
            }
        }
        // Polled there at once, whatever woke it here.
        if let Some(task) = this.task.take() {
            background.run(task);
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::unbounded_channel;

    use super::super::engine::Engine;
    use super::super::tenant::Tenant;
    use super::*;
    use crate::policy::Budget;

    #[test]
    fn who_is_started_by_one_that_gives_way_is_as_nice() {
        let own = own_niceness();
        let niceness = || {
            give_way();
            getpriority_process(None).expect("a number")
        };
        let both = std::thread::spawn(move || (niceness(), std::thread::spawn(niceness).join()));
        let (first, second) = both.join().expect("it ends");
        assert_eq!(first, own + NICENESS);
        assert_eq!(second.expect("it ends"), own + NICENESS);
    }

    #[tokio::test]
    async fn one_that_can_not_be_interrupted_sends_the_others_away() {
        let engine = Engine::options().instances_max(1).start();
        let engine = engine.expect("an engine");
        let tenant = |name: &str| Tenant::new(&engine, name, Budget::strict());
        let (tenant, _other) = (tenant("one"), tenant("other"));
        let customer = Customer::new(&tenant, "app", &Budget::strict(), 1);
        let (tell, mut told) = unbounded_channel();
        for _ in 0..10 {
            let tell = tell.clone();
            let meter = Meter::new(Arc::default(), Some(customer.clone()));
            let work = Box::pin(async move {
                let began = thread_time();
                while thread_time() - began < 100_000_000 {}
                tell.send(is_background()).expect("somebody listens");
            });
            let work = Box::pin(meter.clone().measure(work, None));
            spawn(customer.clone(), meter, work);
        }
        drop(tell);
        let mut in_foreground = 0;
        while let Some(is_background) = told.recv().await {
            in_foreground += u32::from(!is_background);
        }
        assert_eq!(in_foreground, 1);
    }
}
