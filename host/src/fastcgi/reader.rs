//! Cuts incoming bytes into records, whatever pieces they arrive in.

use bytes::{Buf, Bytes, BytesMut};

use super::record::{HEADER_BYTES, Header, RecordType};

/// A record or, of a stream that may carry a body, as much of one as is here.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) header: Header,
    pub(super) content: Bytes,
}

impl Part {
    /// Whether this is the empty record that ends a stream (§3.3).
    pub(super) fn ends_stream(&self) -> bool {
        self.header.content_bytes == 0
    }
}

/// The state between two reads.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) input: BytesMut,
    /// The record whose content is being handed out, and how much is to come.
    open: Option<(Header, usize)>,
    /// Padding that is still to be skipped.
    padding: usize,
}

impl Reader {
    /// The next part; `None` means: more bytes, please. The error is a version
    /// other than 1.
    pub(super) fn next_part(&mut self) -> Result<Option<Part>, u8> {
        let (header, left) = match self.open {
            Some(open) => open,
            None => {
                let skipped = self.padding.min(self.input.len());
                self.input.advance(skipped);
                self.padding -= skipped;
                let Some(&bytes) = self.input.first_chunk::<HEADER_BYTES>() else {
                    return self.wait_for_header();
                };
                let header = Header::parse(bytes)?;
                self.input.advance(HEADER_BYTES);
                (header, header.content_bytes.into())
            }
        };
        self.open = Some((header, left));
        let here = left.min(self.input.len());
        if here < left && (here == 0 || !is_bulk(header)) {
            return Ok(None);
        }
        let content = self.input.split_to(here).freeze();
        if here == left {
            self.open = None;
            self.padding = header.padding_bytes.into();
        } else {
            self.open = Some((header, left - here));
        }
        Ok(Some(Part { header, content }))
    }

    /// Whether a record has begun to arrive that is given out only as a whole.
    pub(super) fn is_midway(&self) -> bool {
        match self.open {
            Some((header, _)) => !is_bulk(header),
            None => !self.input.is_empty(),
        }
    }

    /// A peer that speaks another protocol is told by its first byte: it may
    /// never send eight.
    fn wait_for_header(&self) -> Result<Option<Part>, u8> {
        match self.input.first() {
            Some(&version) if version != super::record::VERSION => Err(version),
            _ => Ok(None),
        }
    }
}

/// Whether the record may carry a body, whose bytes are not waited for.
fn is_bulk(header: Header) -> bool {
    use RecordType::{Data, Stderr, Stdin, Stdout};
    matches!(
        RecordType::from_number(header.record_type),
        Some(Stdin | Data | Stdout | Stderr)
    )
}
