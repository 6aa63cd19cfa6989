//! A place for an application: filled at its first request, swapped while
//! requests run, emptied when nobody asks.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use futures_util::FutureExt;
use futures_util::future::Shared as SharedFuture;
use tokio::time::timeout;

use super::attempt::when_left_alone;
use super::catalogue::{Catalogue, Shared};
use super::complaints::Complaints;
use super::idle::IdleWatch;
use super::refusal::Refusal;
use super::retired;
use super::share::{Share, Waiting};
use super::source::{Source, Version};
use super::stamp::Stamp;
use crate::message::{BoxFuture, Fault, Handler, Journal, Request, Response, Stage, printable};
use crate::setup::SetupError;

/// A place for one application. It is a handler: requests go to the version
/// that it holds, or wait for the first one to be loaded. Clones are the same
/// slot.
#[derive(Clone)]
pub struct Slot(Arc<Place>);

pub(super) struct Place {
    name: String,
    source: Box<dyn Source>,
    shared: Arc<Shared>,
    complaints: Arc<Complaints>,
    tenant: Arc<Share>,
    is_emptied_when_idle: bool,
    current: ArcSwapOption<Filling>,
    used_at: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The load that is under way, which everybody waits for.
    loading: Option<Loading>,
    /// What was not served, and why.
    refused: Option<Refusal>,
}

type Loading = SharedFuture<BoxFuture<'static, Result<Arc<Filling>, String>>>;

/// A version in its place.
struct Filling {
    version: Version,
    /// Empties the place when nobody asks.
    _watch: Option<IdleWatch>,
    shared: Arc<Shared>,
}

impl Drop for Filling {
    fn drop(&mut self) {
        self.shared.turnover.fetch_add(1, Ordering::Relaxed);
    }
}

/// What came of a look after an application's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// It is as it was, or the application is not loaded.
    Unchanged,
    /// The new version serves.
    Replaced,
    /// The new version can not be served; the old one goes on. Why, as a
    /// sentence.
    Refused(String),
}

impl Slot {
    pub(super) fn new(
        catalogue: &Catalogue,
        name: &str,
        complaints: Arc<Complaints>,
        source: Box<dyn Source>,
        is_emptied_when_idle: bool,
    ) -> Self {
        Self(Arc::new(Place {
            name: name.to_owned(),
            source,
            shared: catalogue.0.clone(),
            tenant: catalogue.0.tenant(&complaints.owner.tenant),
            complaints,
            is_emptied_when_idle,
            current: ArcSwapOption::empty(),
            used_at: AtomicU64::new(0),
            state: Mutex::default(),
        }))
    }

    /// The name that logs give it.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether a version is loaded.
    pub fn is_loaded(&self) -> bool {
        self.0.is_filled()
    }

    /// Loads the application now instead of at its first request.
    ///
    /// # Errors
    ///
    /// A sentence, if it can not be served.
    pub async fn load(&self) -> Result<(), SetupError> {
        if self.is_loaded() {
            return Ok(());
        }
        let (loading, _) = self.0.clone().begin(false, None);
        loading.await.map(drop).map_err(SetupError::new)
    }

    /// Looks whether there is a new version, if one is loaded, and waits until
    /// it serves or is refused. Requests that run stay with the old one.
    pub async fn refresh(&self) -> Refreshed {
        let Some(before) = self.0.current.load_full() else {
            return Refreshed::Unchanged;
        };
        let known = self.0.refused();
        let (loading, is_new) = self.0.clone().begin(true, None);
        let mut outcome = loading.await;
        if !is_new {
            // It may have begun before the file changed.
            outcome = self.0.clone().begin(true, None).0.await;
        }
        match outcome {
            Ok(after) if Arc::ptr_eq(&before, &after) => Refreshed::Unchanged,
            Ok(_) => Refreshed::Replaced,
            Err(_) if known.is_some() && known == self.0.refused() => Refreshed::Unchanged,
            Err(reason) => Refreshed::Refused(reason),
        }
    }

