//! Slots and catalogues, with files of text for components and closures for
//! applications.

mod fair;
mod unloading;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::StatusCode;
use http_body_util::BodyExt;
use tempfile::TempDir;
use tokio::sync::Semaphore;

use super::{Application, Attempt, Catalogue, Refreshed, Slot, Source, Stamp, Version};
use crate::message::{BoxFuture, Fault, Handler, Request, Response, Stage};
use crate::setup::SetupError;

/// An application that says what its file said; what begins with `broken` is
/// refused.
#[derive(Clone)]
struct Text {
    path: PathBuf,
    /// Whether it is made without compiling.
    is_kept: bool,
    /// Whether its file changes whenever it is read.
    is_disturbed: bool,
    /// The right to look for that.
    may_fetch: Arc<Semaphore>,
    fetches: Arc<AtomicUsize>,
    /// The right to compile, where a test wants it to take time.
    may_compile: Arc<Semaphore>,
    compiles: Arc<AtomicUsize>,
    /// The right to answer.
    may_answer: Arc<Semaphore>,
    running: Arc<AtomicUsize>,
}

impl Text {
    fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            is_kept: false,
            is_disturbed: false,
            may_fetch: Arc::new(Semaphore::new(1000)),
            fetches: Arc::default(),
            may_compile: Arc::new(Semaphore::new(1000)),
            compiles: Arc::default(),
            may_answer: Arc::new(Semaphore::new(1000)),
            running: Arc::default(),
        }
    }

    fn version(&self) -> Result<Version, SetupError> {
        let text = std::fs::read_to_string(&self.path);
        let text = text.map_err(|error| SetupError::new(error.to_string()))?;
        if text.starts_with("broken") {
            return Err(SetupError::new(format!("it is {text}")));
        }
        let said = Said {
            text,
            may_answer: self.may_answer.clone(),
            running: self.running.clone(),
        };
        Ok(Version {
            application: Arc::new(said),
            stamp: self.stamp()?,
        })
    }
}

impl Source for Text {
    fn stamp(&self) -> Result<Stamp, SetupError> {
        let stamp = File::open(&self.path).and_then(|file| Stamp::of(&file));
        stamp.map_err(|error| SetupError::new(error.to_string()))
    }

    fn kept(&self) -> BoxFuture<'_, Result<Attempt<Option<Version>>, SetupError>> {
        Box::pin(async {
            self.fetches.fetch_add(1, Ordering::Relaxed);
            if self.is_disturbed {
                return Ok(Attempt::Disturbed);
            }
            self.may_fetch.acquire().await.expect("open").forget();
            let version = self.is_kept.then(|| self.version()).transpose();
            version.map(Attempt::Made)
        })
    }

    fn compiled(&self) -> BoxFuture<'_, Result<Attempt<Version>, SetupError>> {
        Box::pin(async {
            self.compiles.fetch_add(1, Ordering::Relaxed);
            self.may_compile.acquire().await.expect("open").forget();
            self.version().map(Attempt::Made)
        })
    }
}

struct Said {
    text: String,
    may_answer: Arc<Semaphore>,
    running: Arc<AtomicUsize>,
}

impl Handler for Said {
    fn handle(&self, _: Request) -> BoxFuture<'_, Result<Response, Fault>> {
        Box::pin(async {
            self.running.fetch_add(1, Ordering::Relaxed);
            self.may_answer.acquire().await.expect("open").forget();
            self.running.fetch_sub(1, Ordering::Relaxed);
            Ok(Response::text(StatusCode::OK, self.text.clone()))
        })
    }
}

impl Application for Said {
    fn drained(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            while self.running.load(Ordering::Relaxed) > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
    }

    fn loaded_bytes(&self) -> u64 {
        self.text.len() as u64
    }
}

async fn ask(slot: &Slot) -> Result<String, Fault> {
    let body = slot
        .handle(Request::default())
        .await?
        .body
        .collect()
        .await?;
    Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// Another version, with another stamp: in a tick of its own, or of another
/// length.
fn deploy(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).expect("written");
    std::fs::rename(&beside, path).expect("renamed");
}

