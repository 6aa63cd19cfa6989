//! Who has used up its share of the processors pauses, and is told so.

use std::fs::File;
use std::time::Duration;

use fcgi_wasm::{Budget, Folder, Grants, Policy};
use tokio::runtime::Runtime;

use crate::support::two::{NOISY, Two, request};

use crate::support::{Outcome, wait_until};

tests![
    who_has_used_up_its_processor_share_pauses_and_waits,
    places_of_paused_requests_are_told,
    what_the_host_does_for_a_guest_pauses_too,
    a_paused_guest_goes_with_its_client,
];

/// A share that is used up at once, and for longer than anybody waits: a hello that takes
/// 0.1 ms uses up that of 100.
fn little_cpu() -> Budget {
    Budget::strict()
        .cpu_share(0.001)
        .cpu_burst(Duration::from_millis(50))
        .queue_wait_max(Duration::from_millis(10))
}

fn who_has_used_up_its_processor_share_pauses_and_waits() -> Outcome {
    let policy = Policy::strict().wall_time_max(Duration::from_secs(2));
    let policy = policy.cpu_time_max(Duration::from_millis(1500));
    let two = Two::serve("naughty", little_cpu(), policy)?;
    let mut peer = two.local.connect();
    peer.send(&request(NOISY, "/spin"));
    wait_until("its share is used up", || {
        let answer = two.ask(NOISY, "/hello");
        answer.status() == 503 && answer.log().contains("cpu-share of tenant noisy")
    });
    // It pauses, so that it never comes to its limit of processor time.
    let answer = peer.answer(1);
    assert_eq!(answer.status(), 504);
    let log = answer.log();
    assert!(log.contains("--timeout"), "{log}");
    let whose = "of that it was paused: tenant noisy had used up its cpu_share";
    assert!(log.contains(whose), "{log}");
    Ok(())
}

fn places_of_paused_requests_are_told() -> Outcome {
    let two = Two::serve("naughty", little_cpu().requests_max(1), Policy::strict())?;
    let mut peer = two.local.connect();
    peer.send(&request(NOISY, "/spin"));
    wait_until("its share is used up", || {
        let answer = two.ask(NOISY, "/hello");
        let log = answer.log();
        answer.status() == 503
            && log.contains("(max_concurrent) and its requests pause (cpu_share)")
    });
    Ok(())
}

fn what_the_host_does_for_a_guest_pauses_too() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let file = File::create(folder.path().join("file")).expect("created");
    file.set_len(1 << 40).expect("larger");
    let grants = Grants::none().folder(Folder::new(folder.path(), "/data").read_only());
    let policy = Policy::strict()
        .grants(grants)
        .wall_time_max(Duration::from_secs(3))
        .cpu_time_max(Duration::from_secs(2));
    let two = Two::serve("naughty-http3", little_cpu(), policy)?;
    let answer = two.ask(NOISY, "/log-file");
    assert_eq!(answer.status(), 504, "{answer:?}");
    assert!(answer.log().contains("it was paused"), "{}", answer.log());
    Ok(())
}

fn a_paused_guest_goes_with_its_client() -> Outcome {
    let two = Two::serve("naughty", little_cpu(), Policy::strict())?;
    let mut peer = two.local.connect();
    peer.send(&request(NOISY, "/spin"));
    wait_until("its share is used up", || {
        two.ask(NOISY, "/hello").status() == 503
    });
    drop(peer);
    let runtime = Runtime::new().expect("a runtime");
    runtime.block_on(two.noisy.drained());
    two.quiet_is_served();
    Ok(())
}
