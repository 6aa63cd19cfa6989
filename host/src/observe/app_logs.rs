//! Each tenant's own log: the lines of its applications, and why its requests
//! failed.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use super::format::time;
use super::lines::{Destination, LogFile, LogWriter};
use crate::message::{Journal, Observer};
use crate::setup::SetupError;

/// How much a tenant may write, bytes a second, unless set: a thousand lines.
pub const APP_LOG_BYTES_PER_SECOND: u64 = 64 * 1024;

/// How much of that it may save up, unless set: a stack trace, a page that is
/// reloaded, the start of a deployment.
pub const APP_LOG_BURST_BYTES: u64 = 4 * 1024 * 1024;

/// How many bytes may wait to be written to a tenant's own log, and to one of several.
const WAITING_BYTES_MAX: usize = 256 * 1024;
const SHARED_WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How many tenants' allowances a log remembers before those are forgotten that are
/// whole again.
const TENANTS_MAX: usize = 1024;

/// Writes what applications say to the logs of their tenants. Who has none
/// shares the one for everybody, if there is one, where each may write as much.
#[derive(Debug)]
pub struct AppLogs {
    writer: LogWriter,
    by_tenant: HashMap<String, Log>,
    for_others: Option<Log>,
}

#[derive(Debug)]
struct Log {
    file: LogFile,
    rate: Rate,
    /// By tenant.
    allowances: Mutex<HashMap<String, Allowance>>,
}

/// How much each tenant may write.
#[derive(Clone, Copy, Debug)]
struct Rate {
    bytes_per_second: u64,
    burst_bytes: u64,
}

/// How much a tenant may write now.
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

    /// Adds a tenant's log, with so many bytes a second ([`APP_LOG_BYTES_PER_SECOND`] are
    /// usual), of which so many may be saved up ([`APP_LOG_BURST_BYTES`]).
    ///
    /// # Errors
    ///
    /// If the file can not be opened.
    pub fn tenant(
        mut self,
        tenant: impl Into<String>,
        destination: Destination,
        bytes_per_second: u64,
        burst_bytes: u64,
    ) -> Result<Self, SetupError> {
        let file = self.writer.open(destination, WAITING_BYTES_MAX)?;
        let log = Log::new(file, bytes_per_second, burst_bytes);
        self.by_tenant.insert(tenant.into(), log);
        Ok(self)
    }

    /// Adds a log for all who have none of their own, with as much for each.
    ///
    /// # Errors
    ///
    /// If the file can not be opened.
    pub fn others(
        mut self,
        destination: Destination,
        bytes_per_second: u64,
        burst_bytes: u64,
    ) -> Result<Self, SetupError> {
        let file = self.writer.open(destination, SHARED_WAITING_BYTES_MAX)?;
        self.for_others = Some(Log::new(file, bytes_per_second, burst_bytes));
        Ok(self)
    }

    /// The files, which know how many lines were dropped.
    pub fn files(&self) -> impl Iterator<Item = &LogFile> {
        let logs = self.by_tenant.values().chain(&self.for_others);
        logs.map(|log| &log.file)
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
            log.write(
                &owner.tenant,
                &format!("{} request={request} {line}\n", owner.app),
            );
        }
    }
}

impl Log {
    fn new(file: LogFile, bytes_per_second: u64, burst_bytes: u64) -> Self {
        Self {
            file,
            rate: Rate {
                bytes_per_second,
                burst_bytes,
            },
            allowances: Mutex::default(),
        }
    }

    fn write(&self, tenant: &str, line: &str) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = time(now.unwrap_or_default());
        let text = format!("{now} {line}");
        let Some(dropped) = self.spend(tenant, text.len() as u64) else {
            return self.file.note_dropped(1);
        };
        let mut lines = Vec::new();
        if dropped > 0 {
            let note = format!(
                "{now} {dropped} lines of {tenant} were dropped: too many in a short time\n"
            );
            lines.extend_from_slice(note.as_bytes());
        }
        lines.extend_from_slice(text.as_bytes());
        if !self.file.write(lines) {
            self.note_dropped(tenant, dropped + 1);
        }
    }

    /// Nobody writes them at present: the tenant is told when that is over.
    fn note_dropped(&self, tenant: &str, lines: u64) {
        if let Some(allowance) = self.allowances().get_mut(tenant) {
            allowance.dropped += lines;
        }
    }

    /// How many lines of this tenant were dropped before, if it may write so much now.
    fn spend(&self, tenant: &str, bytes: u64) -> Option<u64> {
        let mut allowances = self.allowances();
        if !allowances.contains_key(tenant) {
            if allowances.len() >= TENANTS_MAX {
                allowances.retain(|_, allowance| !allowance.is_whole(self.rate));
            }
            allowances.insert(tenant.to_owned(), Allowance::whole(self.rate));
        }
        allowances.get_mut(tenant)?.spend(bytes, self.rate)
    }

    fn allowances(&self) -> MutexGuard<'_, HashMap<String, Allowance>> {
        self.allowances
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Allowance {
    fn whole(rate: Rate) -> Self {
        Self {
            bytes: rate.burst_bytes,
            since: Instant::now(),
            dropped: 0,
        }
    }

    fn spend(&mut self, bytes: u64, rate: Rate) -> Option<u64> {
        self.refill(rate);
        let Some(left) = self.bytes.checked_sub(bytes) else {
            self.dropped += 1;
            return None;
        };
        self.bytes = left;
        Some(std::mem::take(&mut self.dropped))
    }

    fn is_whole(&mut self, rate: Rate) -> bool {
        self.refill(rate);
        self.bytes == rate.burst_bytes && self.dropped == 0
    }

    fn refill(&mut self, rate: Rate) {
        let elapsed = self.since.elapsed().as_millis();
        let earned = u64::try_from(elapsed).unwrap_or(u64::MAX);
        let earned = earned.saturating_mul(rate.bytes_per_second) / 1000;
        if earned > 0 {
            self.bytes = self.bytes.saturating_add(earned).min(rate.burst_bytes);
            self.since = Instant::now();
        }
    }
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
            .tenant(
                "quiet",
                Destination::File(path("quiet")),
                u64::MAX,
                u64::MAX,
            )
            .expect("a file")
            // Two lines, and hardly more while the test runs.
            .tenant("loud", Destination::File(path("loud")), 10, 160)
            .expect("a file")
            .others(Destination::File(path("others")), 10, 160)
            .expect("a file");
        for tenant in ["loud", "another"] {
            let journal = journal(tenant);
            for _ in 0..10 {
                logs.said(&journal, &"x".repeat(40));
            }
        }
        logs.said(&journal("quiet"), "hello");
        logs.said(&journal("someone"), "hello");
        logs.said(&Journal::new(), "of nobody");
        writer.flush();
        let text = |name| fs::read_to_string(path(name)).expect("text");
        let written = |name| text(name).matches(&"x".repeat(40)).count();
        let written = [written("loud"), written("others")];
        assert!(
            written.iter().all(|lines| (1..10).contains(lines)),
            "{written:?}"
        );
        assert!(text("quiet").contains(" app request="));
        assert!(text("quiet").ends_with(" hello\n"));
        // Whoever else writes there.
        assert!(text("others").ends_with(" hello\n"));
        let dropped: u64 = logs.files().map(LogFile::dropped).sum();
        assert_eq!(written.iter().sum::<usize>() as u64 + dropped, 20);
    }
}
