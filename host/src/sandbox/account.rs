//! What an application or a tenant has spent of its budget by now.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::time::Duration;

use super::bucket::Bucket;
use crate::message::{Fault, Journal, readable};
use crate::policy::Budget;
use crate::told::{ToldOf, besides};

/// The names of the budgets, for programs and people alike.
pub(super) const REQUESTS: &str = "requests";
pub(super) const QUEUE: &str = "queue";
pub(super) const CPU_SHARE: &str = "cpu-share";
pub(super) const MEMORY_SUM: &str = "memory-sum";
pub(super) const OUTBOUND: &str = "outbound-requests";
pub(super) const DESCRIPTORS: &str = "descriptors";
pub(super) const FILE_OPERATIONS: &str = "file-operations";
const LOG: &str = "log";

/// What the requests of an application or a tenant take at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Requests under way.
    pub requests: u64,
    /// Requests that wait for their turn.
    pub waiting: u64,
    /// Memory of all live instances, bytes.
    pub memory_bytes: u64,
    /// HTTP requests to other servers.
    pub outbound_requests: u64,
    /// Files and sockets.
    pub descriptors: u64,
}

/// A budget and what is taken of it.
#[derive(Debug)]
pub(super) struct Account {
    /// `app NAME` or `tenant NAME`.
    pub(super) owner: String,
    pub(super) budget: Budget,
    pub(super) running: Ceiling,
    pub(super) waiting: Ceiling,
    pub(super) memory_bytes: Ceiling,
    pub(super) outbound: Ceiling,
    pub(super) descriptors: Ceiling,
    cpu: Option<Bucket>,
    log: Bucket,
    /// What the log was told of, by the budgets' names.
    told: ToldOf<&'static str>,
}

impl Account {
    pub(super) fn new(owner: String, budget: &Budget) -> Self {
        let cpu = budget.cpu_share.map(|thousandths| {
            let nanos_per_second = f64::from(thousandths) * 1e6;
            Bucket::new(nanos_per_second, budget.cpu_burst.as_nanos() as f64)
        });
        Self {
            owner,
            running: Ceiling::new(budget.requests_max as u64),
            waiting: Ceiling::new(budget.queue_max as u64),
            memory_bytes: Ceiling::new(budget.memory_bytes_max),
            outbound: Ceiling::new(budget.outbound_requests_max as u64),
            descriptors: Ceiling::new(budget.descriptors_max),
            cpu,
            log: Bucket::new(
                budget.log_bytes_per_second as f64,
                budget.log_bytes_burst as f64,
            ),
            told: ToldOf::default(),
            budget: budget.clone(),
        }
    }

    /// What is taken of it now.
    pub(super) fn standing(&self) -> Standing {
        Standing {
            requests: self.running.used(),
            waiting: self.waiting.used(),
            memory_bytes: self.memory_bytes.used(),
            outbound_requests: self.outbound.used(),
            descriptors: self.descriptors.used(),
        }
    }

    /// Takes processor time that was used.
    pub(super) fn charge_cpu(&self, nanos: u64) {
        if let Some(cpu) = &self.cpu {
            cpu.charge(nanos);
        }
    }

    /// Whether its processor time is limited at all.
    pub(super) fn has_cpu_share(&self) -> bool {
        self.cpu.is_some()
    }

    /// How long until it may compute again; zero if it may.
    pub(super) fn cpu_wait(&self) -> Duration {
        self.cpu.as_ref().map_or(Duration::ZERO, Bucket::wait)
    }

    /// Whether so much may be written to the log.
    pub(super) fn may_log(&self, bytes: usize) -> bool {
        self.log.take(bytes as u64)
    }

