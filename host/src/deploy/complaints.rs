//! What the log is told of applications that can not be loaded: now and then,
//! however often they are asked for. Their owner's own log is told each time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::message::{Fault, Journal, Owner};

/// How long the log is spared once it was told. Visitors and whoever may write
/// the file would fill it else, with words of the file's own.
const SPARED: Duration = Duration::from_secs(10);

/// How many faults of requests the log is told of in that time: all have the
/// same reason.
const FAULTS_MAX: u32 = 1;

/// How many versions that were refused: more than somebody tries by hand.
const REFUSALS_MAX: u32 = 10;

/// Whose an application is, and what the log was told of it. All files of a
/// document root that has a name share one.
#[derive(Debug)]
pub(super) struct Complaints {
    pub(super) owner: Arc<Owner>,
    faults: Told,
    refusals: Told,
}

impl Complaints {
    pub(super) fn of(tenant: &str, app: &str) -> Arc<Self> {
        Arc::new(Self {
            owner: Arc::new(Owner {
                tenant: tenant.to_owned(),
                app: app.to_owned(),
            }),
            faults: Told::default(),
            refusals: Told::default(),
        })
    }

    /// The fault of a request that waited for an application to be loaded, as the
    /// log is to be told of it.
    pub(super) fn fault(&self, mut fault: Fault, journal: &Journal) -> Fault {
        match (self.faults.is_news(FAULTS_MAX), &mut fault) {
            (None, _) => journal.mute(),
            (Some(unsaid), Fault::Unloadable(why) | Fault::Overloaded(why)) => {
                why.push_str(&besides(unsaid));
            }
            (Some(_), _) => {}
        }
        fault
    }

    /// What is added to the line of a version that is refused, if the log is told
    /// of it.
    pub(super) fn refusal(&self) -> Option<String> {
        self.refusals.is_news(REFUSALS_MAX).map(besides)
    }
}

fn besides(unsaid: u64) -> String {
    match unsaid {
        0 => String::new(),
        unsaid => format!(" ({unsaid} more since it was last said)"),
    }
}

/// How often the log was told of something, and was not.
#[derive(Debug, Default)]
struct Told(Mutex<Count>);

#[derive(Debug, Default)]
struct Count {
    since: Option<Instant>,
    said: u32,
    unsaid: u64,
}

impl Told {
    /// Whether the log may be told once more, at most so often in [`SPARED`], and
    /// how often it was not told before.
    fn is_news(&self, most: u32) -> Option<u64> {
        let mut count = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let is_over = |since| now.duration_since(since) >= SPARED;
        if count.since.is_none_or(is_over) {
            count.since = Some(now);
            count.said = 0;
        }
        if count.said >= most {
            count.unsaid += 1;
            return None;
        }
        count.said += 1;
        Some(std::mem::take(&mut count.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_told_a_few_times_and_then_how_often() {
        let told = Told::default();
        let news: Vec<_> = (0..5).map(|_| told.is_news(2)).collect();
        assert_eq!(news, [Some(0), Some(0), None, None, None]);
        told.0.lock().expect("no panic").since = Instant::now().checked_sub(SPARED);
        assert_eq!(told.is_news(2), Some(3));
        assert_eq!(told.is_news(2), Some(0));
        assert_eq!(told.is_news(2), None);
    }
}
