//! Who waits, and whose turn it is.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::account::Account;
use super::admission::Admitted;
use super::tenant::Customer;

/// The lines of all applications.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Those in which somebody waits.
    lines: Vec<Line>,
    tickets: u64,
}

#[derive(Debug)]
struct Line {
    customer: Arc<Customer>,
    waiting: VecDeque<Ticket>,
}

/// One who waits, by the order of arrival.
#[derive(Debug)]
struct Ticket {
    number: u64,
    admit: oneshot::Sender<Admitted>,
}

impl Lines {
    /// Puts one at the end of its application's line. The number of its ticket.
    pub(super) fn stand(
        &mut self,
        customer: &Arc<Customer>,
        admit: oneshot::Sender<Admitted>,
    ) -> u64 {
        self.tickets += 1;
        let number = self.tickets;
        let ticket = Ticket { number, admit };
        let known = self
            .lines
            .iter_mut()
            .find(|line| line.customer.is(customer));
        match known {
            Some(line) => line.waiting.push_back(ticket),
            None => self.lines.push(Line {
                customer: customer.clone(),
                waiting: VecDeque::from([ticket]),
            }),
        }
        number
    }

    /// Whose line it is.
    pub(super) fn customer(&self, index: usize) -> &Arc<Customer> {
        &self.lines[index].customer
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The line whose turn it is, of those that lack nothing of their own.
    pub(super) fn next(&self) -> Option<usize> {
        let able = self.lines.iter().enumerate().filter(|(_, line)| {
            shortage(&line.customer).is_none() && line.customer.leaves_places()
        });
        let first = able.min_by_key(|(_, line)| {
            let [app, tenant] = line.customer.accounts();
            let came = line.waiting.front().map_or(0, |ticket| ticket.number);
            let recent = line.customer.recent_cpu();
            (tenant.running.used(), recent, app.running.used(), came)
        });
        first.map(|(index, _)| index)
    }

    /// Whether somebody waits for nothing but others' places.
    pub(super) fn is_any_short(&self) -> bool {
        let mut lines = self.lines.iter();
        lines.any(|line| shortage(&line.customer).is_none())
    }

    /// Lets the first one of a line in. If that one has just given up, the place
    /// is free again, and the caller is about to look for the next.
    pub(super) fn call(&mut self, index: usize, admitted: Admitted) {
        let line = &mut self.lines[index];
        if let Some(ticket) = line.waiting.pop_front()
            && let Err(unwanted) = ticket.admit.send(admitted)
        {
            unwanted.place.leave_silently();
            unwanted.memory.leave_silently();
        }
        if line.waiting.is_empty() {
            self.lines.swap_remove(index);
        }
    }

    pub(super) fn remove(&mut self, customer: &Customer, number: u64) {
        let of_customer = |line: &Line| line.customer.is(customer);
        let Some(index) = self.lines.iter().position(of_customer) else {
            return;
        };
        let waiting = &mut self.lines[index].waiting;
        if let Ok(position) = waiting.binary_search_by_key(&number, |ticket| ticket.number) {
            waiting.remove(position);
        }
        if waiting.is_empty() {
            self.lines.swap_remove(index);
        }
    }
}

/// Which budget of whom keeps a request of this customer from running.
pub(super) fn shortage(customer: &Customer) -> Option<(&Account, &'static str)> {
    customer.accounts().into_iter().find_map(|account| {
        let budget = account.shortage(customer.memory_bytes_needed())?;
        Some((account, budget))
    })
}
