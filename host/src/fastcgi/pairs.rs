//! Name-value pairs, the format of PARAMS and GET_VALUES (§3.4).

use std::fmt;

/// Lengths below this take one byte, all others four.
const LONG_LENGTH: usize = 0x80;

/// A pair that does not fit into the bytes it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairError {
    /// Where the pair begins, bytes from the start of the stream.
    pub offset: usize,
}

impl fmt::Display for PairError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the name-value pair at byte {} is longer than the stream it is in",
            self.offset
        )
    }
}

impl std::error::Error for PairError {}

/// Walks over the pairs in a complete stream. Nothing is copied, and nothing
/// is allocated for a length before that many bytes are known to be there.
///
/// ```text
/// +-------------+--------------+------+-------+
/// | name length | value length | name | value |     a length is one byte below
/// +-------------+--------------+------+-------+     128, or four with the top bit set
/// ```
#[derive(Clone, Debug)]
pub struct Pairs<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Pairs<'a> {
    /// The pairs of this stream.
    pub fn new(stream: &'a [u8]) -> Self {
        Self {
            rest: stream,
            offset: 0,
        }
    }

    fn take_length(&mut self) -> Option<usize> {
        let (&first, rest) = self.rest.split_first()?;
        if usize::from(first) < LONG_LENGTH {
            self.rest = rest;
            return Some(first.into());
        }
        let (&[b3, b2, b1, b0], rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(u32::from_be_bytes([b3 & 0x7f, b2, b1, b0]) as usize)
    }

    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(bytes)?;
        self.rest = rest;
        Some(taken)
    }

    fn take_pair(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let name_bytes = self.take_length()?;
        let value_bytes = self.take_length()?;
        Some((self.take(name_bytes)?, self.take(value_bytes)?))
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Result<(&'a [u8], &'a [u8]), PairError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let before = self.rest.len();
        let offset = self.offset;
        match self.take_pair() {
            Some(pair) => {
                self.offset += before - self.rest.len();
                Some(Ok(pair))
            }
            None => {
                self.rest = &[];
                Some(Err(PairError { offset }))
            }
        }
    }
}

/// Appends one pair.
///
/// # Panics
///
/// If the name or the value has 2³¹ bytes or more, which the format has no
/// way to say.
pub fn write_pair(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    for bytes in [name.len(), value.len()] {
        if bytes < LONG_LENGTH {
            out.push(bytes as u8);
        } else {
            assert!(bytes < 1 << 31, "a name or value of {bytes} bytes");
            out.extend_from_slice(&(bytes as u32 | 1 << 31).to_be_bytes());
        }
    }
    out.extend_from_slice(name);
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pair = (Vec<u8>, Vec<u8>);

    fn decode(stream: &[u8]) -> Vec<Result<Pair, PairError>> {
        Pairs::new(stream)
            .map(|pair| pair.map(|(name, value)| (name.to_vec(), value.to_vec())))
            .collect()
    }

    #[test]
    fn pairs_of_every_length_read_back_as_written() {
        for name_bytes in [0, 1, 127, 128, 129, 70_000] {
            for value_bytes in [0, 1, 127, 128, 129, 70_000] {
                let (name, value) = (vec![b'n'; name_bytes], vec![b'v'; value_bytes]);
                let mut stream = Vec::new();
                write_pair(&name, &value, &mut stream);
                write_pair(b"A", b"b", &mut stream);
                assert_eq!(
                    decode(&stream),
                    [Ok((name, value)), Ok((b"A".to_vec(), b"b".to_vec()))]
                );
            }
        }
    }

    #[test]
    fn conformance_05_four_byte_lengths_are_accepted_for_short_ones() {
        let stream = [0x80, 0, 0, 1, 0x80, 0, 0, 2, b'A', b'b', b'c'];
        assert_eq!(decode(&stream), [Ok((b"A".to_vec(), b"bc".to_vec()))]);
    }

    #[test]
    fn conformance_06_a_pair_longer_than_its_stream_is_an_error() {
        let truncated: &[&[u8]] = &[
            &[1],                                                 // no value length
            &[0x80, 0, 0],                                        // half a length
            &[1, 1, b'A'],                                        // no value
            &[2, 0, b'A'],                                        // half a name
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], // sums that wrap 32 bits
            &[0x81, 0x82, 0x83],
        ];
        for stream in truncated {
            assert_eq!(
                decode(stream),
                [Err(PairError { offset: 0 })],
                "{stream:?} as a stream"
            );
        }
        let mut second = vec![1, 1, b'A', b'b'];
        second.extend([9, 9]);
        assert_eq!(decode(&second)[1], Err(PairError { offset: 4 }));
    }
}
