//! What all applications of a process share: wasmtime, the cache of compiled
//! code, and the places of the pool that instances are made from.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::admission::Gate;
use super::background::{Background, PROMPT, give_way};
use super::cache::{CACHE_BYTES_MAX, Cache};
use super::clock::Clock;
use super::compile;
use super::compiler::Compiler;
use super::copies::{COPIES_BYTES_MAX, lanes};
use super::runtime::{Flavour, Runtime};
use super::turns::{COMPILES_MAX, Turns};
use crate::message::{Observer, Observers, Pot};
use crate::setup::SetupError;

/// How many requests wait for a place at a time, unless set. Each holds a
/// connection of a web server, and of these a socket takes twice as many.
const WAITING_MAX: usize = 2048;

/// How the engine is set up.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    instances_max: usize,
    waiting_max: usize,
    cache: Option<PathBuf>,
    cache_bytes_max: u64,
    compiler: Option<Compiler>,
    compiles_max: usize,
    observers: Observers,
    prompt: Duration,
    /// As many as the machine has use for unless set.
    lanes: Option<usize>,
}

impl EngineOptions {
    /// The most instances at a time, over all applications. 256 unless set.
    /// Each reserves 32 GiB of address space, and no memory. With 512 or less, and several
    /// processors, busy applications are copied for each of up to four of them, with as
    /// many instances again, 1024 in all.
    #[must_use]
    pub fn instances_max(mut self, instances: usize) -> Self {
        self.instances_max = instances;
        self
    }

    /// The most requests that wait for a place at a time, over all applications
    /// of several tenants. 2048 unless set.
    #[must_use]
    pub fn waiting_max(mut self, requests: usize) -> Self {
        self.waiting_max = requests;
        self
    }

    /// Keeps compiled components in this folder, which must belong to this
    /// user, and be writable by nobody else: what is in it is run as it is.
    /// None unless set.
    #[must_use]
    pub fn cache(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cache = Some(folder.into());
        self
    }

    /// How much compiled code is kept in that folder, bytes: more than what all
    /// applications have that are asked from time to time, or they are compiled
    /// each time. 2 GiB unless set.
    #[must_use]
    pub fn cache_max(mut self, bytes: u64) -> Self {
        self.cache_bytes_max = bytes;
        self
    }

    /// Compiles in processes of this program's, which can be ended when they
    /// take too much. Unless set, this process compiles, and a component that
    /// passes the checks but takes the compiler long can not be stopped. The
    /// checks bound the file (128 MiB), its code (96 MiB, 200,000 functions of
    /// 1 MiB each) and how deep and of how much else it is made.
    #[must_use]
    pub fn compiler(mut self, compiler: Compiler) -> Self {
        self.compiler = Some(compiler);
        self
    }

    /// The most components that are compiled at a time, at least one; one of a tenant's in
    /// any case. 3 unless set.
    #[must_use]
    pub fn compiles_max(mut self, components: usize) -> Self {
        self.compiles_max = components;
        self
    }

    /// How long a guest computes among those that serve. After that it goes on
    /// on threads that the system runs when nobody else wants to compute. 20 ms
    /// unless set.
    #[must_use]
    pub fn prompt(mut self, time: Duration) -> Self {
        self.prompt = time;
        self
    }

    #[cfg(test)]
    pub(super) fn lanes(mut self, lanes: usize) -> Self {
        self.lanes = Some(lanes);
        self
    }

    /// Has this one told of each compilation, and of each find in the cache.
    #[must_use]
    pub fn observe(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observers = self.observers.with(observer);
        self
    }

    /// Starts the engine.
    ///
    /// # Errors
    ///
    /// If this processor or system lacks what wasmtime needs, or the cache's
    /// folder is not safe.
    pub fn start(self) -> Result<Engine, SetupError> {
        let cache = self
            .cache
            .map(|folder| Cache::open(folder, self.cache_bytes_max));
        let cache = cache.transpose()?;
        let clock = Clock::start()?;
        let plain = Runtime::start(Flavour::Plain, self.instances_max, &clock)?;
        let lanes = match plain.is_pooled {
            true => self.lanes.unwrap_or_else(|| lanes(self.instances_max)),
            false => 1,
        };
        Ok(Engine(Arc::new(Shared {
            plain,
            further: (1..lanes).map(|_| Default::default()).collect(),
            copies: Pot::of(COPIES_BYTES_MAX),
            concurrent: OnceLock::new(),
            cache,
            compiler: self.compiler,
            observers: self.observers,
            turns: Turns::of(self.compiles_max),
            gate: Arc::new(Gate::new(self.instances_max, self.waiting_max)),
            background: Background::new(self.prompt, clock.clone()),
            clock,
            tenants: Arc::default(),
            instances_max: self.instances_max,
        })))
    }
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            instances_max: 256,
            waiting_max: WAITING_MAX,
            cache: None,
            cache_bytes_max: CACHE_BYTES_MAX,
            compiler: None,
            compiles_max: COMPILES_MAX,
            observers: Observers::default(),
            prompt: PROMPT,
            lanes: None,
        }
    }
}

