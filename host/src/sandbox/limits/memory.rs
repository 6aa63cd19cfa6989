//! How much memory one instance may have: its memories and tables, and what its
//! handles count as.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use wasmtime::ResourceLimiter;

use super::Meter;
use crate::sandbox::account::MEMORY_SUM;
use crate::sandbox::place::Claim;

/// Bytes of host memory that one element of a table takes.
const TABLE_ELEMENT_BYTES: u64 = 8;

/// See [`Meter::limit_memory`].
#[derive(Debug)]
pub(in crate::sandbox) struct MemoryLimit {
    meter: Arc<Meter>,
    pub(in crate::sandbox) bytes_max: u64,
    /// On the accounts of who pays, until the instance is gone.
    claim: Option<Claim>,
}

impl MemoryLimit {
    pub(super) fn new(meter: Arc<Meter>, bytes_max: u64, claim: Option<Claim>) -> Self {
        Self {
            meter,
            bytes_max,
            claim,
        }
    }

    /// Takes so much more, if it may have it.
    pub(in crate::sandbox) fn grow(&mut self, more: u64) -> bool {
        let bytes = self.meter.memory_bytes.load(Relaxed);
        let bytes = bytes.saturating_add(more);
        if bytes > self.bytes_max {
            self.meter.was_refused_memory.store(true, Relaxed);
            return false;
        }
        if let Some(claim) = &mut self.claim
            && let Err(account) = claim.grow_to(bytes)
        {
            self.meter.was_refused_memory.store(true, Relaxed);
            let _ = self.meter.memory_fault.get_or_init(|| {
                let detail = account.describe(MEMORY_SUM);
                account.exceeded(MEMORY_SUM, detail, &self.meter.journal)
            });
            return false;
        }
        self.meter.memory_bytes.store(bytes, Relaxed);
        self.meter.memory_bytes_peak.fetch_max(bytes, Relaxed);
        true
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // What its own maximum forbids will not happen, and is not counted.
        let is_possible = maximum.is_none_or(|maximum| desired <= maximum);
        Ok(is_possible && self.grow(desired.saturating_sub(current) as u64))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let elements = desired.saturating_sub(current) as u64;
        Ok(self.grow(elements.saturating_mul(TABLE_ELEMENT_BYTES)))
    }
}
