//! What one tenant has loaded does not stand in another's way.

use super::*;
use crate::deploy::{AppFile, share};
use crate::policy::{Budget, Policy};
use crate::sandbox::{Engine, Tenant};

/// More than may wait over all tenants.
const FLOOD: usize = 1100;

/// More than are read at a time over all tenants, and than one tenant's loads
/// that are under way.
const FILES: usize = share::WAITING_MAX + 10;

/// A source whose making takes as long as the test wants.
fn slow(path: &Path, is_kept: bool) -> Text {
    let mut source = Text::new(path);
    source.is_kept = is_kept;
    source.may_fetch = Arc::new(Semaphore::new(usize::from(!is_kept)));
    source.may_compile = Arc::new(Semaphore::new(0));
    source
}

#[tokio::test(start_paused = true)]
async fn one_tenants_requests_that_wait_leave_room_for_others() {
    let folder = folder();
    let path = folder.path().join("app");
    deploy(&path, "one");
    let source = slow(&path, false);
    let catalogue = Catalogue::new();
    let slot = catalogue.slot("slow", "alice", source.clone());
    let asking = (0..FLOOD).map(|_| tokio::spawn(slot.clone().handle_owned()));
    let asking: Vec<_> = asking.collect();
    wait_until(|| source.compiles.load(Ordering::Relaxed) == 1).await;
    let bobs = catalogue.slot("bob", "bob", Text::new(&path));
    assert_eq!(ask(&bobs).await.as_deref(), Ok("one"));
    source.may_compile.add_permits(1);
    let mut served = 0;
    for answer in asking {
        match answer.await.expect("no panic") {
            Ok(_) => served += 1,
            Err(fault) => assert!(fault.to_string().contains("tenant alice"), "{fault}"),
        }
    }
    assert_eq!(served, share::WAITING_MAX);
}

