//! Lines on their way to files: taken at once or dropped, and written by a
//! thread that nobody waits for.

use std::collections::HashMap;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;

use crate::folder;
use crate::setup::SetupError;

/// Who may read a log file: addresses of visitors stand in it.
const MODE: u32 = 0o640;

/// How many lines are gathered before they are written, at most: a burst
/// becomes few system calls, and no line waits for long.
const BATCH_LINES_MAX: usize = 4096;

/// How long a pipe's reader may take nothing before lines are dropped: all other
/// files wait meanwhile.
const PIPE_WAIT_MAX: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// How long the lines that are on their way may take when the server stops.
const FLUSH_WAIT_MAX: Duration = Duration::from_secs(2);

/// Where lines are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Standard error, between the lines of the server's own log.
    StandardError,
    /// The end of this file, which is made if it does not exist, with mode 0640.
    File(PathBuf),
}

/// A thread that writes lines, to any number of files. Clones are the same
/// thread, which ends with the last of them.
#[derive(Clone)]
pub struct LogWriter(Sender<Message>);

enum Message {
    Open(Arc<State>, Option<File>),
    Line(Arc<State>, Vec<u8>),
    Reopen,
    Flush(Sender<()>),
}

/// One destination of a [`LogWriter`]. Clones are the same.
#[derive(Clone)]
pub struct LogFile {
    state: Arc<State>,
    writer: LogWriter,
}

struct State {
    destination: Destination,
    waiting_bytes: AtomicUsize,
    waiting_bytes_max: usize,
    dropped: AtomicU64,
    is_failing: AtomicBool,
}

impl LogWriter {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// If the system has no room for one more.
    pub fn start() -> Result<Self, SetupError> {
        let (sender, receiver) = mpsc::channel();
        let named = thread::Builder::new().name("log writer".to_owned());
        named
            .spawn(move || Writing::default().run(&receiver))
            .map_err(|error| SetupError::new(format!("cannot start the log's thread: {error}")))?;
        Ok(Self(sender))
    }

    /// Opens a file, for which at most so many bytes wait to be written.
    ///
    /// # Errors
    ///
    /// If it can not be opened for writing.
    pub fn open(
        &self,
        destination: Destination,
        waiting_bytes_max: usize,
    ) -> Result<LogFile, SetupError> {
        let file = open(&destination).map_err(|error| destination.cannot(&error))?;
        let state = Arc::new(State {
            destination,
            waiting_bytes: AtomicUsize::new(0),
            waiting_bytes_max,
            dropped: AtomicU64::new(0),
            is_failing: AtomicBool::new(false),
        });
        self.send(Message::Open(state.clone(), file));
        Ok(LogFile {
            state,
            writer: self.clone(),
        })
    }

    /// Opens all files anew by their names, after they were moved away
    /// (logrotate). One that can not be opened stays as it is.
    pub fn reopen(&self) {
        self.send(Message::Reopen);
    }

    /// Waits until what was written so far is in the files, for at most 2 s.
    pub fn flush(&self) {
        let (done, flushed) = mpsc::channel();
        self.send(Message::Flush(done));
        // A file system that hangs does not keep the server from stopping.
        let _ = flushed.recv_timeout(FLUSH_WAIT_MAX);
    }

    fn send(&self, message: Message) {
        // The thread only ends after the last sender.
        let _ = self.0.send(message);
    }
}

impl LogFile {
    /// Writes a line, which ends in a newline, unless too many bytes wait.
    /// Whether it was taken.
    pub fn write(&self, line: Vec<u8>) -> bool {
        let state = &self.state;
        let bytes = line.len();
        let before = state.waiting_bytes.fetch_add(bytes, Relaxed);
        if before + bytes > state.waiting_bytes_max {
            state.waiting_bytes.fetch_sub(bytes, Relaxed);
            self.note_dropped(1);
            return false;
        }
        self.writer.send(Message::Line(state.clone(), line));
        true
    }

    /// Counts lines that were dropped before they came here.
    pub fn note_dropped(&self, lines: u64) {
        self.state.dropped.fetch_add(lines, Relaxed);
    }

    /// How many lines were dropped, because too many waited or they could not
    /// be written.
    pub fn dropped(&self) -> u64 {
        self.state.dropped.load(Relaxed)
    }
}

/// What the thread has open.
#[derive(Default)]
struct Writing(HashMap<usize, Output>);

struct Output {
    state: Arc<State>,
    /// None for standard error.
    file: Option<File>,
    gathered: Vec<u8>,
    lines: u64,
}

impl Writing {
    fn run(mut self, messages: &Receiver<Message>) {
        while let Ok(message) = messages.recv() {
            let mut waiting = Vec::new();
            self.take(message, &mut waiting);
            for message in messages.try_iter().take(BATCH_LINES_MAX) {
                self.take(message, &mut waiting);
            }
            self.0.values_mut().for_each(Output::write);
            for done in waiting {
                // Who asked may have stopped waiting.
                let _ = done.send(());
            }
        }
    }

