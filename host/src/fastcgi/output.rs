//! The bytes that wait to leave on one connection, packed into full records.
//!
//! Small pieces are copied together so that a small answer is one write; large
//! ones are only referred to, and leave by a vectored write.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};

use super::record::{BODY_BYTES, CONTENT_BYTES_MAX, Header, RecordType};

/// Pieces below this are copied, bytes: about where one copy costs as much as
/// one more entry in a vectored write.
const COPY_BYTES_MAX: usize = 4 * 1024;

/// Bytes on their way out, in order.
#[derive(Debug, Default)]
pub struct Output {
    /// What comes first …
    ready: VecDeque<Bytes>,
    /// … and what comes after it and may still grow.
    tail: BytesMut,
    bytes: usize,
}

impl Output {
    /// Moves the first `bytes` of `content` out, as one or more records of a
    /// stream, each as full as can be. Nothing adds nothing, because an empty
    /// record would end the stream; see [`Self::end_stream`].
    pub(super) fn stream(
        &mut self,
        stream: RecordType,
        id: u16,
        content: &mut VecDeque<Bytes>,
        bytes: usize,
    ) {
        let mut left = bytes_up_to(content, bytes);
        while left > 0 {
            let content_bytes = left.min(CONTENT_BYTES_MAX);
            left -= content_bytes;
            let header = Header::padded(stream, id, content_bytes as u16);
            self.copy(&header.to_bytes());
            self.take_from(content, content_bytes);
            self.copy(&[0; 7][..header.padding_bytes.into()]);
        }
    }

    /// Appends the empty record that ends a stream (§3.3).
    pub(super) fn end_stream(&mut self, stream: RecordType, id: u16) {
        self.copy(&Header::padded(stream, id, 0).to_bytes());
    }

    /// Appends a record with a body of eight bytes.
    pub(super) fn discrete(&mut self, record_type: RecordType, id: u16, body: [u8; BODY_BYTES]) {
        self.copy(&Header::padded(record_type, id, BODY_BYTES as u16).to_bytes());
        self.copy(&body);
    }

    /// Appends one whole record whose content is at hand; at most
    /// [`CONTENT_BYTES_MAX`] bytes of it.
    pub(super) fn record(&mut self, record_type: RecordType, id: u16, content: &[u8]) {
        let content = &content[..content.len().min(CONTENT_BYTES_MAX)];
        let header = Header::padded(record_type, id, content.len() as u16);
        self.copy(&header.to_bytes());
        self.copy(content);
        self.copy(&[0; 7][..header.padding_bytes.into()]);
    }

    fn copy(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        self.bytes += bytes.len();
    }

    fn refer(&mut self, piece: Bytes) {
        if !self.tail.is_empty() {
            self.ready.push_back(self.tail.split().freeze());
        }
        self.bytes += piece.len();
        self.ready.push_back(piece);
    }

    fn take_from(&mut self, content: &mut VecDeque<Bytes>, mut bytes: usize) {
        while bytes > 0 {
            let Some(mut piece) = content.pop_front() else {
                return;
            };
            if piece.len() > bytes {
                content.push_front(piece.split_off(bytes));
            }
            bytes -= piece.len();
            if piece.len() < COPY_BYTES_MAX {
                self.copy(&piece);
            } else {
                self.refer(piece);
            }
        }
    }
}

/// How many bytes these are, or `bytes_max` if they are more: the rest of a long
/// queue is not walked through for each record.
fn bytes_up_to(content: &VecDeque<Bytes>, bytes_max: usize) -> usize {
    let mut bytes = 0;
    for piece in content {
        bytes += piece.len();
        if bytes >= bytes_max {
            return bytes_max;
        }
    }
    bytes
}

impl Buf for Output {
    fn remaining(&self) -> usize {
        self.bytes
    }

    fn chunk(&self) -> &[u8] {
        match self.ready.front() {
            Some(piece) => piece,
            None => &self.tail,
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let pieces = self.ready.iter().map(Bytes::as_ref);
        let tail = (!self.tail.is_empty()).then_some(self.tail.as_ref());
        let mut filled = 0;
        for (slice, piece) in slices.iter_mut().zip(pieces.chain(tail)) {
            *slice = IoSlice::new(piece);
            filled += 1;
        }
        filled
    }

    fn advance(&mut self, mut bytes: usize) {
        self.bytes -= bytes;
        while bytes > 0 {
            let Some(piece) = self.ready.front_mut() else {
                self.tail.advance(bytes);
                return;
            };
            if piece.len() > bytes {
                piece.advance(bytes);
                return;
            }
            bytes -= piece.len();
            self.ready.pop_front();
        }
    }
}
