//! What a catalogue has loaded at one moment.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::Ordering;

use super::catalogue::Catalogue;
use crate::message::Owner;

/// See [`Catalogue::deployed`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deployed {
    /// How many applications are loaded.
    pub loaded: u64,
    /// How many may be at a time.
    pub loaded_max: u64,
    /// How much the loaded ones take, as [`Catalogue::loaded_bytes_max`] counts it.
    pub loaded_bytes: u64,
    /// How many were unloaded so far because others needed the room.
    pub evicted: u64,
    /// Whose file has a version that was refused, while an older one serves.
    pub refused: BTreeSet<Owner>,
}

impl Catalogue {
    /// What is loaded now.
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

impl fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Catalogue").field(&self.deployed()).finish()
    }
}