    fn take(&mut self, message: Message, waiting: &mut Vec<Sender<()>>) {
        match message {
            Message::Open(state, file) => {
                // Those that nobody can write to any more are closed.
                self.0.retain(|_, output| {
                    let is_in_use = Arc::strong_count(&output.state) > 1;
                    if !is_in_use {
                        output.write();
                    }
                    is_in_use
                });
                let output = Output {
                    state: state.clone(),
                    file,
                    gathered: Vec::new(),
                    lines: 0,
                };
                self.0.insert(key(&state), output);
            }
            Message::Line(state, line) => {
                if let Some(output) = self.0.get_mut(&key(&state)) {
                    output.gathered.extend_from_slice(&line);
                    output.lines += 1;
                }
            }
            Message::Reopen => {
                for output in self.0.values_mut() {
                    // What came before belongs into the old file.
                    output.write();
                    output.reopen();
                }
            }
            Message::Flush(done) => waiting.push(done),
        }
    }
}

/// What an output is found by: its state's address, which is nobody else's as
/// long as the output has it.
fn key(state: &Arc<State>) -> usize {
    Arc::as_ptr(state).addr()
}

impl Output {
    fn write(&mut self) {
        if self.gathered.is_empty() {
            return;
        }
        let written = match &mut self.file {
            Some(file) => write_all(file, &self.gathered),
            None => io::stderr().write_all(&self.gathered),
        };
        let state = &self.state;
        let was_failing = state.is_failing.swap(written.is_err(), Relaxed);
        if let Err(error) = written {
            state.dropped.fetch_add(self.lines, Relaxed);
            if !was_failing {
                let destination = &state.destination;
                tracing::warn!("cannot write to {destination}, lines are dropped: {error}");
            }
        }
        state.waiting_bytes.fetch_sub(self.gathered.len(), Relaxed);
        self.gathered.clear();
        self.lines = 0;
    }

    fn reopen(&mut self) {
        match open(&self.state.destination) {
            Ok(file) => self.file = file,
            Err(error) => {
                let destination = &self.state.destination;
                tracing::warn!("cannot open {destination} anew, the old file goes on: {error}");
            }
        }
    }
}

fn open(destination: &Destination) -> io::Result<Option<File>> {
    let Destination::File(path) = destination else {
        return Ok(None);
    };
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(MODE);
    // Opening or writing to a pipe that nobody reads would keep everybody's lines
    // waiting; with a file it makes no difference.
    options.custom_flags(OFlags::NONBLOCK.bits() as i32);
    options.open(path).map(Some)
}

/// Writes all of it, unless a pipe's reader takes nothing for too long.
fn write_all(mut file: &File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let writable = &mut [PollFd::new(&file, PollFlags::OUT)];
                if poll(writable, Some(&PIPE_WAIT_MAX))? == 0 {
                    return Err(error);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl Destination {
    /// Whether this user could write there, as far as it is seen without doing so.
    ///
    /// # Errors
    ///
    /// What [`LogWriter::open`] would say.
    pub fn check(&self) -> Result<(), SetupError> {
        match self {
            Self::File(path) => folder::check_file(path).map_err(|error| self.cannot(&error)),
            Self::StandardError => Ok(()),
        }
    }

    fn cannot(&self, error: &io::Error) -> SetupError {
        SetupError::of_system(format!("cannot log to {self}"), error)
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StandardError => f.write_str("standard error"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl fmt::Debug for LogWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogWriter")
    }
}

impl fmt::Debug for LogFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogFile({})", self.state.destination)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_pipe_that_nobody_reads_keeps_no_other_file_waiting() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).expect("a pipe");
        assert!(open(&Destination::File(path.clone())).is_err());
        let mut both = OpenOptions::new();
        let mut reader = both.read(true).write(true).open(&path).expect("opened");
        let pipe = open(&Destination::File(path)).expect("opened");
        let pipe = pipe.expect("a file");
        let lines = [b'x'; 200_000];
        let error = write_all(&pipe, &lines).expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        thread::spawn(move || io::copy(&mut reader, &mut io::sink()));
        write_all(&pipe, &lines).expect("somebody reads");
    }

    #[test]
    fn lines_go_on_in_a_new_file_after_a_rotation() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, moved) = (folder.path().join("log"), folder.path().join("log.1"));
        let writer = LogWriter::start().expect("a thread");
        let file = Destination::File(path.clone());
        let log = writer.open(file, 1000).expect("a file");
        assert!(log.write(b"one\n".to_vec()));
        writer.flush();
        fs::rename(&path, &moved).expect("moved");
        assert!(log.write(b"two\n".to_vec()));
        writer.reopen();
        assert!(log.write(b"three\n".to_vec()));
        writer.flush();
        assert_eq!(fs::read(&moved).expect("text"), b"one\ntwo\n");
        assert_eq!(fs::read(&path).expect("text"), b"three\n");
    }

    #[test]
    fn what_does_not_fit_or_can_not_be_written_is_dropped_and_counted() {
        let writer = LogWriter::start().expect("a thread");
        let full = Destination::File("/dev/full".into());
        let log = writer.open(full, 10).expect("a file");
        assert!(!log.write(vec![b'x'; 11]));
        assert_eq!(log.dropped(), 1);
        assert!(log.write(b"x\n".to_vec()));
        writer.flush();
        assert_eq!(log.dropped(), 2);
        // Room again.
        assert!(log.write(vec![b'x'; 10]));
    }

    #[test]
    fn a_file_that_can_not_be_opened_is_one_sentence() {
        let writer = LogWriter::start().expect("a thread");
        let nowhere = Destination::File("/nonexistent/log".into());
        let error = writer.open(nowhere, 10).expect_err("no folder").to_string();
        assert!(error.starts_with("cannot log to /nonexistent/log: "));
    }
}
