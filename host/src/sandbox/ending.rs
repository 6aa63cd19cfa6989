//! How a guest's run ended, and what becomes of its answer.

use std::time::Instant;

use super::fault;
use super::limits::Meter;
use super::reply::Reply;
use crate::message::{Fault, Journal};
use crate::policy::Policy;

/// How a guest's run ended.
pub(super) enum Ending {
    Returned(wasmtime::Result<()>),
    /// Nobody waits for the answer any more.
    Gone,
    /// It was ended from outside.
    Ended(Fault),
}

impl Ending {
    /// Completes the answer, or gives it up and tells why. That is on the account
    /// of whoever the guest is, because a backtrace takes as long as many short
    /// requests.
    pub(super) fn conclude(self, reply: &Reply, meter: &Meter, policy: &Policy, journal: &Journal) {
        let began = Instant::now();
        let fault = match self {
            Self::Gone => return,
            Self::Ended(fault) => fault,
            Self::Returned(Err(error)) if !fault::is_clean_exit(&error) => {
                fault::name(&error, meter, policy)
            }
            Self::Returned(_) if reply.has_begun() => return reply.finish(),
            Self::Returned(_) => Fault::NoResponse("it set no status and wrote nothing".to_owned()),
        };
        if !meter.may_log_lines(&fault.log_lines()) {
            journal.mute();
        }
        meter.add(began.elapsed());
        // Its task is not polled any more.
        meter.charge();
        if !reply.fail(fault.clone()) {
            late_fault(&fault, journal);
        }
    }
}

/// A fault after the answer was complete: only the log can be told.
fn late_fault(fault: &Fault, journal: &Journal) {
    let request = journal.number();
    let mut lines = fault.log_lines();
    if let Some(cause) = lines.first_mut() {
        cause.insert_str(0, "after its answer was complete: ");
    }
    if !journal.is_muted() {
        let app = journal.app();
        lines
            .iter()
            .for_each(|line| tracing::warn!(request, app, "{line}"));
    }
    journal.say(&lines.join("\n"));
    journal.fail(fault);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::engine::Engine;
    use super::super::tenant::{Customer, Tenant};
    use super::*;
    use crate::policy::Budget;

    #[tokio::test]
    async fn to_name_a_fault_is_on_its_tenants_account() {
        let engine = Engine::options().instances_max(1).start();
        let budget = Budget::strict()
            .cpu_share(0.001)
            .cpu_burst(Duration::from_nanos(1));
        let tenant = Tenant::new(&engine.expect("an engine"), "one", budget);
        let customer = Customer::new(&tenant, "app", &Budget::strict(), 1);
        let (journal, policy) = (Arc::<Journal>::default(), Arc::new(Policy::strict()));
        let meter = Meter::new(journal.clone(), Some(customer));
        let (reply, _) = Reply::new(Arc::new(()), meter.clone(), policy.clone(), false);
        let fault = Fault::Crashed("a line\n".repeat(1000));
        Ending::Ended(fault).conclude(&reply, &meter, &policy, &journal);
        assert!(!tenant.account().cpu_wait().is_zero());
    }
}