#[tokio::test(start_paused = true)]
async fn loads_that_nobody_waits_for_keep_no_other_tenants_back() {
    let folder = folder();
    let path = folder.path().join("app");
    deploy(&path, "one");
    let source = slow(&path, true);
    let catalogue = Catalogue::new();
    let slots = (0..FILES).map(|_| catalogue.slot("slow", "alice", source.clone()));
    let slots: Vec<_> = slots.collect();
    for slot in &slots {
        let asking = tokio::spawn(slot.clone().handle_owned());
        tokio::time::sleep(Duration::from_millis(1)).await;
        asking.abort();
    }
    let mut kept = Text::new(&path);
    kept.is_kept = true;
    let bobs = catalogue.slot("bob", "bob", kept);
    assert_eq!(ask(&bobs).await.as_deref(), Ok("one"));
    assert_eq!(source.fetches.load(Ordering::Relaxed), 1);
    // They count as waiting until they have ended.
    let fault = ask(&slots[0]).await.expect_err("there is no place");
    assert!(matches!(fault, Fault::Overloaded(_)), "{fault}");
    source.may_fetch.add_permits(FILES + 1);
    let loaded = || slots.iter().filter(|slot| slot.is_loaded()).count();
    wait_until(|| loaded() == share::WAITING_MAX).await;
    assert_eq!(ask(&slots[FILES - 1]).await.as_deref(), Ok("one"));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_file_to_be_left_alone_keeps_nobody_back() {
    let folder = folder();
    let path = folder.path().join("app");
    deploy(&path, "one");
    let catalogue = Catalogue::new();
    let mut disturbed = Text::new(&path);
    disturbed.is_disturbed = true;
    // More than may read at a time.
    let loads = (0..20).map(|number| {
        let slot = catalogue.slot("noisy", &format!("noisy {number}"), disturbed.clone());
        tokio::spawn(async move { slot.load().await })
    });
    let loads: Vec<_> = loads.collect();
    wait_until(|| disturbed.fetches.load(Ordering::Relaxed) >= 20).await;
    let mut kept = Text::new(&path);
    kept.is_kept = true;
    let bobs = catalogue.slot("bob", "bob", kept);
    assert_eq!(ask(&bobs).await.as_deref(), Ok("one"));
    for load in loads {
        assert!(!load.is_finished(), "it gave up first");
        load.abort();
    }
    let slot = catalogue.slot("noisy", "noisy", disturbed);
    let error = slot.load().await.expect_err("it is never left alone");
    assert!(
        error.to_string().contains("changes all the time"),
        "{error}"
    );
}

#[tokio::test]
async fn a_file_that_was_just_written_is_tried_again_instead_of_waited_for() {
    let folder = folder();
    let path = folder.path().join("app.wasm");
    let engine = Engine::options().instances_max(1).start();
    let tenant = Tenant::new(&engine.expect("an engine"), "alice", Budget::strict());
    let source = AppFile::new(&tenant, "app", &path, Policy::strict());
    // The system may let others run between the two.
    for _ in 0..100 {
        deploy(&path, "no component");
        match source.kept().await {
            Ok(Attempt::Disturbed) => return,
            other => assert!(other.is_err()),
        }
    }
    panic!("it was read as it came");
}

#[tokio::test]
async fn who_has_most_makes_room() {
    let folder = folder();
    let path = folder.path().join("app");
    deploy(&path, "one");
    let catalogue = Catalogue::new().loaded_max(4);
    let slot = |name: &str| catalogue.slot(name, name, Text::new(&path));
    let (alices, bobs) = (slot("alice"), slot("bob"));
    let noisy: Vec<_> = (0..10).map(|_| slot("noisy")).collect();
    for slot in [&alices, &bobs].into_iter().chain(&noisy) {
        assert_eq!(ask(slot).await.as_deref(), Ok("one"));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(alices.is_loaded() && bobs.is_loaded());
    let loaded: Vec<_> = noisy.iter().map(Slot::is_loaded).collect();
    assert_eq!(loaded[8..], [true; 2]);
    assert_eq!(catalogue.loaded(), 4);
}

#[tokio::test]
async fn who_has_most_makes_room_whatever_is_idle_elsewhere() {
    let folder = folder();
    let path = folder.path().join("app");
    deploy(&path, "one");
    let (few, small) = (Catalogue::new(), Catalogue::new());
    for catalogue in [few.loaded_max(3), small.loaded_bytes_max(9)] {
        let quiet = catalogue.slot("quiet", "quiet", Text::new(&path));
        assert_eq!(ask(&quiet).await.as_deref(), Ok("one"));
        let mut source = Text::new(&path);
        source.may_answer = Arc::new(Semaphore::new(0));
        let noisy = (0..3).map(|_| catalogue.slot("noisy", "noisy", source.clone()));
        let noisy: Vec<_> = noisy.collect();
        for (number, slot) in noisy.iter().enumerate() {
            let asking = tokio::spawn(slot.clone().handle_owned());
            wait_until(|| source.running.load(Ordering::Relaxed) == number + 1).await;
            drop(asking);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let loaded: Vec<_> = noisy.iter().map(Slot::is_loaded).collect();
        assert_eq!((quiet.is_loaded(), loaded), (true, vec![false, true, true]));
    }
}

#[tokio::test]
async fn old_versions_that_are_busy_keep_new_ones_of_their_tenant_back() {
    let folder = folder();
    let (path, bobs_path) = (folder.path().join("app"), folder.path().join("bob"));
    deploy(&path, "one");
    deploy(&bobs_path, "one");
    let mut source = Text::new(&path);
    source.may_answer = Arc::new(Semaphore::new(0));
    let catalogue = Catalogue::new().loaded_bytes_max(6);
    let slot = catalogue.slot("app", "alice", source.clone());
    let asking = tokio::spawn(slot.clone().handle_owned());
    wait_until(|| source.running.load(Ordering::Relaxed) == 1).await;
    deploy(&path, "second");
    assert_eq!(slot.refresh().await, Refreshed::Replaced);
    deploy(&path, "a third");
    let refreshed = slot.refresh().await;
    let Refreshed::Refused(reason) = refreshed else {
        panic!("{refreshed:?}");
    };
    assert!(reason.contains("old versions of tenant alice"), "{reason}");
    let bobs = catalogue.slot("bob", "bob", Text::new(&bobs_path));
    assert_eq!(ask(&bobs).await.as_deref(), Ok("one"));
    source.may_answer.add_permits(2);
    assert!(asking.await.expect("no panic").is_ok());
    wait_until(|| catalogue.0.retired.check("alice").is_ok()).await;
    assert_eq!(ask(&slot).await.as_deref(), Ok("a third"));
}

/// A source that lacks something, and not for ever.
struct Lacking(Text, Arc<AtomicUsize>);

impl Source for Lacking {
    fn stamp(&self) -> Result<Stamp, SetupError> {
        self.0.stamp()
    }

    fn kept(&self) -> BoxFuture<'_, Result<Attempt<Option<Version>>, SetupError>> {
        self.0.kept()
    }

    fn compiled(&self) -> BoxFuture<'_, Result<Attempt<Version>, SetupError>> {
        match self.1.load(Ordering::Relaxed) {
            0 => self.0.compiled(),
            _ => Box::pin(async { Err(SetupError::new("too many open files")) }),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_lacking_may_be_there_later() {
    let folder = folder();
    let path = folder.path().join("app");
    deploy(&path, "one");
    let source = Lacking(Text::new(&path), Arc::new(AtomicUsize::new(1)));
    let is_lacking = source.1.clone();
    let slot = Catalogue::new().slot("app", "alice", source);
    for _ in 0..2 {
        let fault = ask(&slot).await.expect_err("it is lacking");
        assert!(fault.to_string().contains("open files"), "{fault}");
        is_lacking.store(0, Ordering::Relaxed);
    }
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(ask(&slot).await.as_deref(), Ok("one"));
}
