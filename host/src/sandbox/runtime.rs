//! One set-up of wasmtime: its compiler, its pool, its clock, and the imports
//! that guests are given.

use std::fs;
use std::path::Path;

use wasmtime::component;
use wasmtime::{Config, Enabled, PoolingAllocationConfig};

use super::clock::Clock;
use super::dirty_pages;
use super::guest::Guest;
use super::instances::STACKS_MAX;
use super::worlds;
use crate::setup::SetupError;

/// What one component may consist of, at most: CPython has 14 core modules,
/// 5 memories and about 10 tables. Each instance has room for as much in the
/// pool, so that a pool with a free place is never too small.
const CORE_INSTANCES_MAX: u32 = 64;
pub(super) const MEMORIES_MAX: u32 = 8;
pub(super) const TABLES_MAX: u32 = 32;

/// How many stacks an instance may have at a time, where calls do not overlap: its
/// own, and one that is kept for the next call.
const PLAIN_STACKS_MAX: u32 = 2;

/// How many elements each table may have: one for each function that is called
/// by pointer. Ruby has 14,000.
pub(super) const TABLE_ELEMENTS_MAX: usize = 100_000;

/// How much of a memory or table stays in place when an instance is dropped
/// and is reset by copying instead of unmapping, bytes. Unmapping stops every
/// other processor, which makes a second one slow things down (25 → 100 µs a
/// request without).
const MEMORY_KEPT_BYTES_MIN: usize = 1024 * 1024;
const TABLE_KEPT_BYTES: usize = 64 * 1024;

/// The most of it: CPython with a web framework writes to 25 MB of its image, and
/// each page of it that was unmapped costs the next request a fault.
const MEMORY_KEPT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How large a memory's image may be for it to be copied on write whatever holes
/// it has, bytes. Ruby's has 22 MB over a span of 57; written out for each
/// request, they took most of its 30 ms.
const IMAGE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Which part of the memory that there is for this process places may keep that no instance
/// is in, as long as its application is loaded; and which part of that those of a further
/// lane.
const MEMORY_KEPT_PART: u64 = 4;
const FURTHER_PART: usize = 4;

/// What a guest needs of wasmtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flavour {
    /// Everything up to WASI 0.2.
    Plain,
    /// The component model's concurrency too, as WASI 0.3 has it. It makes
    /// every instance dearer by two thirds, whether it is used or not.
    Concurrent,
}

impl Flavour {
    /// wasmtime as it compiles for this flavour, and runs nothing: it takes no
    /// address space.
    pub(super) fn compiler(self, is_pooled: bool) -> wasmtime::Result<wasmtime::Engine> {
        let mut config = common_config(self);
        if !is_pooled {
            spare_addresses(&mut config);
        }
        wasmtime::Engine::new(&config)
    }

    /// How many stacks an instance may have at a time.
    fn stacks_max(self) -> u32 {
        match self {
            Self::Plain => PLAIN_STACKS_MAX,
            Self::Concurrent => STACKS_MAX,
        }
    }

    /// How a compiler's output begins.
    pub(super) fn mark(self) -> u8 {
        match self {
            Self::Plain => b'p',
            Self::Concurrent => b'c',
        }
    }

    /// The flavour that a compiler's output is for, and the rest of it.
    pub(super) fn of_artifact(mut output: Vec<u8>) -> Option<(Self, Vec<u8>)> {
        let flavours = [Self::Plain, Self::Concurrent];
        let flavour = flavours
            .into_iter()
            .find(|flavour| output.first() == Some(&flavour.mark()))?;
        output.remove(0);
        Some((flavour, output))
    }
}

/// wasmtime, set up for one flavour.
pub(super) struct Runtime {
    pub(super) wasmtime: wasmtime::Engine,
    pub(super) linker: component::Linker<Guest>,
    pub(super) module_linker: wasmtime::Linker<Guest>,
    pub(super) is_pooled: bool,
    pub(super) flavour: Flavour,
}

impl Runtime {
    pub(super) fn start(
        flavour: Flavour,
        instances_max: usize,
        clock: &Clock,
    ) -> Result<Self, SetupError> {
        let (wasmtime, is_pooled) = start_wasmtime(flavour, instances_max)?;
        Self::of(wasmtime, is_pooled, flavour, clock)
    }

    /// One more with the same settings, for a further lane. It needs a pool.
    pub(super) fn start_further(
        flavour: Flavour,
        instances_max: usize,
        clock: &Clock,
    ) -> Result<Self, SetupError> {
        let kept = memory_kept(instances_max) / FURTHER_PART;
        let wasmtime = start_pooled(flavour, instances_max, kept.max(MEMORY_KEPT_BYTES_MIN));
        let wasmtime = wasmtime.map_err(|error| SetupError::new(format!("{error:#}")))?;
        Self::of(wasmtime, true, flavour, clock)
    }

