//! How many requests are under way to other servers.

use std::sync::Arc;

use crate::sandbox::account::OUTBOUND;
use crate::sandbox::tenant::Customer;

/// The right to send one of the requests that an application and its tenant may
/// have under way at a time, and to the socket that it takes of those of all
/// guests. It is held as long as the connection.
pub(super) struct Line(Arc<Customer>);

impl Line {
    pub(super) fn take(customer: Arc<Customer>) -> Result<Self, String> {
        let [app, tenant] = customer.accounts();
        if !customer.gate().descriptors.take(1) {
            return Err("all files and sockets that applications may have are open".to_owned());
        }
        let full = match (app.outbound.take(1), tenant.outbound.take(1)) {
            (true, true) => return Ok(Self(customer)),
            (false, true) => {
                tenant.outbound.give_back(1);
                app
            }
            (true, false) => {
                app.outbound.give_back(1);
                tenant
            }
            (false, false) => app,
        };
        customer.gate().descriptors.give_back(1);
        Err(format!(
            "over budget: {OUTBOUND} of {}: {} HTTP requests are under way already",
            full.owner, full.budget.outbound_requests_max
        ))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        for account in self.0.accounts() {
            account.outbound.give_back(1);
        }
        self.0.gate().descriptors.give_back(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Budget;
    use crate::sandbox::engine::Engine;
    use crate::sandbox::tenant::Tenant;

    #[test]
    fn sockets_count_among_those_of_all_until_they_are_closed() {
        let engine = Engine::options().instances_max(1).start();
        let budget = Budget::strict().outbound_requests_max(1);
        let tenant = Tenant::new(&engine.expect("an engine"), "tenant", budget.clone());
        let customer = Customer::new(&tenant, "app", &budget, 1);
        let line = Line::take(customer.clone()).expect("the only one");
        assert_eq!(customer.gate().descriptors.used(), 1);
        let refused = Line::take(customer.clone()).err().expect("no more");
        assert!(refused.contains("over budget"), "{refused}");
        assert_eq!(customer.gate().descriptors.used(), 1);
        drop(line);
        assert_eq!(customer.gate().descriptors.used(), 0);
        assert_eq!(tenant.standing().outbound_requests, 0);
    }
}
