//! What uploads have together beyond their pipes, and how tenants share it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::message::Journal;

/// How much all uploads of this process may have beyond what fits into a pipe,
/// bytes: thousands of requests may wait for a place to run, each with its body.
/// Who finds nothing left has his pipe.
const ROOMS_BYTES_MAX: usize = 128 * 1024 * 1024;

static ROOMS: Rooms = Rooms::of(ROOMS_BYTES_MAX);

/// Room for uploads, of which a tenant gets more as long as it has less than is
/// free, as it is with places: so one has half of it at most, and whoever comes then
/// finds some.
struct Rooms {
    held: Mutex<Held>,
    bytes_max: usize,
}

struct Held {
    bytes: usize,
    /// Empty is whose owner nobody knows.
    by_tenant: BTreeMap<String, usize>,
}

/// What one upload has of it.
pub(super) struct Room {
    rooms: &'static Rooms,
    tenant: String,
    bytes: usize,
}

impl Rooms {
    const fn of(bytes_max: usize) -> Self {
        let held = Held {
            bytes: 0,
            by_tenant: BTreeMap::new(),
        };
        Self {
            held: Mutex::new(held),
            bytes_max,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    /// None yet.
    pub(super) fn none() -> Self {
        Self::of(&ROOMS)
    }

    fn of(rooms: &'static Rooms) -> Self {
        let (tenant, bytes) = (String::new(), 0);
        Self {
            rooms,
            tenant,
            bytes,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes so much more, if whoever the request belongs to may have it.
    pub(super) fn grow(&mut self, bytes: usize, journal: &Journal) {
        if self.bytes == 0
            && let Some(owner) = journal.owner()
        {
            self.tenant.clone_from(&owner.tenant);
        }
        let mut held = self.rooms.lock();
        let own = held.by_tenant.get(&self.tenant).copied();
        let own = own.unwrap_or_default() + bytes;
        if own <= self.rooms.bytes_max - held.bytes {
            held.bytes += bytes;
            held.by_tenant.insert(self.tenant.clone(), own);
            self.bytes += bytes;
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if self.bytes == 0 {
            return;
        }
        let mut held = self.rooms.lock();
        held.bytes -= self.bytes;
        if let Some(own) = held.by_tenant.get_mut(&self.tenant) {
            *own -= self.bytes;
            if *own == 0 {
                held.by_tenant.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::message::Owner;

    #[test]
    fn one_tenant_leaves_room_to_others_and_all_of_it_comes_back() {
        static FEW: Rooms = Rooms::of(100);
        let of = |tenant: &str| {
            let (tenant, app) = (tenant.to_owned(), String::new());
            let journal = Journal::new();
            journal.set_owner(Arc::new(Owner { tenant, app }));
            journal
        };
        let take = |tenant: &str| {
            let journal = of(tenant);
            let mut rooms: Vec<_> = (0..100).map(|_| Room::of(&FEW)).collect();
            rooms.iter_mut().for_each(|room| room.grow(1, &journal));
            rooms.retain(|room| room.bytes() > 0);
            rooms
        };
        let noisy = take("noisy");
        assert_eq!(noisy.len(), 50);
        let quiet = take("quiet");
        assert_eq!(quiet.len(), 25);
        drop(noisy);
        let other = take("other");
        assert_eq!(other.len(), 38);
        drop((quiet, other));
        let held = FEW.lock();
        assert!(held.bytes == 0 && held.by_tenant.is_empty());
    }
}