    /// Which budget keeps a request from running that begins with so much
    /// memory.
    pub(super) fn shortage(&self, memory_bytes: u64) -> Option<&'static str> {
        if !self.running.has_room(1) {
            return Some(REQUESTS);
        }
        if !self.memory_bytes.has_room(memory_bytes) {
            return Some(MEMORY_SUM);
        }
        (!self.cpu_wait().is_zero()).then_some(CPU_SHARE)
    }

    /// How much there is of a budget, in words.
    pub(super) fn describe(&self, budget: &str) -> String {
        let Budget {
            requests_max,
            queue_max,
            memory_bytes_max,
            ..
        } = self.budget;
        let text = match budget {
            QUEUE if self.waiting.has_room(1) => {
                let waiting = self.waiting.used();
                format!("{waiting} of its requests wait, and others are to have room to wait")
            }
            QUEUE => format!("{queue_max} requests wait already (queue)"),
            CPU_SHARE => {
                let processors = f64::from(self.budget.cpu_share.unwrap_or_default()) / 1000.0;
                return format!("its share of {processors} processors is used up (cpu_share)");
            }
            DESCRIPTORS => {
                let most = self.budget.descriptors_max;
                format!("its instances may have {most} files and sockets open (descriptors)")
            }
            MEMORY_SUM => {
                let most = readable(memory_bytes_max);
                format!("its instances have all of its {most} (memory_total)")
            }
            _ => format!("all of its {requests_max} places are taken (max_concurrent)"),
        };
        match self.cpu_wait().is_zero() {
            true => text,
            false => text + " and its requests pause (cpu_share)",
        }
    }

    /// The fault of a request that exceeds this budget. The log is told of it
    /// now and then, with the number of those that it was not told of.
    pub(super) fn exceeded(
        &self,
        budget: &'static str,
        mut detail: String,
        journal: &Journal,
    ) -> Fault {
        match self.is_news(budget) {
            None => journal.mute(),
            Some(unsaid) => detail.push_str(&besides(unsaid)),
        }
        Fault::OverBudget {
            cause: budget,
            owner: self.owner.clone(),
            detail,
        }
    }

    /// Says, now and then, that what it wants to write to the log is dropped.
    pub(super) fn tell_of_log(&self, journal: &Journal) {
        if let Some(unsaid) = self.is_news(LOG) {
            let request = journal.number();
            let owner = &self.owner;
            tracing::warn!(
                request,
                "over budget: {LOG} of {owner}: what it logs is dropped (log_rate; {unsaid} more requests \
                 since it was last said)"
            );
        }
    }

    /// Whether the log has not been told lately, and how often it was spared.
    fn is_news(&self, budget: &'static str) -> Option<u64> {
        self.told.is_news(budget, 1)
    }
}

/// A number that several raise and lower, and that has a limit.
///
/// Its operations are sequentially consistent, because who leaves looks for
/// those who wait, while who waits looks for those who left.
#[derive(Debug)]
pub(super) struct Ceiling {
    used: AtomicU64,
    most: u64,
}

impl Ceiling {
    pub(super) fn new(most: u64) -> Self {
        Self {
            used: AtomicU64::new(0),
            most,
        }
    }

    /// Takes so much if there is room for it; whether it did.
    pub(super) fn take(&self, amount: u64) -> bool {
        let mut used = self.used.load(Relaxed);
        while self.most.saturating_sub(used) >= amount {
            let raised = used + amount;
            match self
                .used
                .compare_exchange_weak(used, raised, SeqCst, Relaxed)
            {
                Ok(_) => return true,
                Err(changed) => used = changed,
            }
        }
        false
    }

    /// Takes so much, whether there is room for it or not.
    pub(super) fn add(&self, amount: u64) {
        self.used.fetch_add(amount, SeqCst);
    }

    pub(super) fn give_back(&self, amount: u64) {
        self.used.fetch_sub(amount, SeqCst);
    }

    pub(super) fn has_room(&self, amount: u64) -> bool {
        self.free() >= amount
    }

    pub(super) fn used(&self) -> u64 {
        self.used.load(SeqCst)
    }

    pub(super) fn free(&self) -> u64 {
        self.most.saturating_sub(self.used())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ceiling_is_not_exceeded() {
        let ceiling = Ceiling::new(10);
        assert!(ceiling.take(6) && !ceiling.take(5) && ceiling.take(4));
        ceiling.give_back(6);
        assert!(ceiling.has_room(6) && !ceiling.has_room(7) && !ceiling.has_room(u64::MAX));
    }

    #[test]
    fn the_log_is_told_once_and_then_how_often() {
        let account = Account::new("app x".to_owned(), &Budget::strict());
        let journals = [Journal::new(), Journal::new(), Journal::new()];
        let faults = journals
            .each_ref()
            .map(|journal| account.exceeded(QUEUE, "full".to_owned(), journal));
        let is_muted = journals.each_ref().map(Journal::is_muted);
        assert_eq!(is_muted, [false, true, true]);
        assert_eq!(faults[0].to_string(), "over budget: queue of app x: full");
        assert_eq!(faults[0].cause(), "queue");
        let other = Journal::new();
        account.exceeded(REQUESTS, "full".to_owned(), &other);
        assert!(!other.is_muted());
        account.told.pass_time();
        let later = account.exceeded(QUEUE, "full".to_owned(), &Journal::new());
        assert!(
            later
                .to_string()
                .ends_with("full (2 more since it was last said)")
        );
    }
}
