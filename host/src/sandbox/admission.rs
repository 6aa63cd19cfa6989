//! Who may run now, who waits, and who is sent away.
//!
//! A request takes a place of its application, of its tenant and of the engine.
//! While nobody waits that is one atomic operation each. A tenant gets a place
//! only while it has fewer than are free, so that a few of them do not have all.
//! Who has to wait stands in the line of its application; each place that becomes
//! free goes to the tenant with the fewest requests under way, of several to the
//! one that computed least lately, in it to the application with the fewest
//! requests, and there to who came first. So a tenant that floods waits for
//! itself. It has one more wait only while fewer of its requests do than there is
//! room for, because who waits holds a connection.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::account::{self, Account, Ceiling};
use super::holdings;
use super::lines::{Lines, shortage};
use super::place::{Claim, Place};
use super::tenant::Customer;
use crate::message::{Fault, Journal, Portion, Pot};

/// How often one who waits for processor time looks whether it has some, at
/// most and at least.
const LOOK_MIN: Duration = Duration::from_millis(20);
const LOOK_MAX: Duration = Duration::from_millis(100);

/// How much the params of requests that wait may take together, bytes, beside what each has
/// in any case: a web server may pass on hundreds of KiB of a request's head.
const PARAMS_BYTES_ALL: usize = 64 * 1024 * 1024;
const PARAMS_BYTES_FREE: usize = 16 * 1024;

/// The places of an engine, which are as many as its pool has instances: so an
/// instance never finds the pool full.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) places: Ceiling,
    /// Those who wait for one.
    pub(super) waiting: Ceiling,
    /// Files and sockets of all instances.
    pub(super) descriptors: Ceiling,
    /// The params of those who wait.
    params: Arc<Pot>,
    /// Whether somebody waits for nothing but one of these places.
    is_short: AtomicBool,
    lines: Mutex<Lines>,
}

/// The right to run, and to have memory.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) place: Place,
    pub(super) memory: Claim,
}

impl Gate {
    pub(super) fn new(places: usize, waiting: usize) -> Self {
        Self {
            places: Ceiling::new(places as u64),
            waiting: Ceiling::new(waiting as u64),
            descriptors: Ceiling::new(holdings::descriptors_of_guests()),
            params: Pot::of(PARAMS_BYTES_ALL),
            is_short: AtomicBool::new(false),
            lines: Mutex::default(),
        }
    }

    /// A place for a request whose params take so much memory, at once or after a wait.
    pub(super) async fn enter(
        &self,
        customer: &Arc<Customer>,
        journal: &Journal,
        params_bytes: usize,
    ) -> Result<Admitted, Fault> {
        let is_next = !self.is_short.load(SeqCst) && customer.tenant.account().waiting.used() == 0;
        if is_next && let Ok(admitted) = self.take(customer) {
            return Ok(admitted);
        }
        let waiting = self.line_up(customer, journal, params_bytes);
        if is_next || waiting.is_ok() {
            self.admit_next();
        }
        let mut waiting = waiting?;
        let [app, tenant] = customer.accounts();
        let wait_max = app.budget.queue_wait_max.min(tenant.budget.queue_wait_max);
        let deadline = Instant::now() + wait_max;
        loop {
            let until =
                look_in(customer).map_or(deadline, |look| deadline.min(Instant::now() + look));
            match timeout_at(until, &mut waiting.admitted).await {
                Ok(Ok(admitted)) => return Ok(admitted),
                Ok(Err(_)) => return Err(Fault::Internal("its ticket was lost".to_owned())),
                Err(_) if Instant::now() >= deadline => {
                    return Err(waited_in_vain(customer, wait_max, journal));
                }
                Err(_) if shortage(customer).is_none() => self.admit_next(),
                Err(_) => {}
            }
        }
    }

    /// Takes all that a request needs, or nothing. If it fails, somebody else
    /// may have failed because of what it held meanwhile: who gets an error
    /// looks for [those who wait](Self::admit_next).
    fn take(&self, customer: &Arc<Customer>) -> Result<Admitted, Lacking> {
        if customer
            .accounts()
            .iter()
            .any(|account| !account.cpu_wait().is_zero())
        {
            return Err(Lacking::Own);
        }
        if !customer.leaves_places() {
            return Err(Lacking::Own);
        }
        let [app, tenant] = customer.accounts();
        if !app.running.take(1) {
            return Err(Lacking::Own);
        }
        if !tenant.running.take(1) {
            app.running.give_back(1);
            return Err(Lacking::Own);
        }
        if !self.places.take(1) {
            tenant.running.give_back(1);
            app.running.give_back(1);
            return Err(Lacking::EnginePlace);
        }
        let place = Place::taken(customer.clone());
        let mut memory = Claim::new(customer.clone());
        match memory.grow_to(customer.memory_bytes_needed()) {
            Ok(()) => Ok(Admitted { place, memory }),
            Err(_) => {
                place.leave_silently();
                Err(Lacking::Own)
            }
        }
    }

