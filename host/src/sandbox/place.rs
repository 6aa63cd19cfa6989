//! What a request holds while it runs: a place, and memory.

use std::sync::Arc;

use super::account::Account;
use super::tenant::Customer;

/// The right to run. Dropping it lets the next one in.
#[derive(Debug)]
pub(super) struct Place(Option<Arc<Customer>>);

impl Place {
    /// One of each kind of place, all of them taken before.
    pub(super) fn taken(customer: Arc<Customer>) -> Self {
        Self(Some(customer))
    }

    /// Frees the place, and leaves it to the caller to let somebody in.
    pub(super) fn leave_silently(mut self) {
        if let Some(customer) = self.0.take() {
            free(&customer);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(customer) = self.0.take() {
            free(&customer);
            customer.gate().look_for_waiting(&customer);
        }
    }
}

fn free(customer: &Customer) {
    customer.gate().places.give_back(1);
    customer.leave();
}

/// Memory of an instance, on the accounts of its application and tenant.
/// Dropping it gives it back.
#[derive(Debug)]
pub(super) struct Claim {
    customer: Arc<Customer>,
    bytes: u64,
}

impl Claim {
    pub(super) fn new(customer: Arc<Customer>) -> Self {
        Self { customer, bytes: 0 }
    }

    /// Claims so much in all.
    pub(super) fn grow_to(&mut self, bytes: u64) -> Result<(), &Account> {
        let more = bytes.saturating_sub(self.bytes);
        if more == 0 {
            return Ok(());
        }
        let [app, tenant] = self.customer.accounts();
        if !app.memory_bytes.take(more) {
            return Err(app);
        }
        if !tenant.memory_bytes.take(more) {
            app.memory_bytes.give_back(more);
            return Err(tenant);
        }
        self.bytes += more;
        Ok(())
    }

    fn give_back(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        for account in self.customer.accounts() {
            account.memory_bytes.give_back(bytes);
        }
    }

    pub(super) fn leave_silently(mut self) {
        self.give_back();
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.give_back();
            self.customer.gate().look_for_waiting(&self.customer);
        }
    }
}
