//! What the log is told now and then, however often it happens.

use std::time::{Duration, Instant};

/// How long the log is spared of what it was told. Whoever brings it about, a
/// flood of refusals or somebody who may write a file, would fill it else.
const SPARED: Duration = Duration::from_secs(10);

/// How often the log was told of something, and was not.
#[derive(Debug, Default)]
pub(crate) struct Told {
    since: Option<Instant>,
    said: u32,
    unsaid: u64,
}

impl Told {
    /// Whether the log may be told once more, at most so often in [`SPARED`], and
    /// how often it was not told before.
    pub(crate) fn is_news(&mut self, most: u32) -> Option<u64> {
        let now = Instant::now();
        let is_over = |since| now.duration_since(since) >= SPARED;
        if self.since.is_none_or(is_over) {
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

    /// As if the time had passed for which the log is spared.
    #[cfg(test)]
    pub(crate) fn pass_time(&mut self) {
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
        let mut told = Told::default();
        let news: Vec<_> = (0..5).map(|_| told.is_news(2)).collect();
        assert_eq!(news, [Some(0), Some(0), None, None, None]);
        told.pass_time();
        assert_eq!(told.is_news(2), Some(3));
        assert_eq!(told.is_news(2), Some(0));
        assert_eq!(told.is_news(2), None);
    }
}
