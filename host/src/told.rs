//! What the log is told now and then, however often it happens.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long the log is spared of what it was told. Whoever brings it about, a
/// flood of refusals or somebody who may write a file, would fill it else.
const SPARED: Duration = Duration::from_secs(10);

/// How often the log was told of something, and was not.
#[derive(Debug, Default)]
pub(crate) struct Told(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    since: Option<Instant>,
    said: u32,
    unsaid: u64,
}

impl Told {
    /// Whether the log may be told once more, at most so often in [`SPARED`], and
    /// how often it was not told before.
    pub(crate) fn is_news(&self, most: u32) -> Option<u64> {
        let mut counts = self.lock();
        let now = Instant::now();
        let is_over = |since| now.duration_since(since) >= SPARED;
        if counts.since.is_none_or(is_over) {
            counts.since = Some(now);
            counts.said = 0;
        }
        if counts.said >= most {
            counts.unsaid += 1;
            return None;
        }
        counts.said += 1;
        Some(std::mem::take(&mut counts.unsaid))
    }

    /// As if the time had passed for which the log is spared.
    #[cfg(test)]
    pub(crate) fn pass_time(&self) {
        self.lock().since = Instant::now().checked_sub(SPARED);
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is added to a line about those that were not told.
pub(crate) fn besides(unsaid: u64) -> String {
    match unsaid {
        0 => String::new(),
        unsaid => format!(" ({unsaid} more since it was last said)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_told_a_few_times_and_then_how_often() {
        let told = Told::default();
        let news: Vec<_> = (0..5).map(|_| told.is_news(2)).collect();
        assert_eq!(news, [Some(0), Some(0), None, None, None]);
        told.pass_time();
        assert_eq!(told.is_news(2), Some(3));
        assert_eq!(told.is_news(2), Some(0));
        assert_eq!(told.is_news(2), None);
    }
}
