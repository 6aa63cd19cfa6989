//! Lines that logs have dropped, also those that are not written to any more.

use super::lines::LogFile;

/// The logs whose dropped lines count.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    open: Vec<LogFile>,
    /// What those dropped that were watched earlier.
    earlier: u64,
}

impl Dropped {
    /// How many lines that is.
    pub(super) fn lines(&self) -> u64 {
        let open: u64 = self.open.iter().map(LogFile::dropped).sum();
        self.earlier + open
    }

    /// Counts those of these logs instead. One that stays counts on from what it had.
    pub(super) fn change(&mut self, logs: Vec<LogFile>) {
        let of_these: u64 = logs.iter().map(LogFile::dropped).sum();
        self.earlier = self.lines().saturating_sub(of_these);
        self.open = logs;
    }
}
