//! What was taken from a response and has not been sent.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::message::Pieces;

/// How many pieces there may be before small ones are copied together: most
/// responses are a head and a piece or two, and leave at once.
const FEW_PIECES: usize = 16;

/// The part of a response that waits to leave.
#[derive(Default)]
pub(super) struct Outgoing {
    pieces: Pieces,
    /// How much of the announced length is to come.
    pub(super) to_come: Option<u64>,
}

impl Outgoing {
    pub(super) fn push(&mut self, piece: Bytes) {
        self.pieces.push(piece, FEW_PIECES);
    }

    /// How many bytes wait.
    pub(super) fn bytes(&self) -> usize {
        self.pieces.bytes()
    }

    /// All that waits, for the first `bytes` of it to be taken out.
    pub(super) fn take(&mut self, bytes: usize) -> &mut VecDeque<Bytes> {
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
