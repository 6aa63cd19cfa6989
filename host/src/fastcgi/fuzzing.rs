//! What must hold for any bytes at all, as a fuzzer and the tests call it.

use super::connection::Connection;
use super::event::{Event, Values};

/// Whatever the bytes are, parsing ends, and gives the same events and the
/// same output however the bytes are cut.
#[cfg_attr(not(fuzzing), expect(unreachable_pub, reason = "public for fuzzers"))]
pub fn fuzz_records(data: &[u8]) {
    let whole = events_of(data, data.len().max(1));
    let pieces = events_of(data, 7);
    assert_eq!(whole, pieces, "the events depend on how the bytes were cut");
}

/// The events of a byte stream that arrives in pieces of `piece_bytes`,
/// neighbouring pieces of one body put together, then the error that ended it
/// and the bytes that were answered at once.
pub(super) fn events_of(data: &[u8], piece_bytes: usize) -> Vec<String> {
    let mut connection = Connection::new(Values {
        connections_max: 10,
        requests_max: 10,
        multiplex: true,
        app: "".into(),
    });
    let mut seen: Vec<Event> = Vec::new();
    let mut error = None;
    for piece in data.chunks(piece_bytes) {
        connection.input().extend_from_slice(piece);
        loop {
            match connection.next_event() {
                Ok(None) => break,
                Ok(Some(event)) => join(&mut seen, event),
                Err(reason) => error = Some(reason),
            }
        }
    }
    let mut told: Vec<String> = seen.iter().map(|event| format!("{event:?}")).collect();
    told.extend(error.map(|error| error.to_string()));
    told.push(format!("{:?}", connection.output()));
    told
}

fn join(seen: &mut Vec<Event>, event: Event) {
    match (seen.last_mut(), event) {
        (Some(Event::Stdin(before, bytes)), Event::Stdin(id, more))
        | (Some(Event::Data(before, bytes)), Event::Data(id, more))
            if *before == id =>
        {
            *bytes = [bytes.as_ref(), more.as_ref()].concat().into();
        }
        (_, event) => seen.push(event),
    }
}

#[cfg(test)]
mod tests {
    use super::fuzz_records;

    /// A generator of numbers that look random and are the same in each run
    /// (xorshift64*).
    fn noise(state: &mut u64) -> u8 {
        *state ^= *state >> 12;
        *state ^= *state << 25;
        *state ^= *state >> 27;
        (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 56) as u8
    }

    #[test]
    fn conformance_02_noise_means_the_same_however_it_is_cut() {
        let mut state = 0x5EED;
        for _ in 0..20_000 {
            let mut data = Vec::new();
            for _ in 0..noise(&mut state) % 6 {
                // Headers that are mostly well formed, so that much is reached.
                let (kind, id) = (noise(&mut state) % 13, noise(&mut state) % 3);
                let length = noise(&mut state) % 32;
                let version = u8::from(noise(&mut state) != 0);
                data.extend([version, kind, 0, id, 0, length, noise(&mut state) % 9, 0]);
                data.extend((0..length).map(|_| noise(&mut state) % 8));
            }
            fuzz_records(&data);
        }
    }
}
