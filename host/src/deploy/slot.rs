//! A place for an application: filled at its first request, swapped while
//! requests run, emptied when nobody asks.

mod loading;

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use futures_util::future::Shared as SharedFuture;

use tracing::field::{DisplayValue, display};

use super::catalogue::{Catalogue, Shared};
use super::complaints::Complaints;
use super::idle::IdleWatch;
use super::refusal::Refusal;
use super::retired;
use super::share::Share;
use super::source::{Source, Version};
use super::stamp::Stamp;
use crate::message::{BoxFuture, Fault, Handler, Owner, Request, Response, printable};
use crate::setup::SetupError;

/// A place for one application. It is a handler: requests go to the version
/// that it holds, or wait for the first one to be loaded. Clones are the same
/// slot.
#[derive(Clone)]
pub struct Slot(pub(super) Arc<Place>);

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
            let (app, file) = self.logged();
            match self.refused_version() {
                Some(reason) => tracing::warn!(
                    app,
                    file,
                    "unloaded: {why}; and it is not served until its file is mended: {}",
                    printable(&reason)
                ),
                None => tracing::debug!(app, file, "unloaded: {why}"),
            }
            let old = before.version.application.clone();
            self.shared.retired.keep(old, &self.complaints.owner.tenant);
        }
    }

    /// How lines of the log name it: whose it is, and which of their files if they have
    /// several.
    fn logged(&self) -> (DisplayValue<&Owner>, Option<DisplayValue<Cow<'_, str>>>) {
        let owner = self.owner();
        let file = (owner.app != self.name).then(|| display(printable(&self.name)));
        (display(owner), file)
    }

    pub(super) fn owner(&self) -> &Owner {
        &self.complaints.owner
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

    /// Why the version is refused that the file has now, if it is: once what is loaded is
    /// unloaded, nothing serves.
    pub(super) fn refused_version(&self) -> Option<String> {
        let refused = self.refused().filter(|refused| refused.stamp.is_some());
        refused.map(|refused| refused.reason)
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

    pub(super) fn refused(&self) -> Option<Refusal> {
        self.state().refused.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
