//! What a guest writes to its standard output and error: lines for the log.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use super::account::Account;
use super::tenant::Customer;
use crate::message::{Journal, printable};

/// The longest line, bytes; what is longer is cut in two.
const LINE_BYTES_MAX: usize = 4 * 1024;

/// How much one write takes, bytes; wasi-libc writes 4 KiB.
const WRITE_BYTES_MAX: usize = 64 * 1024;

/// What a line costs of the limit beside its bytes: the log adds the time, the
/// request and more to each.
const LINE_COST_BYTES: usize = 64;

/// The standard output or error of one guest. Whole lines go to the server's
/// log and to the request's journal, up to a limit that both share.
#[derive(Clone)]
pub(super) struct LogStream(Arc<Mutex<Lines>>);

struct Lines {
    begun: Vec<u8>,
    log: Arc<Log>,
}

/// Where lines go, and how much may.
struct Log {
    journal: Arc<Journal>,
    bytes_left: AtomicUsize,
    /// Who has a limit over time beside that.
    customer: Option<Arc<Customer>>,
}

impl LogStream {
    pub(super) fn new(
        journal: Arc<Journal>,
        bytes_max: usize,
        customer: Option<Arc<Customer>>,
    ) -> Self {
        Self::to(Arc::new(Log {
            journal,
            customer,
            bytes_left: AtomicUsize::new(bytes_max),
        }))
    }

    /// A stream whose lines do not mix with this one's.
    pub(super) fn other(&self) -> Self {
        Self::to(self.lock().log.clone())
    }

    fn to(log: Arc<Log>) -> Self {
        let begun = Vec::new();
        Self(Arc::new(Mutex::new(Lines { begun, log })))
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            let (line, is_whole) = match part.strip_suffix(b"\n") {
                Some(line) => (line, true),
                None => (part, false),
            };
            self.begun.extend_from_slice(line);
            while self.begun.len() > LINE_BYTES_MAX {
                let rest = self.begun.split_off(LINE_BYTES_MAX);
                self.tell();
                self.begun = rest;
            }
            if is_whole {
                self.tell();
            }
        }
    }

    fn tell(&mut self) {
        let line = std::mem::take(&mut self.begun);
        if !line.is_empty() {
            self.log.tell(&printable(&String::from_utf8_lossy(&line)));
        }
    }
}

impl Log {
    /// Only the guest's own task writes, so that nothing is counted twice.
    fn tell(&self, line: &str) {
        let left = self.bytes_left.load(Ordering::Relaxed);
        if left == 0 {
            self.journal.note_dropped_line();
            return;
        }
        let request = self.journal.number();
        let cost = line.len() + LINE_COST_BYTES;
        let customer = self.customer.as_ref();
        if let Some(account) = customer.and_then(|customer| customer.log(cost)) {
            self.drop_rest(account);
            return;
        }
        let after = left.saturating_sub(cost);
        self.bytes_left.store(after, Ordering::Relaxed);
        if after > 0 {
            tracing::info!(target: "guest", request, "{line}");
            self.journal.quote(line);
        } else {
            self.journal.note_dropped_line();
            let note = "the application's further output is dropped: it is over the limit";
            tracing::warn!(target: "guest", request, "{note}");
            self.journal
                .say(&format!("fcgi-wasm: request {request}: {note}"));
        }
    }
}

impl Log {
    /// The limit over time is reached: no more of this request.
    fn drop_rest(&self, account: &Account) {
        self.bytes_left.store(0, Ordering::Relaxed);
        account.tell_of_log(&self.journal);
        self.journal
            .say("fcgi-wasm: the application's further output is dropped: it logs too much");
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.tell();
    }
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    /// Written to at once: what a guest says before it traps is not lost.
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl LogStream {
    pub(super) fn write_now(&self, bytes: &[u8]) {
        self.lock().write(bytes);
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}

impl OutputStream for LogStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.write_now(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}

impl AsyncWrite for LogStream {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write_now(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(bytes_max: usize, writes: &[&[u8]]) -> String {
        let journal = Arc::new(Journal::new());
        let stream = LogStream::new(journal.clone(), bytes_max, None);
        writes.iter().for_each(|bytes| stream.write_now(bytes));
        drop(stream);
        String::from_utf8(journal.take_messages()).expect("text")
    }

    #[test]
    fn lines_come_whole_however_they_are_written() {
        let writes: &[&[u8]] = &[b"on", b"e\ntw", b"o\n\nthr", b"ee"];
        assert_eq!(written(1000, writes), "one\ntwo\nthree\n");
    }

    #[test]
    fn long_lines_are_cut_and_bytes_that_are_no_text_replaced() {
        let long = vec![b'x'; LINE_BYTES_MAX + 1];
        let expected = format!("{}\nx\n", "x".repeat(LINE_BYTES_MAX));
        assert_eq!(written(10_000, &[&long]), expected);
        assert_eq!(written(1000, &[b"\xff\n"]), "\u{fffd}\n");
    }

    #[test]
    fn what_is_over_the_limit_is_dropped_with_one_note() {
        let two_lines = 2 * LINE_COST_BYTES;
        let text = written(two_lines + 10, &[b"12345\n", b"123456\n", b"1\n", b"2\n"]);
        assert!(text.starts_with("12345\nfcgi-wasm: request "), "{text:?}");
        assert_eq!(text.lines().count(), 2);
    }

    #[test]
    fn two_streams_do_not_mix_their_lines() {
        let journal = Arc::new(Journal::new());
        let one = LogStream::new(journal.clone(), 1000, None);
        let two = one.other();
        one.write_now(b"half of ");
        two.write_now(b"other\n");
        one.write_now(b"one\n");
        assert_eq!(journal.take_messages(), b"other\nhalf of one\n");
    }
}
