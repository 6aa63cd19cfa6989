//! What is counted of one application, and the shape of what takes time.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::message::Record;

/// Bounds of the classes that times are counted in, seconds: a hello takes
/// tens of microseconds, and after a minute most limits have struck.
pub(super) const BOUNDS: [f64; 14] = [
    0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
];

/// How many seconds of the past are kept for the status page.
pub(super) const HISTORY_SECONDS: usize = 60;

/// What answers are counted by.
pub(super) const CLASSES: [&str; 5] = ["2xx", "3xx", "4xx", "5xx", "aborted"];

/// Times, counted by class (Prometheus's histogram).
#[derive(Clone, Debug, Default)]
pub(super) struct Histogram {
    /// The last one is for those beyond all bounds.
    pub(super) counts: [u64; BOUNDS.len() + 1],
    pub(super) sum: Duration,
}

impl Histogram {
    pub(super) fn add(&mut self, time: Duration) {
        let seconds = time.as_secs_f64();
        let class = BOUNDS.partition_point(|bound| *bound < seconds);
        self.counts[class] += 1;
        self.sum += time;
    }

    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// What is counted of one application.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) by_class: [u64; CLASSES.len()],
    pub(super) faults: BTreeMap<&'static str, u64>,
    pub(super) duration: Histogram,
    pub(super) queue_wait: Duration,
    /// Of the requests of which nothing is left.
    pub(super) cpu_time: Duration,
    pub(super) paused: Duration,
    pub(super) memory_bytes_peak: u64,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) lines_dropped: u64,
    /// Of its versions, what could not be compiled included.
    pub(super) compilations: u64,
    pub(super) compilation_time: Duration,
    pub(super) history: History,
}

impl Counts {
    pub(super) fn add(&mut self, record: &Record) {
        let class = match record.status.as_u16() {
            _ if record.is_aborted => 4,
            status => usize::from(status / 100).clamp(2, 5) - 2,
        };
        self.by_class[class] += 1;
        self.duration.add(record.duration);
        self.queue_wait += record.queue_wait;
        self.bytes_in += record.bytes_in;
        self.bytes_out += record.bytes_out;
    }

    pub(super) fn requests(&self) -> u64 {
        self.by_class.iter().sum()
    }
}

/// What happened in each of the last seconds.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    pub(super) requests: VecDeque<u64>,
    pub(super) cpu_ms: VecDeque<u64>,
    requests_before: u64,
    cpu_ms_before: u64,
}

impl History {
    /// Another second is over; these are the sums of all time.
    pub(super) fn tick(&mut self, requests: u64, cpu_time: Duration) {
        let cpu_ms = u64::try_from(cpu_time.as_millis()).unwrap_or(u64::MAX);
        let before = std::mem::replace(&mut self.requests_before, requests);
        push(&mut self.requests, requests.saturating_sub(before));
        let before = std::mem::replace(&mut self.cpu_ms_before, cpu_ms);
        push(&mut self.cpu_ms, cpu_ms.saturating_sub(before));
    }

    /// Whether nothing happened in all of it.
    pub(super) fn is_idle(&self) -> bool {
        self.requests
            .iter()
            .chain(&self.cpu_ms)
            .all(|&value| value == 0)
    }
}

fn push(values: &mut VecDeque<u64>, value: u64) {
    if values.len() == HISTORY_SECONDS {
        values.pop_front();
    }
    values.push_back(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_the_first_class_that_it_does_not_exceed() {
        let mut histogram = Histogram::default();
        for micros in [100, 101, 60_000_000, 60_000_001] {
            histogram.add(Duration::from_micros(micros));
        }
        assert_eq!(histogram.counts[..2], [1, 1]);
        assert_eq!(histogram.counts[BOUNDS.len() - 1..], [1, 1]);
        assert_eq!(histogram.count(), 4);
    }

    #[test]
    fn the_past_is_bounded_and_in_order() {
        let mut history = History::default();
        for second in 0..100 {
            history.tick(second * second, Duration::from_millis(second));
        }
        assert_eq!(history.requests.len(), HISTORY_SECONDS);
        assert_eq!(history.requests.back(), Some(&(99 * 99 - 98 * 98)));
        assert_eq!(history.cpu_ms.front(), Some(&1));
    }
}
