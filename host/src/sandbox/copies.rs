//! Copies of the code of busy applications, so that no two threads that serve have to
//! use the same one.
//!
//! With each instance wasmtime counts in some dozens of places of its engine, its pool
//! and the code, and all threads do so in the same ones. What two processors write in
//! turn goes from one's cache to the other's each time, which takes some 80 ns: on two
//! threads at a time a request took a quarter longer than on one. So the threads are
//! dealt to lanes, and each lane has an engine of wasmtime, with a pool, of its own. A
//! copy takes memory, and is made only of what is asked often on its lane.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use super::app::Deployment;
use super::load::{Code, Loaded};
use super::worlds::{self, World};
use crate::message::Portion;
use crate::setup::SetupError;

/// The most lanes. Where there are more processors each has several threads: most of
/// what can be gained is, and each lane's pool takes addresses.
const LANES_MAX: usize = 4;

/// How many instances the pools of all lanes have room for together, unless the first
/// one has more: each takes 32 GiB of the 128 TiB of addresses of a process, twice,
/// because there are two flavours of wasmtime.
const ROOMS_MAX: usize = 1024;

/// How often an application is asked on a lane before it gets a copy, in no more than
/// this time: so often that a copy saves 1 % of a processor.
const BUSY_REQUESTS: u32 = 3000;
const BUSY_TIME: Duration = Duration::from_secs(1);

/// The largest code that is copied, bytes. Requests of what has more take so long that
/// nothing is gained: a Flask application has 50 MB.
const CODE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What a copy counts as at least, bytes: each has file descriptors too, for the images
/// of its memories.
const COPY_BYTES_MIN: usize = 256 * 1024;

/// What all copies may take together, bytes. Which of a tenant's applications get one
/// does not change what they answer, so it is no budget of its.
pub(super) const COPIES_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How many lanes an engine has whose pools hold so many instances each.
pub(super) fn lanes(instances_max: usize) -> usize {
    let processors = available_parallelism().map_or(1, usize::from);
    let with_room = ROOMS_MAX / instances_max.max(1);
    processors.min(LANES_MAX).min(with_room).max(1)
}

/// The lane of this thread, of so many.
fn lane(lanes: usize) -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: usize = NEXT.fetch_add(1, Relaxed);
    }
    NUMBER.with(|number| number % lanes)
}

/// An application: on the first lane as it was loaded, and on each further one as a
/// copy of that, if there is one.
pub(super) struct Copies {
    pub(super) first: Arc<Deployment>,
    further: Box<[Further]>,
    pub(super) code: Code,
    pub(super) is_mapped: bool,
}

/// A further lane, as one application knows it.
#[derive(Default)]
struct Further {
    heat: Heat,
    /// Whether a copy was begun. If none came of it, it is not tried again.
    is_begun: AtomicBool,
    copy: OnceLock<Copy>,
}

struct Copy {
    deployment: Arc<Deployment>,
    _memory: Portion,
}

impl Copies {
    /// Of what was made of this.
    pub(super) fn new(first: Deployment, loaded: &Loaded<'_>) -> Arc<Self> {
        let lanes = first.customer.tenant.engine().lanes();
        Arc::new(Self {
            first: Arc::new(first),
            further: (1..lanes).map(|_| Further::default()).collect(),
            code: loaded.code.clone(),
            is_mapped: loaded.is_mapped,
        })
    }

    /// What is to answer a request that comes to this thread.
    pub(super) fn here(self: &Arc<Self>) -> &Arc<Deployment> {
        let lane = lane(self.further.len() + 1);
        let Some(further) = lane.checked_sub(1).map(|index| &self.further[index]) else {
            return &self.first;
        };
        if let Some(copy) = further.copy.get() {
            return &copy.deployment;
        }
        if further.heat.is_busy(Instant::now) && !further.is_begun.swap(true, Relaxed) {
            self.copy(lane);
        }
        &self.first
    }

    /// Makes a copy for this lane, beside all else.
    fn copy(self: &Arc<Self>, lane: usize) {
        let tenant = self.first.customer.tenant.clone();
        let bytes = self.code.bytes().max(COPY_BYTES_MIN);
        let mut memory = tenant.engine().copies().portion();
        if bytes > CODE_BYTES_MAX || !memory.grow_for(tenant.name(), bytes) {
            return;
        }
        let copies = self.clone();
        tokio::spawn(async move {
            let copy = move || {
                if let Some(world) = copies.bind(lane)? {
                    let copy = Copy {
                        deployment: Arc::new(copies.first.copy(world)),
                        _memory: memory,
                    };
                    // It was begun once.
                    let _ = copies.further[lane - 1].copy.set(copy);
                }
                Ok(())
            };
            if let Err(error) = tenant.aside(copy).await {
                tracing::debug!("a busy application was not copied: {error}");
            }
        });
    }

