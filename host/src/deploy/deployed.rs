//! What a catalogue has loaded at one moment.

use std::sync::atomic::Ordering;

use super::catalogue::Catalogue;
use crate::message::Deployed;

impl Catalogue {
    /// What is loaded now, for a [`Board`](crate::Board) to show.
    pub fn deployed(&self) -> Deployed {
        let mut deployed = Deployed {
            loaded_max: self.0.loaded_max() as u64,
            evicted: self.0.evicted.load(Ordering::Relaxed),
            ..Deployed::default()
        };
        for place in self.0.places() {
            if !place.is_filled() {
                continue;
            }
            deployed.loaded += 1;
            deployed.loaded_bytes += place.loaded_bytes();
            if place.refused_version().is_some() {
                deployed.refused.insert(place.owner().clone());
            }
        }
        deployed
    }
}
