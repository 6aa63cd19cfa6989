//! A response on its way out: collects small writes, and decides what an error still can do.

use crate::Result;
use crate::send::Sink;
use http::response::Parts;
use std::io;
use std::io::Write;

/// A response on its way, written to like a file.
///
/// Small writes are collected: each that reaches the sink is a call to the host. The head waits
/// for the first of them, so that an error before it still can become a page of its own.
pub(crate) struct Outgoing<'a> {
    sink: &'a mut dyn Sink,
    /// `None` once the sink was given it.
    head: Option<Parts>,
    buffer: Vec<u8>,
    /// Whatever fails from here on is no fault of the app.
    client_is_gone: bool,
}

/// The size from which a write is worth a call of its own.
const BUFFER_BYTES: usize = 8 * 1024;

impl<'a> Outgoing<'a> {
    pub(crate) fn new(head: Parts, sink: &'a mut dyn Sink) -> Self {
        Self {
            sink,
            head: Some(head),
            buffer: Vec::new(),
            client_is_gone: false,
        }
    }

    /// Ends the response after its body was written with this result. Does not flush: the end
    /// goes out by itself, and together they are one packet.
    pub(crate) fn end(mut self, written: Result<()>) -> Result<()> {
        match written.and_then(|()| Ok(self.hand_over()?)) {
            Err(_) if self.client_is_gone => Ok(()),
            Err(error) if self.head.is_none() => Err(error.untold()),
            written => written,
        }
    }

    fn hand_over(&mut self) -> io::Result<()> {
        self.start()?;
        if self.buffer.is_empty() {
            return Ok(());
        }
        let result = self.sink.write(&self.buffer);
        self.buffer.clear();
        self.noting(result)
    }

    fn start(&mut self) -> io::Result<()> {
        let Some(head) = self.head.take() else {
            return Ok(());
        };
        self.sink
            .start(head.status, &head.headers)
            .map_err(io::Error::other)
    }

    fn noting(&mut self, result: io::Result<()>) -> io::Result<()> {
        self.client_is_gone |= result.is_err();
        result
    }
}

impl Write for Outgoing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.hand_over()?;
        }
        if bytes.len() < BUFFER_BYTES {
            self.buffer.extend_from_slice(bytes);
        } else {
            self.start()?;
            let result = self.sink.write(bytes);
            self.noting(result)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.hand_over()?;
        let result = self.sink.flush();
        self.noting(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Response;
    use crate::send::tests::Client;

    #[test]
    fn small_writes_are_collected_and_order_is_kept() {
        let mut client = Client::default();
        let (head, ()) = Response::new(()).into_parts();
        let mut out = Outgoing::new(head, &mut client);
        for number in 0..10_000 {
            write!(out, "{number},").unwrap();
        }
        out.write_all(&[b'x'; 3 * BUFFER_BYTES]).unwrap();
        write!(out, "end").unwrap();
        out.end(Ok(())).unwrap();

        let expected = (0..10_000).map(|number| format!("{number},"));
        let expected = expected.collect::<String>() + &"x".repeat(3 * BUFFER_BYTES) + "end";
        assert_eq!(client.seen[1..].concat(), expected);
        assert!(client.seen.len() < 12, "{} calls", client.seen.len());
    }
}
