//! How many requests are under way to other servers.

use std::sync::Arc;

use crate::sandbox::account::OUTBOUND;
use crate::sandbox::tenant::Customer;

/// The right to send one of the requests that an application and its tenant may
/// have under way at a time. It is held as long as the connection.
pub(super) struct Line(Arc<Customer>);

impl Line {
    pub(super) fn take(customer: Arc<Customer>) -> Result<Self, String> {
        let [app, tenant] = customer.accounts();
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
    }
}
