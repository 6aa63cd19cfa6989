//! What a request's guest waits for, as far as somebody has a name for it.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::journal::Journal;

/// How many are known at a time. A guest may wait for thousands of timers, and
/// nobody reads so many.
const WAITS_MAX: usize = 8;

/// Those that are under way, by numbers.
#[derive(Default)]
pub(super) struct Waits(Mutex<Vec<(u64, Cow<'static, str>)>>);

/// A wait that is under way, until it is dropped.
pub(crate) struct Wait {
    journal: Arc<Journal>,
    number: u64,
}

impl Waits {
    fn lock(&self) -> MutexGuard<'_, Vec<(u64, Cow<'static, str>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal {
    /// Notes that the guest waits for this. `None` if enough is known.
    pub(crate) fn waits_for(self: &Arc<Self>, what: Cow<'static, str>) -> Option<Wait> {
        let mut waits = self.waits.lock();
        if waits.len() >= WAITS_MAX {
            return None;
        }
        let number = waits.last().map_or(0, |(last, _)| last + 1);
        waits.push((number, what));
        let journal = self.clone();
        Some(Wait { journal, number })
    }

    /// What it waits for, the longest wait first.
    pub(crate) fn waits(&self) -> Vec<Cow<'static, str>> {
        let waits = self.waits.lock();
        waits.iter().map(|(_, what)| what.clone()).collect()
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut waits = self.journal.waits.lock();
        waits.retain(|(number, _)| *number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_waits_are_known_while_they_last() {
        let journal = Arc::new(Journal::new());
        let first = journal.waits_for("first".into());
        let second = journal.waits_for("second".into());
        assert_eq!(journal.waits(), ["first", "second"]);
        drop(first);
        let more: Vec<_> = (0..100).map(|_| journal.waits_for("more".into())).collect();
        assert_eq!(journal.waits()[..2], ["second", "more"]);
        assert_eq!(journal.waits().len(), WAITS_MAX);
        drop((second, more));
        assert!(journal.waits().is_empty());
    }
}