    /// Answers with what is loaded, and begins to load a new version if the
    /// file has this other stamp. What counts besides is looked at by
    /// [`refresh`](Self::refresh).
    pub(super) async fn handle_at(
        &self,
        stamp: Stamp,
        request: Request,
    ) -> Result<Response, Fault> {
        if let Some(filling) = self.0.current.load().as_ref() {
            let now = self.0.shared.now();
            let refused = || self.0.refused().filter(|refused| refused.holds(now));
            let of_file = |known: Stamp| known.is_of_same_file(&stamp);
            let is_refused = || refused().is_some_and(|it| it.stamp.is_some_and(of_file));
            if !filling.version.stamp.is_of_same_file(&stamp) && !is_refused() {
                let _ = self.0.clone().begin(true, None);
            }
        }
        self.handle(request).await
    }
}

impl Handler for Slot {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Fault>> {
        Box::pin(async move {
            let place = &self.0;
            place.used_at.store(place.shared.now(), Ordering::Relaxed);
            let filling = match place.current.load_full() {
                Some(filling) => filling,
                None => {
                    let params_bytes = request.params.memory_bytes();
                    place.filled(&request.journal, params_bytes).await?
                }
            };
            filling.version.application.handle(request).await
        })
    }
}

impl From<Arc<Place>> for Slot {
    fn from(place: Arc<Place>) -> Self {
        Self(place)
    }
}

impl Place {
    /// Waits for the first version on behalf of a request, whose journal learns
    /// whose it is: nobody else tells it, if there is none.
    async fn filled(
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
    fn begin(self: Arc<Self>, is_logged: bool, waiting: Option<Waiting>) -> (Loading, bool) {
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
        let name = &self.name;
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
                let what = if has_replaced { "replaced" } else { "loaded" };
                tracing::debug!(app = %printable(name), "{what}");
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
            let (app, tenant) = (
                printable(&self.name),
                printable(&self.complaints.owner.tenant),
            );
            tracing::warn!(%app, %tenant, "{what}: {}{besides}", printable(&reason));
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

    /// Puts a version in place; whether there was another one.
    fn fill(self: &Arc<Self>, version: Version) -> bool {
        let idle_max = self.shared.idle_max();
        let is_watched = self.is_emptied_when_idle;
        let watch = is_watched.then(|| IdleWatch::begin(self, idle_max));
        let filling = Filling {
            version,
            _watch: watch,
            shared: self.shared.clone(),
        };
        self.used_at.store(self.shared.now(), Ordering::Relaxed);
        let before = {
            let mut state = self.state();
            state.refused = None;
            self.current.swap(Some(Arc::new(filling)))
        };
        self.shared.turnover.fetch_add(1, Ordering::Relaxed);
        self.shared.note_filled(self);
        let is_replaced = before.is_some();
        if let Some(before) = before {
            let old = before.version.application.clone();
            self.shared.retired.keep(old, &self.complaints.owner.tenant);
        }
        is_replaced
    }

    /// Takes the version out. Its requests end on it.
    pub(super) fn empty(&self, why: &str) {
        let before = {
            let _state = self.state();
            self.current.swap(None)
        };
        if let Some(before) = before {
            tracing::debug!(app = %printable(&self.name), "unloaded: {why}");
            let old = before.version.application.clone();
            self.shared.retired.keep(old, &self.complaints.owner.tenant);
        }
    }

    pub(super) fn is_filled(&self) -> bool {
        self.current.load().is_some()
    }

    /// Something that all of its tenant's places have in common, and no others.
    pub(super) fn tenant(&self) -> usize {
        Arc::as_ptr(&self.tenant).addr()
    }

    pub(super) fn may_be_emptied(&self) -> bool {
        self.is_emptied_when_idle
    }

    pub(super) fn is_idle(&self) -> bool {
        let current = self.current.load_full();
        current.is_none_or(|current| retired::is_idle(current.version.application.as_ref()))
    }

    pub(super) fn loaded_bytes(&self) -> u64 {
        let current = self.current.load();
        current
            .as_ref()
            .map_or(0, |current| current.version.application.loaded_bytes())
    }

    pub(super) fn used_at(&self) -> u64 {
        self.used_at.load(Ordering::Relaxed)
    }

    /// How long nobody has asked for it.
    pub(super) fn unused_for(&self) -> Duration {
        Duration::from_millis(self.shared.now().saturating_sub(self.used_at()))
    }

    pub(super) async fn drained(&self) {
        if let Some(current) = self.current.load_full() {
            current.version.application.drained().await;
        }
    }

    fn refused(&self) -> Option<Refusal> {
        self.state().refused.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
