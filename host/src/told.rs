//! What the log is told now and then, however often it happens.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long the log is spared of what it was told. Whoever brings it about, a
/// flood of refusals or somebody who may write a file, would fill it else.
const SPARED: Duration = Duration::from_secs(10);

/// How often the log was told of something, and was not.
#[derive(Debug, Default)]
pub(crate) struct Told(Mutex<Counts>);

impl Told {
    /// Whether the log may be told once more, at most so often in [`SPARED`], and
    /// how often it was not told before.
    pub(crate) fn is_news(&self, most: u32) -> Option<u64> {
        self.lock().is_news(most)
    }

    /// As if the time had passed for which the log is spared.
    #[cfg(test)]
    pub(crate) fn pass_time(&self) {
        self.lock().pass_time();
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The same of several things, each by its key.
#[derive(Debug)]
pub(crate) struct ToldOf<K>(Mutex<HashMap<K, Counts>>);

/// How many things are remembered before those are forgotten that were not told
/// lately.
const KEYS_MAX: usize = 1024;

impl<K: Eq + Hash> ToldOf<K> {
    /// As [`Told::is_news`], of this one.
    pub(crate) fn is_news(&self, key: K, most: u32) -> Option<u64> {
        let mut all = self.lock();
        if all.len() >= KEYS_MAX && !all.contains_key(&key) {
            let now = Instant::now();
            all.retain(|_, counts| !counts.is_over(now));
        }
        all.entry(key).or_default().is_news(most)
    }

    /// As if the time had passed for which the log is spared.
    #[cfg(test)]
    pub(crate) fn pass_time(&self) {
        self.lock().values_mut().for_each(Counts::pass_time);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Counts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K> Default for ToldOf<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

#[derive(Debug, Default)]
struct Counts {
    since: Option<Instant>,
    said: u32,
    unsaid: u64,
}

impl Counts {
    fn is_news(&mut self, most: u32) -> Option<u64> {
        let now = Instant::now();
        if self.is_over(now) {
            self.since = Some(now);
            self.said = 0;
        }
        if self.said >= most {
            self.unsaid += 1;
            return None;
        }
        self.said += 1;
        Some(std::mem::take(&mut self.unsaid))
    }

    /// Whether the log was spared for long enough.
    fn is_over(&self, now: Instant) -> bool {
        let is_over = |since| now.duration_since(since) >= SPARED;
        self.since.is_none_or(is_over)
    }

    #[cfg(test)]
    fn pass_time(&mut self) {
        self.since = Instant::now().checked_sub(SPARED);
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

    #[test]
    fn each_of_several_is_told_by_itself_and_forgotten_in_time() {
        let told = ToldOf::default();
        assert_eq!(told.is_news(0, 1), Some(0));
        assert_eq!(told.is_news(0, 1), None);
        assert_eq!(told.is_news(1, 1), Some(0));
        told.pass_time();
        assert_eq!(told.is_news(0, 1), Some(1));
        told.pass_time();
        (1..=KEYS_MAX).for_each(|key| assert!(told.is_news(key, 1).is_some()));
        assert!(told.lock().len() <= KEYS_MAX);
    }
}
