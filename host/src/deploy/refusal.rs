//! Versions that are not served, and for how long they are not tried again.

use super::slot::Slot;
use super::stamp::Stamp;

/// The most that is kept and told of why a file is refused, bytes: names of a
/// component's stand in it.
const REASON_BYTES_MAX: usize = 4 * 1024;

/// How long what was refused is not tried again, ms: what was lacking, a folder or file
/// descriptors for instance, may be there then, and nobody touches the file for it. At
/// least so long, and so many times what it took to find out: a component that the compiler
/// gives up takes a tenth of a processor.
const HELD_MIN: u64 = 10_000;
const HELD_TIMES: u64 = 10;

/// What was refused.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    /// `None` if there was no file.
    pub(super) stamp: Option<Stamp>,
    pub(super) reason: String,
    until: u64,
}

impl Refusal {
    /// This, for this reason, after it was tried from one time to the other, ms.
    pub(super) fn new(stamp: Option<Stamp>, mut reason: String, began: u64, ended: u64) -> Self {
        reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
        let held = ended.saturating_sub(began).saturating_mul(HELD_TIMES);
        Self {
            stamp,
            reason,
            until: ended.saturating_add(held.max(HELD_MIN)),
        }
    }

    /// Whether it is not to be tried again yet.
    pub(super) fn holds(&self, now: u64) -> bool {
        now < self.until
    }
}

impl Slot {
    /// Why the version that is there is not served, as far as it is known: the old one
    /// goes on, if one is loaded.
    pub fn refusal(&self) -> Option<String> {
        self.0.refused().map(|refused| refused.reason)
    }
}

/// The same as what was refused before, whenever that was.
impl PartialEq for Refusal {
    fn eq(&self, other: &Self) -> bool {
        (self.stamp, &self.reason) == (other.stamp, &other.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_for_longer_than_it_took() {
        let [quick, slow] = [5, 60_000].map(|ended| Refusal::new(None, String::new(), 0, ended));
        assert!(quick.holds(10_000) && !quick.holds(10_005));
        assert!(slow.holds(659_999) && !slow.holds(660_000));
        assert_eq!(quick, slow);
    }
}
