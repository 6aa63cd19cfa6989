//! What one application, or one tenant with all of its applications, may spend
//! at a time and over time. What one request may spend is a
//! [`Policy`](super::Policy).

use std::time::Duration;

use super::MIB;

/// The most requests at a time that can be set: some thousand times what one
/// machine computes.
const REQUESTS_MAX: usize = 1_000_000;

/// The longest wait that can be set: no client waits for longer.
const QUEUE_WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The most processors that can be set, in thousandths.
const CPU_SHARE_MAX: f64 = 1e9;

/// What the requests of an application, or of a tenant, may take together.
///
/// Whoever exceeds it waits, or is refused; nobody else does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    pub(crate) requests_max: usize,
    pub(crate) queue_max: usize,
    pub(crate) queue_wait_max: Duration,
    /// Thousandths of a processor.
    pub(crate) cpu_share: Option<u32>,
    pub(crate) cpu_burst: Duration,
    pub(crate) memory_bytes_max: u64,
    pub(crate) outbound_requests_max: usize,
    pub(crate) descriptors_max: u64,
    pub(crate) log_bytes_per_second: u64,
    pub(crate) log_bytes_burst: u64,
}

impl Budget {
    /// The defaults: enough for a busy site, too little to take a small machine
    /// from its neighbours.
    pub fn strict() -> Self {
        Self {
            requests_max: 128,
            queue_max: 1024,
            queue_wait_max: Duration::from_secs(10),
            cpu_share: None,
            cpu_burst: Duration::from_secs(10),
            memory_bytes_max: 1024 * MIB,
            outbound_requests_max: 64,
            descriptors_max: 1024,
            log_bytes_per_second: 64 * 1024,
            log_bytes_burst: 4 * MIB,
        }
    }

    /// The most requests at a time, one at least. 128 unless set. A request
    /// counts until its instance is gone and the last of its answer is in the
    /// connection's buffer, which holds some 100 KiB.
    #[must_use]
    pub fn requests_max(mut self, requests: usize) -> Self {
        self.requests_max = requests.clamp(1, REQUESTS_MAX);
        self
    }

    /// How many more may wait for their turn, first come first served.
    /// 1024 unless set. Others get a 503 at once.
    #[must_use]
    pub fn queue_max(mut self, requests: usize) -> Self {
        self.queue_max = requests;
        self
    }

    /// How long one of them waits before it gets a 503. 10 s unless set, a day
    /// at most.
    #[must_use]
    pub fn queue_wait_max(mut self, time: Duration) -> Self {
        self.queue_wait_max = time.min(QUEUE_WAIT_MAX);
        self
    }

    /// How many processors it may use over time: 0.5 is half of one. No limit
    /// unless set, because who computes much gives way to others in any case.
    /// When it is used up, requests under way pause, and new ones wait in the
    /// queue.
    #[must_use]
    pub fn cpu_share(mut self, processors: f64) -> Self {
        let thousandths = (processors * 1000.0).clamp(1.0, CPU_SHARE_MAX);
        self.cpu_share = Some(thousandths as u32);
        self
    }

    /// How much processor time it may save up while it uses less than its
    /// share. 10 s unless set.
    #[must_use]
    pub fn cpu_burst(mut self, time: Duration) -> Self {
        self.cpu_burst = time;
        self
    }

    /// The most memory of all live instances together, bytes. 1 GiB unless
    /// set. A request waits in the queue while the memory that instances of its
    /// application usually come to have does not fit. If an instance can not
    /// grow because of this limit, and fails, its visitor gets a 503.
    #[must_use]
    pub fn memory_max(mut self, bytes: u64) -> Self {
        self.memory_bytes_max = bytes;
        self
    }

    /// The most HTTP requests to other servers at a time. 64 unless set. The
    /// application learns that it was refused one.
    #[must_use]
    pub fn outbound_requests_max(mut self, requests: usize) -> Self {
        self.outbound_requests_max = requests;
        self
    }

    /// The most files and sockets that all live instances have open together.
    /// 1024 unless set, which is what shells allow a process. An instance that
    /// opens more is ended, and its visitor gets a 503. They are counted now and
    /// then, so an instance may have 16 more for a moment. All guests of an
    /// engine together have half of what the process may open.
    #[must_use]
    pub fn descriptors_max(mut self, descriptors: u64) -> Self {
        self.descriptors_max = descriptors;
        self
    }

    /// How much it may write to the log over time, bytes a second, and how many
    /// bytes it may save up. 64 KiB and 4 MiB unless set, which is at most 5.3
    /// GiB a day. The rest is dropped, with a note.
    #[must_use]
    pub fn log_rate(mut self, bytes_per_second: u64, burst_bytes: u64) -> Self {
        self.log_bytes_per_second = bytes_per_second.max(1);
        self.log_bytes_burst = burst_bytes;
        self
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::strict()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_has_an_end() {
        let budget = Budget::strict().queue_wait_max(Duration::MAX);
        assert_eq!(budget.queue_wait_max, QUEUE_WAIT_MAX);
    }

    #[test]
    fn shares_are_thousandths_and_never_nothing() {
        for (processors, thousandths) in [
            (0.5, 500),
            (4.0, 4000),
            (0.0, 1),
            (-1.0, 1),
            (1e30, 1_000_000_000),
        ] {
            let budget = Budget::strict().cpu_share(processors);
            assert_eq!(budget.cpu_share, Some(thousandths), "{processors}");
        }
    }
}
