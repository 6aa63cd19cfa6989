//! An allowance that refills over time, up to a limit.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// A bucket with so many units, which come back at a steady rate. All of its
/// state is one number: the time at which it will be full again. So taking is
/// one atomic operation, and nothing has to run to refill it.
#[derive(Debug)]
pub(super) struct Bucket {
    began: Instant,
    /// Nanoseconds since then.
    full_at: AtomicU64,
    nanos_per_unit: f64,
    /// How long an empty one takes until it is full, nanoseconds.
    refill: u64,
}

impl Bucket {
    /// A full one.
    pub(super) fn new(units_per_second: f64, units_max: f64) -> Self {
        let nanos_per_unit = 1e9 / units_per_second;
        Self {
            began: Instant::now(),
            full_at: AtomicU64::new(0),
            nanos_per_unit,
            refill: (units_max * nanos_per_unit) as u64,
        }
    }

    /// Takes units that were used already: what is not there is owed.
    pub(super) fn charge(&self, units: u64) {
        let cost = (units as f64 * self.nanos_per_unit) as u64;
        let now = self.now();
        let taken = |full_at: u64| Some(full_at.max(now).saturating_add(cost));
        // It always gives a value, so this does not fail.
        let _ = self.full_at.fetch_update(Relaxed, Relaxed, taken);
    }

    /// Takes units if there are any, be they too few. Whether it did.
    pub(super) fn take(&self, units: u64) -> bool {
        let has_any = !self.is_empty();
        if has_any {
            self.charge(units);
        }
        has_any
    }

    /// How long until there is something in it; zero if there is.
    pub(super) fn wait(&self) -> Duration {
        Duration::from_nanos(self.full_in().saturating_sub(self.refill))
    }

    /// How long until it is full: the longer, the more was taken lately.
    pub(super) fn full_in(&self) -> u64 {
        self.full_at.load(Relaxed).saturating_sub(self.now())
    }

    /// Whether nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        !self.wait().is_zero()
    }

    fn now(&self) -> u64 {
        self.began.elapsed().as_nanos() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_comes_back_at_its_rate() {
        let bucket = Bucket::new(10.0, 100.0);
        assert!(bucket.take(60) && bucket.take(60));
        // It owes 20 now, which takes two seconds.
        assert!(bucket.is_empty() && !bucket.take(1));
        let wait = bucket.wait();
        assert!(wait <= Duration::from_secs(2) && wait > Duration::from_millis(1));
    }

    #[test]
    fn it_holds_no_more_than_its_limit() {
        let bucket = Bucket::new(1e12, 5.0);
        std::thread::sleep(Duration::from_millis(1));
        bucket.charge(1_000_000_000_000);
        assert!(bucket.wait() > Duration::from_millis(500));
    }
}
