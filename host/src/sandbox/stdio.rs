//! What a guest writes to its standard output and error: lines for the log.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use memchr::memchr;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::account::Account;
use super::tenant::Customer;
use crate::message::{Journal, printable};

/// The longest line, bytes; what is longer is cut in two.
const LINE_BYTES_MAX: usize = 4 * 1024;

/// How much one write takes, bytes; wasi-libc writes 4 KiB. Nobody else has a
/// turn on this thread meanwhile.
pub(super) const WRITE_BYTES_MAX: usize = 64 * 1024;

/// Why a guest ends that writes more at once than it was told that it may.
pub(super) const TOO_MUCH: &str = "it writes more than `check-write` has allowed";

/// What a line costs of the limit beside its bytes: the log adds the time, the
/// request and more to each.
pub(super) const LINE_COST_BYTES: usize = 64;

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
    fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = LINE_BYTES_MAX - self.begun.len();
            let near = &bytes[..bytes.len().min(room + 1)];
            if let Some(end) = memchr(b'\n', near) {
                self.begun.extend_from_slice(&bytes[..end]);
                self.tell();
                bytes = &bytes[end + 1..];
                continue;
            }
            let (now, rest) = bytes.split_at(bytes.len().min(room));
            self.begun.extend_from_slice(now);
            if !rest.is_empty() {
                self.tell();
            }
            bytes = rest;
        }
    }

    fn tell(&mut self) {
        let line = std::mem::take(&mut self.begun);
        if !line.is_empty() {
            self.log.tell(&line);
        }
    }
}

impl Log {
    /// Only the guest's own task writes, so that nothing is counted twice.
    fn tell(&self, line: &[u8]) {
        let left = self.bytes_left.load(Ordering::Relaxed);
        if left == 0 {
            self.journal.note_dropped_line();
            return;
        }
        let line = &*String::from_utf8_lossy(line);
        let line = &*printable(line);
        let request = self.journal.number();
        let cost = line.len() + LINE_COST_BYTES;
        let customer = self.customer.as_ref();
        if let Some(account) = customer.and_then(|customer| customer.log(cost)) {
            self.drop_rest(account);
            return;
        }
        let after = left.saturating_sub(cost);
        self.bytes_left.store(after, Ordering::Relaxed);
        let app = self.journal.app();
        if after > 0 {
            tracing::info!(target: "guest", request, app, "{line}");
            self.journal.quote(line);
        } else {
            self.journal.note_dropped_line();
            let note = "the application's further output is dropped: it is over the limit of a request (log)";
            tracing::warn!(target: "guest", request, app, "{note}");
            self.journal.say(note);
        }
    }

    /// The limit over time is reached: no more of this request.
    fn drop_rest(&self, account: &Account) {
        self.bytes_left.store(0, Ordering::Relaxed);
        account.tell_of_log(&self.journal);
        self.journal
            .say("the application's further output is dropped: it logs too much (log_rate)");
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
    /// Writes a message, of which a write's worth is taken.
    pub(super) fn write_now(&self, message: &[u8]) {
        let taken = message.len().min(WRITE_BYTES_MAX);
        let mut lines = self.lock();
        lines.write(&message[..taken]);
        if taken < message.len() {
            lines.write(b" (cut)\n");
        }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for LogStream {
    /// Always, but now and then others are first: one call of WASI 0.1 can write
    /// all of a guest's memory.
    async fn ready(&mut self) {
        tokio::task::coop::consume_budget().await;
    }
}

impl OutputStream for LogStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > WRITE_BYTES_MAX {
            return Err(StreamError::Trap(wasmtime::format_err!("{TOO_MUCH}")));
        }
        self.lock().write(&bytes);
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
        let taken = bytes.len().min(WRITE_BYTES_MAX);
        self.lock().write(&bytes[..taken]);
        Poll::Ready(Ok(taken))
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
        writes.iter().for_each(|bytes| stream.lock().write(bytes));
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
    fn a_message_is_cut_and_a_write_taken_in_part() {
        let journal = Arc::new(Journal::new());
        let mut stream = LogStream::new(journal.clone(), usize::MAX, None);
        let long = vec![b'\n'; WRITE_BYTES_MAX + 1];
        stream.write_now(&long);
        assert_eq!(journal.take_messages(), b" (cut)\n");
        let cx = &mut Context::from_waker(std::task::Waker::noop());
        let written = Pin::new(&mut stream).poll_write(cx, &long);
        assert!(matches!(written, Poll::Ready(Ok(WRITE_BYTES_MAX))));
        let written = OutputStream::write(&mut stream, long.into());
        assert!(matches!(written, Err(StreamError::Trap(_))));
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
        one.lock().write(b"half of ");
        two.lock().write(b"other\n");
        one.lock().write(b"one\n");
        assert_eq!(journal.take_messages(), b"other\nhalf of one\n");
    }
}
