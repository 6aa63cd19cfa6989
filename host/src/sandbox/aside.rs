//! Threads for what is done with an application's file: reading and hashing up
//! to 128 MiB of it, looking into the cache, linking, and waiting for a turn to
//! compile.

use std::thread;

use tokio::sync::oneshot;

use super::background::{give_way, thread_time};
use super::tenant::Tenant;
use crate::setup::SetupError;

impl Tenant {
    /// Does this on a thread of its own, which gives way to those that serve, and
    /// at this tenant's expense: who touches a file all the time has it read and
    /// hashed all the time. The thread ends with it, so that what the allocator
    /// keeps for the thread is free for others; the runtime's threads would keep
    /// it for as long as they wait for more to do.
    pub(crate) async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, SetupError> + Send + 'static,
    ) -> Result<T, SetupError> {
        let tenant = self.clone();
        let (done, doing) = oneshot::channel();
        let thread = thread::Builder::new().name("loading".to_owned());
        let started = thread.spawn(move || {
            give_way();
            let outcome = work();
            tenant.account().charge_cpu(thread_time());
            // Nobody to tell is no error: they changed their mind.
            let _ = done.send(outcome);
        });
        started.map_err(|error| SetupError::new(format!("no thread can be started: {error}")))?;
        doing.await.unwrap_or_else(|_| {
            let sentence = "loading broke off, which is an error of ours";
            Err(SetupError::new(sentence))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::background::is_background;
    use super::*;
    use crate::policy::Budget;
    use crate::sandbox::Engine;

    #[tokio::test]
    async fn it_gives_way_and_is_paid_for() {
        let engine = Engine::options().instances_max(1).start();
        let budget = Budget::strict()
            .cpu_share(0.001)
            .cpu_burst(Duration::from_millis(1));
        let tenant = Tenant::new(&engine.expect("an engine"), "alice", budget);
        assert_eq!(tenant.account().cpu_wait(), Duration::ZERO);
        let work = || {
            while thread_time() < 5_000_000 {}
            Ok(is_background())
        };
        assert!(tenant.aside(work).await.expect("done"));
        assert!(tenant.account().cpu_wait() > Duration::ZERO);
        let broken = tenant.aside(|| -> Result<(), _> { panic!("broken") });
        let error = broken.await.expect_err("it broke off");
        assert!(error.to_string().contains("broke off"), "{error}");
    }
}
