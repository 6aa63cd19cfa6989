//! What the log is told of applications that can not be loaded: now and then,
//! however often they are asked for. Their owner's own log is told each time.

use std::sync::Arc;

use crate::message::{Fault, Journal, Owner};
use crate::told::{Told, besides};

/// How many faults of requests the log is told of before it is spared: all have the
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
