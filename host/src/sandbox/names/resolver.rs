//! Asks the system for the addresses of a name, a few at a time for each tenant.
//!
//! The system does not break off a look-up: where a name server does not answer,
//! and everybody may have one for names of his own, it goes on for half a minute
//! after a guest has given it up.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use url::Host;

use crate::sandbox::chores::THREADS_MAX;
use crate::sandbox::tenant::Customer;

/// How many look-ups of a tenant go on at a time, with those that were given up.
/// As many of its threads again are left for files.
const LOOK_UPS_MAX: usize = THREADS_MAX / 2;

/// The longest name of a host, bytes: of the 255 of RFC 1035 §2.3.4 two are no text.
const NAME_BYTES_MAX: usize = 253;

/// The longest name as a guest may write it, bytes: where a name in ASCII has one
/// character, the same in UTF-8 has four bytes at most.
const WRITTEN_BYTES_MAX: usize = 4 * NAME_BYTES_MAX;

/// How many addresses of a name are told. A hostile name server could send
/// thousands; who connects tries a few.
const ADDRESSES_MAX: usize = 64;

/// Why a guest is told no addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoAddress {
    /// It was not granted any.
    NotAllowed,
    /// That is no name.
    Invalid,
    /// Nobody has that name, or nobody could say.
    Unresolvable,
}

/// What looks up names for a tenant. Clones are the same one.
#[derive(Clone, Debug)]
pub(in crate::sandbox) struct Names {
    /// A look-up has its permit until it has ended, whoever still waits for it.
    /// Those that wait for one do it in their order.
    permits: Arc<Semaphore>,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(LOOK_UPS_MAX)),
        }
    }
}

impl Names {
    /// What looks up names for this customer's tenant.
    pub(in crate::sandbox) fn of(customer: Option<&Customer>) -> Self {
        customer.map_or_else(Self::default, |customer| customer.tenant.names().clone())
    }

    /// The addresses of what a guest calls a host, which may be an address itself.
    async fn addresses(&self, written: String) -> Result<Vec<IpAddr>, NoAddress> {
        if written.len() > WRITTEN_BYTES_MAX {
            return Err(NoAddress::Invalid);
        }
        let name = match Host::parse(&written) {
            Ok(Host::Domain(name)) if !is_long(&name) => name,
            Ok(Host::Domain(_)) => return Err(NoAddress::Invalid),
            Ok(Host::Ipv4(address)) => return Ok(vec![address.into()]),
            Ok(Host::Ipv6(address)) => return Ok(vec![IpAddr::V6(address).to_canonical()]),
            // One without brackets, or nothing that makes sense.
            Err(_) => {
                let address: Ipv6Addr = written.parse().map_err(|_| NoAddress::Invalid)?;
                return Ok(vec![IpAddr::V6(address).to_canonical()]);
            }
        };
        let found = self.look_up(name, 0).await;
        let found = found.map_err(|_| NoAddress::Unresolvable)?;
        Ok(found
            .iter()
            .map(|found| found.ip().to_canonical())
            .collect())
    }

    /// Where a host has this port.
    pub(in crate::sandbox) async fn look_up(
        &self,
        name: String,
        port: u16,
    ) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = name.parse() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        if is_long(&name) {
            let complaint = format!("a host's name has at most {NAME_BYTES_MAX} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, complaint));
        }
        self.run(move || {
            let found = (name.as_str(), port).to_socket_addrs()?;
            Ok(found.take(ADDRESSES_MAX).collect())
        })
        .await
    }

    /// Runs this on one of the tenant's threads, as soon as few enough are running.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let permit = self.permits.clone().acquire_owned().await;
        let permit = permit.map_err(io::Error::other)?;
        let working = spawn_blocking(move || {
            let outcome = work();
            drop(permit);
            outcome
        });
        working.await.map_err(io::Error::other)?
    }
}

