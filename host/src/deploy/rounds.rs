//! Looks after the files of applications, none of which waits for another's.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::catalogue::Catalogue;
use super::slot::{Place, Slot};

/// Which places are looked after now, by their addresses, and whether that was
/// asked for once more since.
#[derive(Default)]
pub(super) struct Rounds(Mutex<HashMap<usize, bool>>);

impl Rounds {
    /// Whether a look may begin; if one is under way, another one follows it.
    fn begin(&self, place: &Arc<Place>) -> bool {
        match self.lock().entry(Arc::as_ptr(place).addr()) {
            Entry::Vacant(free) => {
                free.insert(false);
                true
            }
            Entry::Occupied(mut under_way) => {
                under_way.insert(true);
                false
            }
        }
    }

    /// Whether the look that ends is to be followed by another.
    fn goes_on(&self, place: &Arc<Place>) -> bool {
        let mut under_way = self.lock();
        let place = Arc::as_ptr(place).addr();
        let is_asked = under_way.get_mut(&place).is_some_and(std::mem::take);
        if !is_asked {
            under_way.remove(&place);
        }
        is_asked
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<usize, bool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Catalogue {
    /// As [`refresh`](Self::refresh), without waiting for it, and without one
    /// application's waiting for another, whose new version may take minutes to
    /// compile. What came of it is in the log.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn refresh_each(&self) {
        for place in self.0.places() {
            if self.0.rounds.begin(&place) {
                tokio::spawn(look_after(self.clone(), place));
            }
        }
    }
}

async fn look_after(catalogue: Catalogue, place: Arc<Place>) {
    let slot = Slot::from(place.clone());
    loop {
        slot.refresh().await;
        if !catalogue.0.rounds.goes_on(&place) {
            return;
        }
    }
}