    fn line_up(
        &self,
        customer: &Arc<Customer>,
        journal: &Journal,
        params_bytes: usize,
    ) -> Result<Waiting<'_>, Fault> {
        let [app, tenant] = customer.accounts();
        let line = journal.line().filter(|_| customer.has_others());
        let mut place = line.map(Pot::portion);
        let may_stand = |place: &mut Portion| place.grow(1, journal);
        let beyond = params_bytes.saturating_sub(PARAMS_BYTES_FREE);
        let mut params = self.params.portion();
        if beyond > 0 && !params.grow_for(customer.tenant.name(), beyond) {
            return Err(Fault::Overloaded(format!(
                "its params have {params_bytes} bytes, for which there is no memory while it waits \
                 for a place: others that wait have all that they may have"
            )));
        }
        if !customer.leaves_room_to_wait() || !place.as_mut().is_none_or(may_stand) {
            return Err(full_queue(tenant, customer, journal));
        }
        for (account, other) in [(app, None), (tenant, Some(app))] {
            if !account.waiting.take(1) {
                if let Some(other) = other {
                    other.waiting.give_back(1);
                }
                return Err(full_queue(account, customer, journal));
            }
        }
        self.waiting.add(1);
        let (admit, admitted) = oneshot::channel();
        let number = self.lock().stand(customer, admit);
        Ok(Waiting {
            gate: self,
            customer: customer.clone(),
            number,
            admitted,
            _place: place,
            _params: params,
        })
    }

    /// Lets in whoever can run now.
    fn admit_next(&self) {
        let mut lines = self.lock();
        loop {
            while let Some(next) = lines.next() {
                match self.take(lines.customer(next)) {
                    Ok(admitted) => lines.call(next, admitted),
                    // Others took what was left a moment ago.
                    Err(Lacking::Own) => {}
                    Err(Lacking::EnginePlace) => break,
                }
            }
            if !lines.is_any_short() {
                self.is_short.store(false, SeqCst);
                return;
            }
            // Once more, because who left before this was set did not see it.
            if self.is_short.swap(true, SeqCst) {
                return;
            }
        }
    }

    /// Somebody left who had something that others may wait for.
    pub(super) fn look_for_waiting(&self, customer: &Customer) {
        if self.is_short.load(SeqCst) || customer.tenant.account().waiting.used() > 0 {
            self.admit_next();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a request lacks: something of its application's or tenant's own, or
/// only one of the places that all share.
#[derive(Debug)]
enum Lacking {
    Own,
    EnginePlace,
}

/// When to look again, if time alone may change something.
fn look_in(customer: &Customer) -> Option<Duration> {
    let accounts = customer.accounts();
    if !accounts.iter().any(|account| account.has_cpu_share()) {
        return None;
    }
    let wait = accounts.map(Account::cpu_wait).into_iter().max()?;
    Some(if wait.is_zero() {
        LOOK_MAX
    } else {
        wait.max(LOOK_MIN)
    })
}

fn full_queue(full: &Account, customer: &Customer, journal: &Journal) -> Fault {
    let reason = match shortage(customer) {
        Some((account, budget)) => {
            format!(
                "{} of {}: {}",
                budget,
                account.owner,
                account.describe(budget)
            )
        }
        None => "all places of the server are taken".to_owned(),
    };
    let detail = format!("{}; {reason}", full.describe(account::QUEUE));
    full.exceeded(account::QUEUE, detail, journal)
}

fn waited_in_vain(customer: &Customer, wait_max: Duration, journal: &Journal) -> Fault {
    match shortage(customer) {
        Some((account, budget)) => {
            let detail = format!("{}, for {wait_max:?}", account.describe(budget));
            account.exceeded(budget, detail, journal)
        }
        None => Fault::Overloaded(format!(
            "all places of the server are taken, for {wait_max:?}"
        )),
    }
}

/// One who waits, for as long as it does.
struct Waiting<'g> {
    gate: &'g Gate,
    customer: Arc<Customer>,
    number: u64,
    admitted: oneshot::Receiver<Admitted>,
    /// Among those who came by the same socket.
    _place: Option<Portion>,
    _params: Portion,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.gate.lock().remove(&self.customer, self.number);
        for account in self.customer.accounts() {
            account.waiting.give_back(1);
        }
        self.gate.waiting.give_back(1);
    }
}

#[cfg(test)]
mod tests;
