//! Operations on files that go on after the instance that began them is gone.
//!
//! The system does not break them off: to open a pipe waits for who opens its
//! other end, to open a file for who has a lease of it, and a file server that
//! does not answer keeps everybody waiting. Each holds one of the tenant's
//! threads for files, or waits for one.

use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError, Weak};

/// How many operations of a tenant may go on like this before its next requests
/// are refused. Those of requests that just ended are among them for a moment.
pub(super) const ABANDONED_MAX: usize = 32;

/// The files of a tenant whose instances are gone.
#[derive(Debug, Default)]
pub(super) struct Abandoned {
    files: Mutex<Vec<Weak<File>>>,
    /// How many these are at most, for a look without the lock.
    count: AtomicUsize,
}

impl Abandoned {
    /// Notes files of an instance that ends. Those with which nothing goes on are
    /// forgotten when it comes to that.
    pub(super) fn add(&self, ended: impl Iterator<Item = Weak<File>>) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.extend(ended);
        if files.len() > 2 * ABANDONED_MAX {
            files.retain(|file| file.strong_count() > 0);
        }
        self.count.store(files.len(), Relaxed);
    }

    /// Whether too many operations go on.
    pub(super) fn are_too_many(&self) -> bool {
        if self.count.load(Relaxed) <= ABANDONED_MAX {
            return false;
        }
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.retain(|file| file.strong_count() > 0);
        self.count.store(files.len(), Relaxed);
        // Each operation has the file to itself once more.
        let operations: usize = files.iter().map(Weak::strong_count).sum();
        operations > ABANDONED_MAX
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_goes_on_is_told_from_what_has_ended() {
        let abandoned = Abandoned::default();
        let file = || Arc::new(File::open("/").expect("a folder"));
        for _ in 0..10 * ABANDONED_MAX {
            abandoned.add(std::iter::once(Arc::downgrade(&file())));
            assert!(!abandoned.are_too_many());
        }
        let going_on: Vec<_> = (0..=ABANDONED_MAX).map(|_| file()).collect();
        abandoned.add(going_on.iter().map(Arc::downgrade));
        assert!(abandoned.are_too_many());
        drop(going_on);
        assert!(!abandoned.are_too_many());
    }
}
