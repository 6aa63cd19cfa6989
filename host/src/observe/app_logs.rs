//! Each tenant's own log: the lines of its applications, and why its requests
//! failed.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use super::format::time;
use super::lines::{Destination, LogFile, LogWriter};
use crate::message::{Journal, Observer};
use crate::setup::SetupError;

/// How much a tenant may write, bytes a second, unless set: a thousand lines.
pub const APP_LOG_BYTES_PER_SECOND: u64 = 64 * 1024;

/// How much it may save up, in seconds of its rate: a stack trace, a page that
/// is reloaded, the start of a deployment.
const BURST_SECONDS: u64 = 16;

/// How many bytes of a tenant may wait to be written.
const WAITING_BYTES_MAX: usize = 256 * 1024;

/// Writes what applications say to the logs of their tenants. Who has none
/// shares the one for everybody, if there is one.
#[derive(Debug)]
pub struct AppLogs {
    writer: LogWriter,
    by_tenant: HashMap<String, Log>,
    for_others: Option<Log>,
}

#[derive(Debug)]
struct Log {
    file: LogFile,
    bytes_per_second: u64,
    allowance: Mutex<Allowance>,
}

/// How much may be written now.
#[derive(Debug)]
struct Allowance {
    bytes: u64,
    since: Instant,
    dropped: u64,
}

impl AppLogs {
    /// No logs yet; this thread will write them.
    pub fn new(writer: &LogWriter) -> Self {
        Self {
            writer: writer.clone(),
            by_tenant: HashMap::new(),
            for_others: None,
        }
    }

    /// Adds a tenant's log, with so many bytes a second
    /// ([`APP_LOG_BYTES_PER_SECOND`] are usual).
    ///
    /// # Errors
    ///
    /// If the file can not be opened.
    pub fn tenant(
        mut self,
        tenant: impl Into<String>,
        destination: Destination,
        bytes_per_second: u64,
    ) -> Result<Self, SetupError> {
        let log = self.log(destination, bytes_per_second)?;
        self.by_tenant.insert(tenant.into(), log);
        Ok(self)
    }

    /// Adds a log for all who have none of their own.
    ///
    /// # Errors
    ///
    /// If the file can not be opened.
    pub fn others(
        mut self,
        destination: Destination,
        bytes_per_second: u64,
    ) -> Result<Self, SetupError> {
        self.for_others = Some(self.log(destination, bytes_per_second)?);
        Ok(self)
    }

    /// The files, which know how many lines were dropped.
    pub fn files(&self) -> impl Iterator<Item = &LogFile> {
        let logs = self.by_tenant.values().chain(&self.for_others);
        logs.map(|log| &log.file)
    }

    fn log(&self, destination: Destination, bytes_per_second: u64) -> Result<Log, SetupError> {
        Ok(Log {
            file: self.writer.open(destination, WAITING_BYTES_MAX)?,
            bytes_per_second,
            allowance: Mutex::new(Allowance {
                bytes: burst(bytes_per_second),
                since: Instant::now(),
                dropped: 0,
            }),
        })
    }
}

impl Observer for AppLogs {
    fn said(&self, journal: &Journal, line: &str) {
        let Some(owner) = journal.owner() else {
            return;
        };
        let log = self.by_tenant.get(&owner.tenant);
        if let Some(log) = log.or(self.for_others.as_ref()) {
            let request = journal.number();
            log.write(&format!("{} request={request} {line}\n", owner.app));
        }
    }
}

impl Log {
    fn write(&self, line: &str) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = time(now.unwrap_or_default());
        let text = format!("{now} {line}");
        let allowance = self.allowance.lock();
        let mut allowance = allowance.unwrap_or_else(PoisonError::into_inner);
        if !allowance.spend(text.len() as u64, self.bytes_per_second) {
            drop(allowance);
            self.file.note_dropped(1);
            return;
        }
        let dropped = std::mem::take(&mut allowance.dropped);
        drop(allowance);
        if dropped > 0 {
            let note = format!("{now} {dropped} lines were dropped: too many in a short time\n");
            self.file.write(note.into_bytes());
        }
        self.file.write(text.into_bytes());
    }
}

impl Allowance {
    fn spend(&mut self, bytes: u64, bytes_per_second: u64) -> bool {
        let elapsed = self.since.elapsed().as_millis();
        let earned = u64::try_from(elapsed).unwrap_or(u64::MAX);
        let earned = earned.saturating_mul(bytes_per_second) / 1000;
        if earned > 0 {
            let most = burst(bytes_per_second);
            self.bytes = self.bytes.saturating_add(earned).min(most);
            self.since = Instant::now();
        }
        let is_enough = self.bytes >= bytes;
        match is_enough {
            true => self.bytes -= bytes,
            false => self.dropped += 1,
        }
        is_enough
    }
}

/// The most that may be saved up.
fn burst(bytes_per_second: u64) -> u64 {
    bytes_per_second.saturating_mul(BURST_SECONDS)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use super::*;
    use crate::message::Owner;

    fn journal(tenant: &str) -> Journal {
        let journal = Journal::new();
        journal.set_owner(Arc::new(Owner {
            tenant: tenant.to_owned(),
            app: "app".to_owned(),
        }));
        journal
    }

    #[test]
    fn each_tenant_has_its_own_lines_and_no_more_than_its_share() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name| folder.path().join(name);
        let writer = LogWriter::start().expect("a thread");
        let logs = AppLogs::new(&writer)
            .tenant("quiet", Destination::File(path("quiet")), u64::MAX)
            .expect("a file")
            // Two lines, and hardly more while the test runs.
            .tenant("loud", Destination::File(path("loud")), 10)
            .expect("a file")
            .others(Destination::File(path("others")), 1000)
            .expect("a file");
        let loud = journal("loud");
        for _ in 0..10 {
            logs.said(&loud, &"x".repeat(40));
        }
        logs.said(&journal("quiet"), "hello");
        logs.said(&journal("someone"), "hello");
        logs.said(&Journal::new(), "of nobody");
        writer.flush();
        let text = |name| fs::read_to_string(path(name)).expect("text");
        let written = text("loud").matches(&"x".repeat(40)).count();
        assert!((1..10).contains(&written), "{written} lines");
        assert!(text("quiet").contains(" app request="));
        assert!(text("quiet").ends_with(" hello\n"));
        assert_eq!(text("others").lines().count(), 1);
        let dropped: u64 = logs.files().map(LogFile::dropped).sum();
        assert_eq!(written as u64 + dropped, 10);
    }
}