async fn wait_until(holds: impl Fn() -> bool) {
    while !holds() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_slot_is_filled_at_its_first_request_and_once() {
    let folder = folder();
    let path = folder.path().join("app");
    deploy(&path, "one");
    let mut source = Text::new(&path);
    source.may_compile = Arc::new(Semaphore::new(0));
    let slot = Catalogue::new().slot("app", "", source.clone());
    assert!(!slot.is_loaded());
    let asking = (0..20).map(|_| {
        let slot = slot.clone();
        tokio::spawn(async move { ask(&slot).await })
    });
    let asking: Vec<_> = asking.collect();
    wait_until(|| source.compiles.load(Ordering::Relaxed) == 1).await;
    source.may_compile.add_permits(100);
    for answer in asking {
        assert_eq!(answer.await.expect("no panic").as_deref(), Ok("one"));
    }
    assert_eq!(source.compiles.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_request_that_gives_up_does_not_end_the_load() {
    let folder = folder();
    let path = folder.path().join("app");
    deploy(&path, "one");
    let mut source = Text::new(&path);
    source.may_compile = Arc::new(Semaphore::new(0));
    let catalogue = Catalogue::new().wait_max(Duration::from_millis(20));
    let slot = catalogue.slot("app", "", source.clone());
    let request = Request::default();
    let journal = request.journal.clone();
    let fault = slot.handle(request).await;
    let fault = fault.expect_err("it is still being compiled");
    assert_eq!(fault.status(), 503);
    assert!(matches!(fault, Fault::Overloaded(_)), "{fault}");
    assert_eq!(journal.stage(), Stage::Queued);
    source.may_compile.add_permits(1);
    wait_until(|| slot.is_loaded()).await;
    assert_eq!(ask(&slot).await.as_deref(), Ok("one"));
    assert_eq!(source.compiles.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn requests_that_run_end_on_the_version_that_they_began_on() {
    let folder = folder();
    let path = folder.path().join("app");
    deploy(&path, "one");
    let mut source = Text::new(&path);
    source.may_answer = Arc::new(Semaphore::new(0));
    let catalogue = Catalogue::new();
    let slot = catalogue.slot("app", "", source.clone());
    let first = tokio::spawn({
        let slot = slot.clone();
        async move { ask(&slot).await }
    });
    wait_until(|| source.running.load(Ordering::Relaxed) == 1).await;
    deploy(&path, "second");
    assert_eq!(slot.refresh().await, Refreshed::Replaced);
    assert_eq!(slot.refresh().await, Refreshed::Unchanged);
    source.may_answer.add_permits(2);
    assert_eq!(first.await.expect("no panic").as_deref(), Ok("one"));
    assert_eq!(ask(&slot).await.as_deref(), Ok("second"));
    catalogue.drained().await;
}

#[tokio::test]
async fn a_version_that_is_refused_is_refused_once_and_the_old_one_serves() {
    let folder = folder();
    let path = folder.path().join("app");
    deploy(&path, "one");
    let source = Text::new(&path);
    let catalogue = Catalogue::new();
    let slot = catalogue.slot("app", "", source.clone());
    assert_eq!(ask(&slot).await.as_deref(), Ok("one"));
    deploy(&path, "broken");
    let refused = Refreshed::Refused("it is broken".to_owned());
    assert_eq!(catalogue.refresh().await, [("app".to_owned(), refused)]);
    assert_eq!(catalogue.refresh().await, []);
    assert_eq!(source.compiles.load(Ordering::Relaxed), 2);
    assert_eq!(ask(&slot).await.as_deref(), Ok("one"));
    std::fs::remove_file(&path).expect("removed");
    assert!(matches!(slot.refresh().await, Refreshed::Refused(_)));
    assert_eq!(ask(&slot).await.as_deref(), Ok("one"));
    deploy(&path, "third");
    assert_eq!(slot.refresh().await, Refreshed::Replaced);
    assert_eq!(ask(&slot).await.as_deref(), Ok("third"));
    // Two were loaded, and one of them given up.
    assert_eq!(catalogue.turnover(), 3);
    drop(slot);
    assert_eq!(catalogue.turnover(), 4);
}

#[tokio::test]
async fn a_version_that_takes_long_does_not_keep_others_back() {
    let folder = folder();
    let catalogue = Catalogue::new();
    let make = |name: &str| {
        let path = folder.path().join(name);
        deploy(&path, "one");
        let mut source = Text::new(&path);
        source.may_compile = Arc::new(Semaphore::new(1));
        (catalogue.slot(name, name, source.clone()), source)
    };
    let serves = async |slot: &Slot, text: &str| {
        while ask(slot).await.as_deref() != Ok(text) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let ((slow, slow_source), (quick, quick_source)) = (make("slow"), make("quick"));
    serves(&slow, "one").await;
    serves(&quick, "one").await;
    deploy(&slow_source.path, "second");
    catalogue.refresh_each();
    wait_until(|| slow_source.compiles.load(Ordering::Relaxed) == 2).await;
    deploy(&quick_source.path, "second");
    quick_source.may_compile.add_permits(1);
    catalogue.refresh_each();
    serves(&quick, "second").await;
    // What changes meanwhile is not forgotten.
    deploy(&slow_source.path, "the third");
    catalogue.refresh_each();
    slow_source.may_compile.add_permits(2);
    serves(&slow, "the third").await;
}

#[tokio::test]
async fn what_was_never_loaded_is_a_503_until_its_file_changes() {
    let folder = folder();
    let path = folder.path().join("app");
    let source = Text::new(&path);
    let slot = Catalogue::new().slot("app", "", source.clone());
    assert!(matches!(ask(&slot).await, Err(Fault::Unloadable(_))));
    deploy(&path, "broken");
    for _ in 0..3 {
        let fault = ask(&slot).await.expect_err("broken");
        assert_eq!(fault, Fault::Unloadable("it is broken".to_owned()));
    }
    assert_eq!(source.compiles.load(Ordering::Relaxed), 1);
    deploy(&path, &format!("broken {}", "name ".repeat(100_000)));
    let fault = ask(&slot).await.expect_err("broken");
    assert!(fault.to_string().len() < 5000, "{fault}");
    deploy(&path, "whole");
    assert_eq!(ask(&slot).await.as_deref(), Ok("whole"));
}

#[tokio::test]
async fn what_can_not_be_loaded_is_its_owners_and_the_log_is_told_once() {
    let folder = folder();
    let path = folder.path().join("app");
    deploy(&path, "broken");
    let slot = Catalogue::new().slot("app", "alice", Text::new(&path));
    for number in 0..3 {
        let request = Request::default();
        let journal = request.journal.clone();
        assert!(slot.handle(request).await.is_err());
        assert_eq!(journal.is_muted(), number > 0);
        let owner = journal.owner().expect("it is known");
        assert_eq!((&*owner.tenant, &*owner.app), ("alice", "app"));
    }
}

#[tokio::test]
async fn one_tenants_compiles_do_not_stand_in_anothers_way() {
    let folder = folder();
    let path = folder.path().join("app");
    deploy(&path, "one");
    let mut slow = Text::new(&path);
    slow.may_compile = Arc::new(Semaphore::new(0));
    let quick = Text::new(&path);
    let mut kept = Text::new(&path);
    kept.is_kept = true;
    let catalogue = Catalogue::new().compiles_max(2);
    let slow_slots: Vec<_> = (0..5)
        .map(|_| catalogue.slot("slow", "alice", slow.clone()))
        .collect();
    let waiting: Vec<_> = slow_slots
        .iter()
        .map(|slot| tokio::spawn(slot.clone().handle_owned()))
        .collect();
    wait_until(|| slow.compiles.load(Ordering::Relaxed) == 1).await;
    let bobs = catalogue.slot("bob", "bob", quick);
    assert_eq!(ask(&bobs).await.as_deref(), Ok("one"));
    // Even a tenant's own, if there is nothing to compile.
    let own = catalogue.slot("kept", "alice", kept);
    assert_eq!(ask(&own).await.as_deref(), Ok("one"));
    assert_eq!(slow.compiles.load(Ordering::Relaxed), 1);
    slow.may_compile.add_permits(5);
    for answer in waiting {
        assert!(answer.await.expect("no panic").is_ok());
    }
}

impl Slot {
    async fn handle_owned(self) -> Result<Response, Fault> {
        self.handle(Request::default()).await
    }
}
