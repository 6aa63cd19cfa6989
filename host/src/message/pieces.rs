//! Bytes that wait in the pieces in which they came.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Pieces below this are copied together, bytes. A piece refers to the buffer
/// it was read into and keeps all of that alive, which is no loss only while
/// the piece is a good part of it; and an entry for each of a byte would be many
/// times as large as what it holds.
const COPY_BYTES_MAX: usize = 2 * 1024;

/// In their order, small ones copied together.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    whole: VecDeque<Bytes>,
    /// Small pieces that came after those.
    tail: BytesMut,
    bytes: usize,
}

impl Pieces {
    /// Adds a piece. While there are fewer than `few` it stays as it is,
    /// whatever its size.
    pub(crate) fn push(&mut self, piece: Bytes, few: usize) {
        self.bytes += piece.len();
        if piece.len() < COPY_BYTES_MAX && self.whole.len() >= few {
            self.tail.extend_from_slice(&piece);
        } else {
            self.all().push_back(piece);
        }
    }

    /// Adds a copy of these bytes.
    pub(crate) fn copy(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        if bytes.len() < COPY_BYTES_MAX {
            self.tail.extend_from_slice(bytes);
        } else {
            self.all().push_back(Bytes::copy_from_slice(bytes));
        }
    }

    /// How many bytes they have.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// All of them as one piece.
    pub(crate) fn join(mut self) -> Bytes {
        if self.whole.is_empty() {
            return self.tail.freeze();
        }
        let all = Vec::from(std::mem::take(self.all()));
        match &all[..] {
            [only] => only.clone(),
            pieces => pieces.concat().into(),
        }
    }

    /// Takes the first one out, which is empty if there is none.
    pub(crate) fn pop(&mut self) -> Bytes {
        let first = self.whole.pop_front();
        let first = first.unwrap_or_else(|| self.tail.split().freeze());
        self.bytes -= first.len();
        first
    }

    /// All of them, for the first `bytes` to be taken out.
    pub(crate) fn take(&mut self, bytes: usize) -> &mut VecDeque<Bytes> {
        self.bytes -= bytes;
        self.all()
    }

    fn all(&mut self) -> &mut VecDeque<Bytes> {
        if !self.tail.is_empty() {
            self.whole.push_back(self.tail.split().freeze());
        }
        &mut self.whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_join_in_their_order_whatever_their_size() {
        for sizes in [
            &[][..],
            &[1],
            &[5_000],
            &[1, 5_000, 2, 3, 9_000],
            &[9_000, 1],
        ] {
            let (mut pieces, mut all) = (Pieces::default(), Vec::new());
            for (number, &bytes) in sizes.iter().enumerate() {
                let piece = vec![number as u8; bytes];
                all.extend_from_slice(&piece);
                match number % 2 {
                    0 => pieces.copy(&piece),
                    _ => pieces.push(piece.into(), 0),
                }
            }
            assert_eq!(pieces.bytes(), all.len());
            assert_eq!(pieces.join(), all);
        }
    }
}