/// The addresses of what a guest calls a host, if it may look up names.
pub(super) async fn addresses(
    names: Option<Names>,
    written: String,
) -> Result<Vec<IpAddr>, NoAddress> {
    let names = names.ok_or(NoAddress::NotAllowed)?;
    names.addresses(written).await
}

/// Whether this is longer than a name can be; the dot that stands for the root is
/// no part of it.
fn is_long(name: &str) -> bool {
    name.strip_suffix('.').unwrap_or(name).len() > NAME_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use futures_util::FutureExt;
    use futures_util::future::join_all;

    use super::*;

    /// One that lasts until something is said, and tells that it has begun.
    fn lasting() -> (Sender<()>, Receiver<()>, impl FnOnce() -> io::Result<()>) {
        let (end, told) = channel();
        let (begins, begun) = channel();
        let work = move || {
            let _ = begins.send(());
            let _ = told.recv();
            Ok(())
        };
        (end, begun, work)
    }

    #[tokio::test]
    async fn what_was_given_up_holds_its_place_until_it_ends() {
        let names = Names::default();
        let mut ends = Vec::new();
        for _ in 0..100 {
            let (end, begun, work) = lasting();
            assert!(names.run(work).now_or_never().is_none());
            ends.push((end, begun));
        }
        // Only these were ever handed to a thread; of the others nothing is left.
        let (going_on, dropped): (Vec<_>, Vec<_>) =
            ends.into_iter().partition(|(end, _)| end.send(()).is_ok());
        assert_eq!(going_on.len(), LOOK_UPS_MAX);
        assert_eq!(dropped.len(), 100 - LOOK_UPS_MAX);
        for (_, begun) in &going_on {
            begun.recv().expect("it has begun");
        }
        names.run(|| Ok(())).await.expect("there is a place again");
    }

    #[tokio::test]
    async fn who_waits_has_its_turn() {
        let names = Names::default();
        let (end, begun, work) = lasting();
        let mut first = pin!(names.run(work));
        assert!(first.as_mut().now_or_never().is_none());
        let others = (0..100).map(|number| names.run(move || Ok(number)));
        let numbers = join_all(others).await;
        let numbers: Vec<_> = numbers.into_iter().map(Result::unwrap).collect();
        assert_eq!(numbers, (0..100).collect::<Vec<_>>());
        begun.recv().expect("it has begun");
        end.send(()).expect("it goes on");
        first.await.expect("it has ended");
    }

    #[tokio::test]
    async fn names_are_told_from_addresses_and_from_what_is_neither() {
        let names = Names::default();
        let addresses = async |written: &str| names.addresses(written.to_owned()).await;
        for (address, expected) in [
            ("192.0.2.7", "192.0.2.7"),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
        ] {
            let expected = expected.parse().expect("an address");
            assert_eq!(addresses(address).await, Ok(vec![expected]), "{address}");
        }
        let found = addresses("localhost").await.expect("this machine");
        assert!(found.iter().all(IpAddr::is_loopback), "{found:?}");
        let label = "a".repeat(63);
        let longest = [label.as_str(); 4].join(".")[2..].to_owned();
        assert_eq!(longest.len(), NAME_BYTES_MAX);
        for (name, outcome) in [
            (longest.clone(), NoAddress::Unresolvable),
            (format!("{longest}."), NoAddress::Unresolvable),
            (format!("a{longest}"), NoAddress::Invalid),
            // Longer in ASCII, and too long to look at.
            ("ä".repeat(250), NoAddress::Invalid),
            ("a".repeat(10_000_000), NoAddress::Invalid),
            (String::new(), NoAddress::Invalid),
            ("a b".to_owned(), NoAddress::Invalid),
        ] {
            assert_eq!(addresses(&name).await, Err(outcome), "{name:.300}");
        }
        let refused = names.look_up(format!("a{longest}"), 80).await;
        let kind = refused.expect_err("it is too long").kind();
        assert_eq!(kind, io::ErrorKind::InvalidInput);
    }
}
