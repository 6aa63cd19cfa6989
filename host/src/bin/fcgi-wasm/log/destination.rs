//! The places that a log can go to, and what a line looks like there.

use std::io::{self, Write};

use anyhow::Result;
use rustix::fs::fstat;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use super::file::LogFile;
use super::syslog::Syslog;
use crate::args::LogPlace;

pub(super) enum Destination {
    StandardError,
    /// Standard error that systemd's journal reads: a line begins with its
    /// priority (sd-daemon(3)).
    Journal,
    File(LogFile),
    Syslog(Syslog),
}

impl Destination {
    pub(super) fn open(place: &LogPlace) -> Result<Self> {
        Ok(match (&place.log, &place.syslog) {
            (Some(path), _) => Self::File(LogFile::open(path)?),
            (None, Some(path)) => Self::Syslog(Syslog::open(path)?),
            (None, None) if is_journal() => Self::Journal,
            (None, None) => Self::StandardError,
        })
    }

    /// Goes on at another place while it runs. Whether it can: only a file can
    /// be another, because lines look different elsewhere.
    pub(super) fn move_to(&self, place: &LogPlace) -> bool {
        match (self, &place.log) {
            (Self::File(file), Some(path)) => file.move_to(path),
            _ => return false,
        }
        true
    }

    pub(super) fn is_standard_error(&self) -> bool {
        matches!(self, Self::StandardError | Self::Journal)
    }

    /// Whether lines get their time there.
    pub(super) fn has_a_clock(&self) -> bool {
        matches!(self, Self::Journal | Self::Syslog(_))
    }

    pub(super) fn reopen(&self) {
        if let Self::File(file) = self {
            file.reopen();
        }
    }
}

/// Whether standard error is the stream to the journal that systemd names in
/// JOURNAL_STREAM (systemd.exec(5)).
fn is_journal() -> bool {
    let Ok(named) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    fstat(io::stderr()).is_ok_and(|file| named == format!("{}:{}", file.st_dev, file.st_ino))
}

/// Makes a writer for each line.
pub(super) struct Log(pub(super) &'static Destination);

impl MakeWriter<'_> for Log {
    type Writer = Line;

    fn make_writer(&self) -> Line {
        Line(self.0, Level::INFO)
    }

    fn make_writer_for(&self, line: &Metadata<'_>) -> Line {
        Line(self.0, *line.level())
    }
}

/// One line, which is written at once.
pub(super) struct Line(&'static Destination, Level);

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self.0 {
            Destination::StandardError => io::stderr().write_all(line),
            Destination::Journal => {
                let priority = severity(self.1);
                let line = [format!("<{priority}>").as_bytes(), line].concat();
                io::stderr().write_all(&line)
            }
            Destination::File(file) => file.write(line),
            Destination::Syslog(syslog) => syslog.write(severity(self.1), line),
        }?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// As syslog(3) numbers them.
fn severity(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}