    fn of(
        wasmtime: wasmtime::Engine,
        is_pooled: bool,
        flavour: Flavour,
        clock: &Clock,
    ) -> Result<Self, SetupError> {
        let unfit = |error: wasmtime::Error| {
            SetupError::new(format!("the host's imports do not fit together: {error:#}"))
        };
        let runtime = Self {
            linker: worlds::link(&wasmtime, flavour).map_err(unfit)?,
            module_linker: worlds::link_modules(&wasmtime).map_err(unfit)?,
            wasmtime,
            is_pooled,
            flavour,
        };
        clock.drive(&runtime.wasmtime);
        Ok(runtime)
    }
}

/// With a pool if the address space has room for it, else without.
fn start_wasmtime(
    flavour: Flavour,
    instances_max: usize,
) -> Result<(wasmtime::Engine, bool), SetupError> {
    let reason = match start_pooled(flavour, instances_max, memory_kept(instances_max)) {
        Ok(engine) => return Ok((engine, true)),
        Err(reason) => reason,
    };
    tracing::warn!(
        "there is too little address space for a pool of {instances_max} instances, so each is \
         allocated on its own, which is slower: raise the limit (`ulimit -v`) or lower \
         --max-concurrent, or `instances` of a configuration ({reason:#})"
    );
    let mut config = common_config(flavour);
    spare_addresses(&mut config);
    let engine = wasmtime::Engine::new(&config).map_err(|error| {
        SetupError::new(format!(
            "WebAssembly can not be run on this system: {error:#}"
        ))
    })?;
    Ok((engine, false))
}

fn start_pooled(
    flavour: Flavour,
    instances_max: usize,
    memory_kept: usize,
) -> wasmtime::Result<wasmtime::Engine> {
    let mut config = common_config(flavour);
    config.allocation_strategy(pool(flavour, instances_max, memory_kept));
    wasmtime::Engine::new(&config)
}

/// Memories that need hardly more address space than they have bytes.
fn spare_addresses(config: &mut Config) {
    config
        .memory_reservation(0)
        .memory_reservation_for_growth(1024 * 1024)
        .memory_guard_size(0)
        .gc_heap_reservation(0)
        .gc_heap_reservation_for_growth(1024 * 1024)
        .gc_heap_guard_size(0);
}

fn common_config(flavour: Flavour) -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.memory_guaranteed_dense_image_size(IMAGE_BYTES_MAX);
    config.concurrency_support(flavour == Flavour::Concurrent);
    config
}

fn pool(flavour: Flavour, instances_max: usize, memory_kept: usize) -> PoolingAllocationConfig {
    let instances = u32::try_from(instances_max).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES_MAX))
        // One more, because a heap for garbage-collected values takes one.
        .total_memories(instances.saturating_mul(MEMORIES_MAX + 1))
        .total_gc_heaps(instances)
        .total_tables(instances.saturating_mul(TABLES_MAX))
        .total_stacks(instances.saturating_mul(flavour.stacks_max()))
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        .max_memories_per_component(MEMORIES_MAX)
        .max_tables_per_component(TABLES_MAX)
        .max_memories_per_module(MEMORIES_MAX)
        .max_tables_per_module(TABLES_MAX)
        .table_elements(TABLE_ELEMENTS_MAX)
        .max_unused_warm_slots(instances)
        .linear_memory_keep_resident(memory_kept)
        .table_keep_resident(TABLE_KEPT_BYTES)
        .pagemap_scan(match dirty_pages::are_found() {
            true => Enabled::Yes,
            false => Enabled::No,
        });
    pool
}

/// How much of each memory stays in place, bytes: as much as a fair part of the
/// machine allows, where the system can tell which pages were written (Linux
/// 6.7). Elsewhere all of it would be copied, written or not.
fn memory_kept(instances: usize) -> usize {
    if !dirty_pages::are_found() {
        return MEMORY_KEPT_BYTES_MIN;
    }
    let system = rustix::system::sysinfo();
    let memory_bytes = system.totalram as u64 * u64::from(system.mem_unit);
    let memory_bytes = memory_bytes.min(memory_of_group().unwrap_or(u64::MAX));
    let share = memory_bytes / MEMORY_KEPT_PART / instances.max(1) as u64;
    let share = usize::try_from(share).unwrap_or(usize::MAX);
    share.clamp(MEMORY_KEPT_BYTES_MIN, MEMORY_KEPT_BYTES_MAX)
}

/// How much the control group that this process is in may have, bytes (cgroups(7), version
/// 2): of a unit's `MemoryMax=`, or of a container. `None` if that is not limited.
fn memory_of_group() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let own = Path::new("/sys/fs/cgroup").join(own);
    // What holds one of them holds those in it.
    let limits = own.ancestors().filter_map(|group| {
        let limit = fs::read_to_string(group.join("memory.max")).ok()?;
        limit.trim().parse().ok()
    });
    limits.min()
}
