//! Who may run now, who waits, and who is sent away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::message::Fault;
use crate::policy::Policy;

/// A bounded number of places and a bounded, fair queue for them.
#[derive(Debug)]
pub(super) struct Admission {
    /// The application's places, and those of the engine, which are as many as
    /// its pool has instances: so an instance never finds the pool full.
    places: Arc<Semaphore>,
    engine_places: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// The right to run. Dropping it lets the next one in.
#[derive(Debug)]
pub(super) struct Place {
    _app: OwnedSemaphorePermit,
    _engine: OwnedSemaphorePermit,
}

impl Admission {
    pub(super) fn new(policy: &Policy, engine_places: Arc<Semaphore>) -> Self {
        Self {
            places: Arc::new(Semaphore::new(policy.requests_max)),
            engine_places,
            waiting: AtomicUsize::new(0),
        }
    }

    /// A place, at once or after a wait in the queue.
    pub(super) async fn enter(&self, policy: &Policy) -> Result<Place, Fault> {
        if let Ok(app) = self.places.clone().try_acquire_owned()
            && let Ok(engine) = self.engine_places.clone().try_acquire_owned()
        {
            return Ok(Place {
                _app: app,
                _engine: engine,
            });
        }
        let waiting = Waiting::join(&self.waiting);
        if waiting.before >= policy.queue_max {
            return Err(Fault::Overloaded(format!(
                "all places are taken (--max-concurrent), and {} requests wait already (--queue)",
                waiting.before
            )));
        }
        let enter = async {
            let app = self.places.clone().acquire_owned().await.ok()?;
            let engine = self.engine_places.clone().acquire_owned().await.ok()?;
            Some(Place {
                _app: app,
                _engine: engine,
            })
        };
        match timeout(policy.queue_wait_max, enter).await {
            Ok(Some(place)) => Ok(place),
            _ => Err(Fault::Overloaded(format!(
                "no place became free within {:?}",
                policy.queue_wait_max
            ))),
        }
    }

    /// Waits until all places are free at a time.
    pub(super) async fn drained(&self, policy: &Policy) {
        let all = u32::try_from(policy.requests_max).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        let _ = self.places.acquire_many(all).await;
    }
}

/// Counts one who waits for as long as it lives.
struct Waiting<'a> {
    count: &'a AtomicUsize,
    before: usize,
}

impl<'a> Waiting<'a> {
    fn join(count: &'a AtomicUsize) -> Self {
        let before = count.fetch_add(1, Ordering::Relaxed);
        Self { count, before }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn admission(policy: &Policy) -> Admission {
        Admission::new(policy, Arc::new(Semaphore::new(10)))
    }

    #[tokio::test]
    async fn conformance_75_a_full_queue_is_a_503_at_once() {
        let policy = Policy::strict().requests_max(1).queue_max(0);
        let admission = admission(&policy);
        let place = admission.enter(&policy).await.expect("the first");
        let fault = admission.enter(&policy).await.expect_err("the second");
        assert_eq!(fault.status(), 503);
        drop(place);
        admission.enter(&policy).await.expect("after the first");
    }

    #[tokio::test]
    async fn who_waits_gets_the_place_of_who_leaves() {
        let policy = Policy::strict().requests_max(1).queue_max(1);
        let admission = Arc::new(admission(&policy));
        let place = admission.enter(&policy).await.expect("the first");
        let waiter = tokio::spawn({
            let (admission, policy) = (admission.clone(), policy.clone());
            async move { admission.enter(&policy).await.is_ok() }
        });
        while admission.waiting.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        drop(place);
        assert!(waiter.await.expect("no panic"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_has_an_end() {
        let policy = Policy::strict()
            .requests_max(1)
            .queue_wait_max(Duration::from_secs(3));
        let admission = admission(&policy);
        let _place = admission.enter(&policy).await.expect("the first");
        assert!(admission.enter(&policy).await.is_err());
        assert_eq!(admission.waiting.load(Ordering::Relaxed), 0);
    }
}