    /// The guest, bound to the engine of a further lane, if that can be had.
    fn bind(&self, lane: usize) -> Result<Option<Box<dyn World>>, SetupError> {
        let (first, name) = (&self.first, "the copy");
        let engine = first.customer.tenant.engine();
        let Some(runtime) = engine.further(first.flavour, lane) else {
            return Ok(None);
        };
        let code = self.code.copy(&runtime.wasmtime);
        let code = code.map_err(|error| SetupError::new(format!("{error:#}")))?;
        code.prepare(name)?;
        let interface = first.policy.interface.as_deref();
        let loaded = Loaded {
            runtime,
            code,
            is_mapped: false,
        };
        worlds::bind(&loaded, name, interface).map(Some)
    }
}

/// How often an application is asked on a lane. Only the lane's threads write to it.
#[derive(Default)]
struct Heat {
    asked: AtomicU32,
    /// When it had been asked the last full number of times.
    since: Mutex<Option<Instant>>,
}

impl Heat {
    /// Counts a request; whether there were many lately.
    fn is_busy(&self, now: impl FnOnce() -> Instant) -> bool {
        let asked = self.asked.fetch_add(1, Relaxed).wrapping_add(1);
        if !asked.is_multiple_of(BUSY_REQUESTS) {
            return false;
        }
        let now = now();
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let since = since.replace(now);
        since.is_some_and(|since| now.duration_since(since) <= BUSY_TIME)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use http_body_util::BodyExt;
    use tokio::runtime::Builder;

    use super::*;
    use crate::policy::Policy;
    use crate::sandbox::runtime::Flavour;
    use crate::sandbox::{App, Engine};
    use crate::{Handler, Request};

    /// A CGI program that says "hello", with one added to its last letter each time that it
    /// runs in the same memory.
    const HELLO: &str = r#"(module
        (import "wasi_snapshot_preview1" "fd_write"
            (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) "\10\00\00\00\1f\00\00\00")
        (data (i32.const 16) "Content-Type: text/plain\n\nhello")
        (func (export "_start")
            (i32.store8 (i32.const 46) (i32.add (i32.load8_u (i32.const 46)) (i32.const 1)))
            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#;

    fn app() -> (Engine, App) {
        let engine = Engine::options().instances_max(1).lanes(2).start();
        let engine = engine.expect("an engine");
        let app = App::from_bytes(&engine, "hello", HELLO.as_bytes(), Policy::strict());
        (engine, app.expect("an application"))
    }

    /// Asks on a thread of the further lane of two.
    fn ask_there(app: &App) -> Vec<u8> {
        let ask = || {
            let runtime = Builder::new_current_thread().enable_all().build();
            (lane(2) == 1).then(|| {
                runtime.expect("a runtime").block_on(async {
                    let response = app.handle(Request::default()).await.expect("an answer");
                    let body = response.body.collect().await.expect("a whole body");
                    body.to_bytes().to_vec()
                })
            })
        };
        loop {
            let asked = thread::scope(|scope| scope.spawn(ask).join().expect("no panic"));
            if let Some(answer) = asked {
                return answer;
            }
        }
    }

    /// How many places of the further lane's pool were ever used.
    fn used_there(engine: &Engine) -> usize {
        let runtime = engine.further(Flavour::Plain, 1).expect("one more engine");
        let metrics = runtime.wasmtime.pooling_allocator_metrics();
        metrics.expect("a pool").unused_warm_memories() as usize
    }

    #[tokio::test]
    async fn a_copy_answers_on_its_lane_once_there_is_one() {
        let (engine, app) = app();
        assert_eq!(ask_there(&app), b"hellp");
        assert_eq!(used_there(&engine), 0);
        app.0.copy(1);
        while app.0.further[0].copy.get().is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for _ in 0..3 {
            assert_eq!(ask_there(&app), b"hellp");
            assert_eq!(used_there(&engine), 1);
        }
    }

    #[tokio::test]
    async fn without_memory_for_copies_there_is_none() {
        let (engine, app) = app();
        let mut all = engine.copies().portion();
        assert!(all.grow_for(app.tenant().name(), COPIES_BYTES_MAX));
        app.0.copy(1);
        drop(all);
        // Had it begun, it would have the memory, which comes back with the copy.
        let mut again = engine.copies().portion();
        assert!(again.grow_for(app.tenant().name(), COPIES_BYTES_MAX));
        assert_eq!(ask_there(&app), b"hellp");
    }

    #[test]
    fn many_requests_in_a_short_time_make_it_busy() {
        let begin = Instant::now();
        let busy_after = |time: Duration| {
            let heat = Heat::default();
            let asked = (0..3 * BUSY_REQUESTS)
                .filter(|number| heat.is_busy(|| begin + time * (number / BUSY_REQUESTS)));
            asked.count()
        };
        assert_eq!(busy_after(BUSY_TIME), 2);
        assert_eq!(busy_after(BUSY_TIME * 2), 0);
    }

    #[test]
    fn the_pools_of_all_lanes_fit_into_the_addresses() {
        for instances_max in [1, 256, 300, 1000, 100_000] {
            let lanes = lanes(instances_max);
            assert!(lanes == 1 || lanes * instances_max <= ROOMS_MAX, "{lanes}");
        }
    }
}