/// The engine of a process. Clones are the same engine.
#[derive(Clone)]
pub struct Engine(Arc<Shared>);

struct Shared {
    plain: Runtime,
    /// Started with the first guest that needs it.
    concurrent: OnceLock<Runtime>,
    /// One more of each for every further lane (see `copies`), started when it is
    /// first needed, if there is room for it.
    further: Box<[[OnceLock<Option<Runtime>>; 2]]>,
    /// The memory of copied code.
    copies: Arc<Pot>,
    cache: Option<Cache>,
    compiler: Option<Compiler>,
    observers: Observers,
    turns: Turns,
    gate: Arc<Gate>,
    background: Background,
    clock: Clock,
    /// How many there are.
    tenants: Arc<AtomicUsize>,
    instances_max: usize,
}

impl Engine {
    /// An engine with the default options.
    ///
    /// # Errors
    ///
    /// As [`EngineOptions::start`].
    pub fn start() -> Result<Self, SetupError> {
        Self::options().start()
    }

    /// The options to start an engine with.
    pub fn options() -> EngineOptions {
        EngineOptions::default()
    }

    /// Whether compiled components are kept.
    pub fn has_cache(&self) -> bool {
        self.0.cache.is_some()
    }

    /// Whether instances come from a pool, which takes much address space, or
    /// are allocated one by one, which is slower.
    pub fn is_pooled(&self) -> bool {
        self.0.plain.is_pooled
    }

    /// What the process of a [`Compiler`] does: reads a component from its
    /// input, compiles it within the limits that came with it, and writes the
    /// code to its output.
    ///
    /// # Errors
    ///
    /// If it can not be compiled. The sentence has to be the last line of the
    /// process's standard error.
    pub fn compile_for_parent(
        mut input: impl Read,
        mut output: impl Write,
    ) -> Result<(), SetupError> {
        compile::compile_for_parent(&mut input, &mut output).map_err(SetupError::new)
    }

    /// Runs what compiles, on threads that give way to others.
    pub(super) fn compile_gently<T: Send>(
        &self,
        compile: impl FnOnce() -> Result<T, String> + Send,
    ) -> Result<T, String> {
        let threads = rayon::ThreadPoolBuilder::new()
            .start_handler(|_| give_way())
            .build()
            .map_err(|error| format!("no threads can be started: {error}"))?;
        threads.install(compile)
    }

    /// wasmtime as a guest of this flavour needs it.
    pub(super) fn runtime(&self, flavour: Flavour) -> Result<&Runtime, SetupError> {
        if flavour == Flavour::Plain {
            return Ok(&self.0.plain);
        }
        if let Some(runtime) = self.0.concurrent.get() {
            return Ok(runtime);
        }
        let runtime = Runtime::start(flavour, self.0.instances_max, &self.0.clock)?;
        // Another thread may have been faster, and then has the right one.
        Ok(self.0.concurrent.get_or_init(|| runtime))
    }

    /// How many lanes the threads that serve are dealt to.
    pub(super) fn lanes(&self) -> usize {
        self.0.further.len() + 1
    }

    /// The same for a further lane: from 1.
    pub(super) fn further(&self, flavour: Flavour, lane: usize) -> Option<&Runtime> {
        let [plain, concurrent] = self.0.further.get(lane.checked_sub(1)?)?;
        let runtime = match flavour {
            Flavour::Plain => plain,
            Flavour::Concurrent => concurrent,
        };
        let start = || {
            let runtime = Runtime::start_further(flavour, self.0.instances_max, &self.0.clock);
            runtime
                .inspect_err(|error| tracing::debug!("no engine for one more lane: {error}"))
                .ok()
        };
        runtime.get_or_init(start).as_ref()
    }

    pub(super) fn copies(&self) -> &Arc<Pot> {
        &self.0.copies
    }

    pub(super) fn cache(&self) -> Option<&Cache> {
        self.0.cache.as_ref()
    }

    pub(super) fn compiler(&self) -> Option<&Compiler> {
        self.0.compiler.as_ref()
    }

    pub(super) fn observers(&self) -> &Observers {
        &self.0.observers
    }

    pub(super) fn turns(&self) -> &Turns {
        &self.0.turns
    }

    pub(super) fn gate(&self) -> &Arc<Gate> {
        &self.0.gate
    }

    pub(super) fn background(&self) -> &Background {
        &self.0.background
    }

    pub(super) fn tenants(&self) -> Arc<AtomicUsize> {
        self.0.tenants.clone()
    }
}
