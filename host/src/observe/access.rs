//! The access log: a line for each request whose answer is over.

use super::format::AccessLogFormat;
use super::lines::{Destination, LogFile, LogWriter};
use crate::message::{Observer, Record};
use crate::setup::SetupError;

/// How many bytes of lines may wait to be written: some ten thousand lines,
/// which a disk takes in a moment.
const WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Writes a line for each request. A request never waits for it: what the disk
/// does not take in time is dropped, and counted.
#[derive(Debug)]
pub struct AccessLog {
    format: AccessLogFormat,
    file: LogFile,
}

impl AccessLog {
    /// A log in this format, written there by this thread.
    ///
    /// # Errors
    ///
    /// If the file can not be opened.
    pub fn open(
        writer: &LogWriter,
        destination: Destination,
        format: AccessLogFormat,
    ) -> Result<Self, SetupError> {
        Ok(Self {
            format,
            file: writer.open(destination, WAITING_BYTES_MAX)?,
        })
    }

    /// Its file, which knows how many lines were dropped.
    pub fn file(&self) -> &LogFile {
        &self.file
    }
}

impl Observer for AccessLog {
    fn params(&self) -> Vec<String> {
        self.format.params()
    }

    fn ended(&self, record: &Record) {
        self.file.write(self.format.line(record).into_bytes());
    }
}
