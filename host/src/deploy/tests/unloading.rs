//! Who is unloaded, because nobody asks or others need the room; and who is not, because
//! its file has a version that is refused since, so that nothing else would serve.

use std::time::Duration;

use super::*;

#[tokio::test(start_paused = true)]
async fn who_is_not_asked_is_unloaded_and_loaded_again() {
    let folder = folder();
    let path = folder.path().join("app");
    deploy(&path, "one");
    let idle = Duration::from_secs(60);
    let catalogue = Catalogue::new().idle_max(idle);
    let slot = catalogue.slot("app", "", Text::new(&path));
    let lasting = catalogue.lasting_slot("lasting", "", Text::new(&path));
    for slot in [&slot, &lasting] {
        assert_eq!(ask(slot).await.as_deref(), Ok("one"));
    }
    tokio::time::sleep(idle / 2).await;
    assert_eq!(ask(&slot).await.as_deref(), Ok("one"));
    tokio::time::sleep(idle * 3 / 4).await;
    assert!(slot.is_loaded(), "it was asked meanwhile");
    tokio::time::sleep(idle).await;
    assert!(!slot.is_loaded());
    assert!(lasting.is_loaded());
    assert_eq!(ask(&slot).await.as_deref(), Ok("one"));
}

#[tokio::test]
async fn who_was_asked_least_recently_makes_room() {
    let folder = folder();
    let path = folder.path().join("app");
    deploy(&path, "one");
    let (few, small) = (Catalogue::new(), Catalogue::new());
    for catalogue in [few.loaded_max(2), small.loaded_bytes_max(6)] {
        let slots: Vec<_> = (0..4)
            .map(|number| catalogue.slot(&number.to_string(), "", Text::new(&path)))
            .collect();
        for slot in &slots {
            assert_eq!(ask(slot).await.as_deref(), Ok("one"));
            assert!(catalogue.loaded() <= 2);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let loaded: Vec<_> = slots.iter().map(Slot::is_loaded).collect();
        assert_eq!(loaded, [false, false, true, true]);
    }
}

/// An application that is loaded, and whose file is broken since.
async fn broken_since(catalogue: &Catalogue, path: &Path) -> Slot {
    deploy(path, "one");
    let slot = catalogue.slot("app", "", Text::new(path));
    assert_eq!(ask(&slot).await.as_deref(), Ok("one"));
    deploy(path, "broken");
    assert!(matches!(slot.refresh().await, Refreshed::Refused(_)));
    slot
}

#[tokio::test(start_paused = true)]
async fn who_is_the_last_that_serves_stays_loaded() {
    let folder = folder();
    let path = folder.path().join("app");
    let idle = Duration::from_secs(60);
    let catalogue = Catalogue::new().idle_max(idle);
    let slot = broken_since(&catalogue, &path).await;
    tokio::time::sleep(3 * idle).await;
    assert_eq!(ask(&slot).await.as_deref(), Ok("one"));
    deploy(&path, "whole");
    assert_eq!(slot.refresh().await, Refreshed::Replaced);
    tokio::time::sleep(3 * idle).await;
    assert!(!slot.is_loaded());
}

#[tokio::test]
async fn who_is_the_last_that_serves_makes_room_last() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    let catalogue = Catalogue::new().loaded_max(2);
    let slot = broken_since(&catalogue, &path("app")).await;
    deploy(&path("others"), "one");
    let others =
        ["second", "third"].map(|name| catalogue.slot(name, "", Text::new(&path("others"))));
    for other in &others {
        tokio::time::sleep(Duration::from_millis(2)).await;
        assert_eq!(ask(other).await.as_deref(), Ok("one"));
    }
    assert!(slot.is_loaded() && !others[0].is_loaded());
}
