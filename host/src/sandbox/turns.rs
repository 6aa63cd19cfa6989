//! Who may compile, and who waits for it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// How many are compiled at a time, unless set. With one, a bomb would keep all others
/// from being deployed until its time is over.
pub(super) const COMPILES_MAX: usize = 3;

/// How many of one tenant's may wait for their turn.
const WAITING_MAX: usize = 64;

/// Who may compile: so many at a time, and one of each tenant.
#[derive(Debug)]
pub(super) struct Turns {
    most: usize,
    /// By the tenants' names.
    queue: Mutex<Queue>,
    free: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    compiling: Vec<String>,
    waiting: Vec<String>,
}

impl Queue {
    fn has_turn_for(&self, tenant: &str, most: usize) -> bool {
        self.compiling.len() < most && self.compiling.iter().all(|name| name != tenant)
    }
}

/// The turn of one tenant. Dropping it lets the next one have it.
pub(super) struct Turn<'t> {
    turns: &'t Turns,
    tenant: String,
}

impl Turns {
    /// So many at a time, at least one.
    pub(super) fn of(most: usize) -> Self {
        Self {
            most: most.max(1),
            queue: Mutex::default(),
            free: Condvar::new(),
        }
    }

    /// Waits for a turn, on a thread that may wait. `None` if too many of this
    /// tenant's wait already.
    pub(super) fn take(&self, tenant: &str) -> Option<Turn<'_>> {
        let mut queue = self.lock();
        let waiting = queue.waiting.iter().filter(|name| *name == tenant);
        if waiting.count() >= WAITING_MAX {
            return None;
        }
        queue.waiting.push(tenant.to_owned());
        while !queue.has_turn_for(tenant, self.most) {
            queue = self
                .free
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let own = queue.waiting.iter().position(|name| name == tenant);
        if let Some(own) = own {
            queue.waiting.swap_remove(own);
        }
        queue.compiling.push(tenant.to_owned());
        Some(Turn {
            turns: self,
            tenant: tenant.to_owned(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut queue = self.turns.lock();
        let own = queue.compiling.iter().position(|name| *name == self.tenant);
        if let Some(own) = own {
            queue.compiling.swap_remove(own);
        }
        self.turns.free.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn each_tenant_has_one_turn_and_all_have_a_few() {
        let turns = Turns::of(3);
        let bomb = turns.take("noisy").expect("the first");
        let others = ["a", "b"].map(|tenant| turns.take(tenant).expect("at once"));
        assert_eq!(turns.lock().compiling.len(), 3);
        thread::scope(|scope| {
            let next = scope.spawn(|| turns.take("noisy").is_some());
            while turns.lock().waiting.is_empty() {
                thread::yield_now();
            }
            drop(others);
            // There is room now, but not for this tenant.
            assert_eq!(turns.lock().waiting, ["noisy"]);
            drop(turns.take("c"));
            drop(bomb);
            assert!(next.join().expect("no panic"));
        });
        turns.lock().waiting = vec!["noisy".to_owned(); WAITING_MAX];
        assert!(turns.take("noisy").is_none() && turns.take("quiet").is_some());
    }
}
