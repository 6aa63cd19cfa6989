//! What several tenants share, so that one leaves some to the others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Journal;

/// A number that requests have together. A tenant gets more of it as long as it has
/// less than is free, as it is with places: so one has half of it at most, and
/// whoever comes then finds some.
#[derive(Debug)]
pub(crate) struct Pot {
    held: Mutex<Held>,
    most: usize,
}

#[derive(Debug, Default)]
struct Held {
    amount: usize,
    /// Empty is whose owner nobody knows.
    by_tenant: BTreeMap<String, usize>,
}

impl Held {
    /// How much more of so much this tenant may have: as much as it leaves free beyond
    /// what it has. `None` if it has more than is free already.
    fn left_for(&self, tenant: &str, most: usize) -> Option<usize> {
        let own = self.by_tenant.get(tenant).copied().unwrap_or_default();
        (most - self.amount).checked_sub(own)
    }
}

/// What one request has of it.
#[derive(Debug)]
pub(crate) struct Portion {
    pot: Arc<Pot>,
    tenant: String,
    amount: usize,
}

impl Pot {
    pub(crate) fn of(most: usize) -> Arc<Self> {
        let held = Mutex::default();
        Arc::new(Self { held, most })
    }

    /// A portion with nothing in it.
    pub(crate) fn portion(self: &Arc<Self>) -> Portion {
        Portion {
            pot: self.clone(),
            tenant: String::new(),
            amount: 0,
        }
    }

    /// How much more this tenant may have.
    pub(crate) fn left_for(&self, tenant: &str) -> usize {
        self.lock().left_for(tenant, self.most).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Portion {
    pub(crate) fn amount(&self) -> usize {
        self.amount
    }

    /// Takes so much more, if whoever the request belongs to may have it; whether
    /// it did.
    pub(crate) fn grow(&mut self, amount: usize, journal: &Journal) -> bool {
        let owner = journal.owner();
        self.grow_for(owner.map_or("", |owner| &owner.tenant), amount)
    }

    /// The same for something of this tenant's.
    pub(crate) fn grow_for(&mut self, tenant: &str, amount: usize) -> bool {
        if self.amount == 0 {
            tenant.clone_into(&mut self.tenant);
        }
        let mut held = self.pot.lock();
        let left = held.left_for(&self.tenant, self.pot.most);
        let may_grow = left.is_some_and(|left| amount <= left);
        if may_grow && amount > 0 {
            held.amount += amount;
            *held.by_tenant.entry(self.tenant.clone()).or_default() += amount;
            self.amount += amount;
        }
        may_grow
    }

    /// Keeps no more than so much.
    pub(crate) fn shrink(&mut self, amount: usize) {
        let less = self.amount.saturating_sub(amount);
        if less == 0 {
            return;
        }
        self.amount -= less;
        let mut held = self.pot.lock();
        held.amount -= less;
        if let Some(own) = held.by_tenant.get_mut(&self.tenant) {
            *own -= less;
            if *own == 0 {
                held.by_tenant.remove(&self.tenant);
            }
        }
    }
}

impl Drop for Portion {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Owner;

    #[test]
    fn one_tenant_leaves_some_to_others_and_all_of_it_comes_back() {
        let pot = Pot::of(100);
        let of = |tenant: &str| {
            let (tenant, app) = (tenant.to_owned(), String::new());
            let journal = Journal::new();
            journal.set_owner(Arc::new(Owner { tenant, app }));
            journal
        };
        let take = |tenant: &str| {
            let journal = of(tenant);
            let mut portions: Vec<_> = (0..100).map(|_| pot.portion()).collect();
            portions.retain_mut(|portion| portion.grow(1, &journal));
            portions
        };
        let noisy = take("noisy");
        assert_eq!(noisy.len(), 50);
        let quiet = take("quiet");
        assert_eq!(quiet.len(), 25);
        drop(noisy);
        let other = take("other");
        assert_eq!(other.len(), 38);
        drop((quiet, other));
        let held = pot.lock();
        assert!(held.amount == 0 && held.by_tenant.is_empty());
    }
}
