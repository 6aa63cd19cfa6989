//! How a place comes to have a version: one load at a time, which all wait for.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::time::timeout;

use super::{Filling, Loading, Place};
use crate::deploy::attempt::when_left_alone;
use crate::deploy::refusal::Refusal;
use crate::deploy::share::Waiting;
use crate::deploy::source::{Source, Version};
use crate::message::{BoxFuture, Fault, Journal, Stage, printable};
use crate::setup::SetupError;

impl Place {
    /// Waits for the first version on behalf of a request, whose journal learns
    /// whose it is: nobody else tells it, if there is none.
    pub(super) async fn filled(
        self: &Arc<Self>,
        journal: &Journal,
        params_bytes: usize,
    ) -> Result<Arc<Filling>, Fault> {
        journal.set_owner(self.complaints.owner.clone());
        journal.set_stage(Stage::Queued);
        let filling = self.first(params_bytes).await;
        filling.map_err(|fault| self.complaints.fault(fault, journal))
    }

    /// Waits for the first version, but not for ever.
    async fn first(self: &Arc<Self>, params_bytes: usize) -> Result<Arc<Filling>, Fault> {
        let (tenant, owner) = (&self.tenant, &self.complaints.owner);
        let standing = self.shared.line.stand(tenant, owner, params_bytes)?;
        let wait_max = self.shared.wait_max();
        let (loading, _) = self.clone().begin(true, Some(standing.of_tenant.clone()));
        match timeout(wait_max, loading).await {
            Ok(loaded) => loaded.map_err(Fault::Unloadable),
            Err(_) => Err(Fault::Overloaded(format!(
                "{} was not loaded within {wait_max:?}, and is still being",
                self.name
            ))),
        }
    }

    /// Joins the load that is under way, or begins one. Whether it is new. It
    /// goes on without those who wait for it. `is_logged` is whether the log
    /// has to tell what is refused, because nobody else does; `waiting` is the
    /// place of the request that asks, which a new load keeps until its end.
    pub(super) fn begin(
        self: Arc<Self>,
        is_logged: bool,
        waiting: Option<Waiting>,
    ) -> (Loading, bool) {
        let mut state = self.state();
        if let Some(loading) = &state.loading {
            return (loading.clone(), false);
        }
        let place = self.clone();
        let task = tokio::spawn(async move {
            let _waiting = waiting;
            let load = AssertUnwindSafe(place.load(is_logged)).catch_unwind();
            let outcome = load
                .await
                .unwrap_or_else(|_| Err("loading broke off, which is an error of ours".to_owned()));
            place.state().loading = None;
            outcome
        });
        let loading: BoxFuture<'static, _> = Box::pin(async {
            let broke_off = |error| Err(format!("loading broke off: {error}"));
            task.await.unwrap_or_else(broke_off)
        });
        let loading = loading.shared();
        state.loading = Some(loading.clone());
        (loading, true)
    }

    async fn load(self: &Arc<Self>, is_logged: bool) -> Result<Arc<Filling>, String> {
        let current = self.current.load_full();
        let began = self.shared.now();
        let refuse = |stamp, error: SetupError| {
            let refusal = Refusal::new(stamp, error.to_string(), began, self.shared.now());
            self.refuse(refusal, is_logged)
        };
        let stamp = self.source.stamp().map_err(|error| refuse(None, error))?;
        if let Some(current) = current.filter(|current| current.version.stamp == stamp) {
            self.state().refused = None;
            return Ok(current);
        }
        let refused = self.refused().filter(|refused| refused.holds(began));
        if let Some(refused) = refused.filter(|refused| refused.stamp == Some(stamp)) {
            return Err(refused.reason);
        }
        self.shared.retired.check(&self.complaints.owner.tenant)?;
        match self.obtain().await {
            Ok(version) => {
                let has_replaced = self.fill(version);
                let (app, file) = self.logged();
                match has_replaced {
                    true => tracing::info!(app, file, "the new version serves"),
                    false => tracing::debug!(app, file, "loaded"),
                }
                self.current
                    .load_full()
                    .ok_or_else(|| "it was unloaded at once".to_owned())
            }
            Err(error) => Err(refuse(Some(stamp), error)),
        }
    }

    /// Notes that this is not served, and logs it: only once, however often it is
    /// asked for, and not without end, however often it is changed.
    fn refuse(&self, refusal: Refusal, is_logged: bool) -> String {
        let reason = refusal.reason.clone();
        let before = self.state().refused.replace(refusal.clone());
        if is_logged
            && before != Some(refusal)
            && let Some(besides) = self.complaints.refusal()
        {
            let what = match self.is_filled() {
                true => "the new version is refused, and the old one goes on serving",
                false => "it can not be loaded",
            };
            let (app, file) = self.logged();
            tracing::warn!(app, file, "{what}: {}{besides}", printable(&reason));
        }
        reason
    }

    /// A version from the cache, or else compiled, when it is this tenant's and
    /// then this application's turn.
    async fn obtain(&self) -> Result<Version, SetupError> {
        // In this order: those of one tenant do not stand in the way of others.
        let fetches = [&self.tenant.fetches, &self.shared.fetches];
        let kept = when_left_alone(&self.name, &*self.source, fetches, Source::kept);
        if let Some(version) = kept.await? {
            return Ok(version);
        }
        let compiles = [&self.tenant.compiles, &self.shared.compiles];
        when_left_alone(&self.name, &*self.source, compiles, Source::compiled).await
    }
}
