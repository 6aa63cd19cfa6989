//! What was taken from a response and has not been sent.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;

use crate::cgi::ToCome;
use crate::message::{Journal, Pieces, Portion, Pot};

/// How many pieces there may be before small ones are copied together: most
/// responses are a head and a piece or two, and leave at once.
const FEW_PIECES: usize = 16;

/// How much of a response may wait while its request's body still comes, bytes, at least
/// and at most.
const HELD_BYTES_MIN: usize = 128 * 1024;
const HELD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What all of them may have beyond the least, bytes, and by how much one has more of it at
/// a time.
const HELD_BYTES_ALL: usize = 64 * 1024 * 1024;
const HELD_STEP_BYTES: usize = 256 * 1024;

/// That memory, which tenants share.
static HELD: LazyLock<Arc<Pot>> = LazyLock::new(|| Pot::of(HELD_BYTES_ALL));

/// The part of a response that waits to leave.
pub(super) struct Outgoing {
    pieces: Pieces,
    pub(super) to_come: ToCome,
    /// What it has beyond the least.
    hold: Portion,
}

impl Default for Outgoing {
    fn default() -> Self {
        Self {
            pieces: Pieces::default(),
            to_come: ToCome::default(),
            hold: HELD.portion(),
        }
    }
}

impl Outgoing {
    pub(super) fn push(&mut self, piece: Bytes) {
        self.pieces.push(piece, FEW_PIECES);
    }

    /// How many bytes wait.
    pub(super) fn bytes(&self) -> usize {
        self.pieces.bytes()
    }

    /// How many bytes may wait until the request's body is complete.
    pub(super) fn room_to_hold(&self) -> usize {
        HELD_BYTES_MIN + self.hold.amount()
    }

    /// Makes room for more, if whoever the request belongs to may have it; whether it did.
    pub(super) fn hold_more(&mut self, journal: &Journal) -> bool {
        let more = HELD_BYTES_MAX.saturating_sub(self.room_to_hold());
        more > 0 && self.hold.grow(more.min(HELD_STEP_BYTES), journal)
    }

    /// All that waits, for the first `bytes` of it to be taken out.
    pub(super) fn take(&mut self, bytes: usize) -> &mut VecDeque<Bytes> {
        self.hold.shrink(self.bytes().saturating_sub(bytes));
        self.pieces.take(bytes)
    }

    /// A copy of what waits.
    pub(super) fn pieces(&mut self) -> VecDeque<Bytes> {
        self.pieces.take(0).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_small_pieces_are_few_entries() {
        let mut outgoing = Outgoing::default();
        for number in 0..100_000_u32 {
            outgoing.push(Bytes::from(vec![number as u8]));
        }
        assert_eq!(outgoing.bytes(), 100_000);
        let pieces = outgoing.pieces();
        assert!(pieces.len() <= FEW_PIECES + 1, "{} entries", pieces.len());
        let expected = (0..100_000_u32).map(|number| number as u8);
        assert!(pieces.iter().flatten().copied().eq(expected));
    }

    #[test]
    fn what_is_held_back_has_a_limit_for_each_and_for_all() {
        let journal = Journal::new();
        let full = |mut outgoing: Outgoing| {
            while outgoing.hold_more(&journal) {}
            outgoing.push(vec![0; outgoing.room_to_hold()].into());
            outgoing
        };
        let mut held = vec![full(Outgoing::default())];
        assert_eq!(held[0].room_to_hold(), HELD_BYTES_MAX);
        while held[held.len() - 1].room_to_hold() > HELD_BYTES_MIN {
            held.push(full(Outgoing::default()));
        }
        // Half of it is left to other tenants.
        let all: usize = held.iter().map(|outgoing| outgoing.hold.amount()).sum();
        assert_eq!(all, HELD_BYTES_ALL / 2);
        // It comes back as it leaves.
        held[0].take(HELD_BYTES_MAX - 10);
        assert_eq!(held[0].hold.amount(), 10);
    }

    #[test]
    fn pieces_keep_their_order_whatever_their_size() {
        let mut outgoing = Outgoing::default();
        let mut pushed = Vec::new();
        let sizes = [1, 3_000, 5, 7, 4_096, 2].into_iter().cycle();
        for (number, bytes) in sizes.take(60).enumerate() {
            let piece = vec![number as u8; bytes];
            pushed.extend_from_slice(&piece);
            outgoing.push(piece.into());
        }
        let popped = outgoing.pieces().into_iter().flatten();
        assert!(popped.eq(pushed));
    }
}
