//! Section F of the conformance list: when connections stay, end and wait.

use std::io::Write;
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fcgi_wasm::{FastCgi, Handler, Request, Response};
use http::StatusCode;
use tokio::sync::Semaphore;

use crate::support::local::{Local, echo, exists, hello};
use crate::support::web_server::*;
use crate::support::{Outcome, wait_until};

tests![
    conformance_65_without_keep_conn_the_connection_ends_in_good_order,
    conformance_66_with_keep_conn_it_stays,
    conformance_68_a_closed_connection_ends_its_requests,
    conformance_68_a_half_closed_connection_still_gets_its_answer,
    conformance_69_a_reset_is_nothing_special,
    conformance_70_idle_connections_do_not_keep_others_out,
    conformance_71_a_connection_too_many_waits,
    conformance_71_idle_listeners_take_no_place,
    conformance_72_a_body_that_stays_away_is_incomplete,
    conformance_72_idle_connections_are_closed,
    conformance_72_half_sent_requests_are_given_up,
    conformance_72_a_peer_that_takes_nothing_is_given_up,
    conformance_82_stopping_answers_what_was_asked,
    conformance_82_who_had_connected_is_served,
    conformance_82_a_first_request_may_come_after_the_stop,
    conformance_82_stopping_cuts_off_what_takes_too_long,
];

/// Answers once it is let, and counts how many are waiting for that.
struct Gate {
    open: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

impl Gate {
    fn new() -> Self {
        Self {
            open: Arc::new(Semaphore::new(0)),
            waiting: Arc::default(),
        }
    }

    fn handler(&self) -> impl Handler {
        let (open, waiting) = (self.open.clone(), self.waiting.clone());
        move |_: Request| {
            let open = open.clone();
            let waiting = Waiting::join(&waiting);
            async move {
                open.acquire().await.expect("open").forget();
                drop(waiting);
                Ok(Response::text(StatusCode::OK, "let\n"))
            }
        }
    }

    fn wait_for(&self, count: usize) {
        let waiting = || self.waiting.load(Ordering::SeqCst);
        wait_until("the requests wait", || waiting() == count);
    }
}

struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    fn join(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count.clone())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn conformance_65_without_keep_conn_the_connection_ends_in_good_order() -> Outcome {
    let local = Local::serve(hello());
    let mut peer = local.connect();
    assert_eq!(peer.ask(1, &get(1, "/", false)).status(), 200);
    assert!(peer.is_closed());
    // Also with a body that nobody reads: no reset takes the answer back.
    for _ in 0..20 {
        let mut peer = local.connect();
        let mut request = post_head(1, "/", 200_000, false);
        request.extend(stdin(1, &[b'x'; 200_000]));
        let mut writer = peer.stream.try_clone().expect("a second handle");
        let sending = std::thread::spawn(move || writer.write_all(&request));
        assert_eq!(peer.answer(1).status(), 200);
        assert!(peer.is_closed());
        sending.join().expect("no panic").expect("sent");
    }
    Ok(())
}

fn conformance_66_with_keep_conn_it_stays() -> Outcome {
    let local = Local::serve(hello());
    let mut peer = local.connect();
    for _ in 0..100 {
        assert_eq!(peer.ask(1, &get(1, "/", true)).status(), 200);
    }
    let mut flags = get(1, "/", true);
    flags[10] = 0xFF; // all flags: only the first has a meaning
    assert_eq!(peer.ask(1, &flags).status(), 200);
    flags[10] = 0xFE;
    assert_eq!(peer.ask(1, &flags).status(), 200);
    assert!(peer.is_closed());
    Ok(())
}

fn conformance_68_a_closed_connection_ends_its_requests() -> Outcome {
    let gate = Gate::new();
    let local = Local::serve(gate.handler());
    let mut peer = local.connect();
    peer.send(&get(1, "/", true));
    peer.send(&get(2, "/", true));
    gate.wait_for(2);
    drop(peer);
    gate.wait_for(0);
    // Also after a half close, and while the body is not read.
    let mut peer = local.connect();
    peer.send(&get(1, "/", true));
    peer.stream.shutdown(Shutdown::Write).expect("half closed");
    gate.wait_for(1);
    drop(peer);
    gate.wait_for(0);
    let mut peer = local.connect();
    peer.send(&post_head(1, "/", 1_000_000, true));
    gate.wait_for(1);
    peer.stream.set_nonblocking(true).expect("nonblocking");
    let piece = record(STDIN, 1, &[b'x'; 60_000]);
    while peer.stream.write(&piece).is_ok() {}
    drop(peer);
    gate.wait_for(0);
    Ok(())
}

fn conformance_68_a_half_closed_connection_still_gets_its_answer() -> Outcome {
    let gate = Gate::new();
    let local = Local::serve(gate.handler());
    let mut peer = local.connect();
    peer.send(&get(1, "/", true));
    peer.stream.shutdown(Shutdown::Write).expect("half closed");
    gate.wait_for(1);
    gate.open.add_permits(1);
    assert_eq!(peer.answer(1).text(), "let\n");
    assert!(peer.is_closed());
    Ok(())
}

fn conformance_69_a_reset_is_nothing_special() -> Outcome {
    let local = Local::serve(hello());
    for _ in 0..50 {
        // Closed with an answer unread, which resets a unix connection.
        let mut peer = local.connect();
        peer.send(&get(1, "/", true));
        drop(peer);
    }
    assert_eq!(local.ask(1, &get(1, "/", false)).status(), 200);
    Ok(())
}

fn conformance_70_idle_connections_do_not_keep_others_out() -> Outcome {
    let local = Local::serve(hello());
    let mut idle: Vec<Peer> = (0..400).map(|_| local.connect()).collect();
    for peer in &mut idle {
        assert_eq!(peer.ask(1, &get(1, "/", true)).status(), 200);
    }
    assert_eq!(local.ask(1, &get(1, "/", false)).status(), 200);
    assert_eq!(idle[0].ask(1, &get(1, "/", true)).status(), 200);
    Ok(())
}

fn conformance_71_a_connection_too_many_waits() -> Outcome {
    let local = Local::serve_with(hello(), FastCgi::default(), |server| {
        server.connections_max(2)
    });
    let mut first = local.connect();
    let mut second = local.connect();
    assert_eq!(first.ask(1, &get(1, "/", true)).status(), 200);
    assert_eq!(second.ask(1, &get(1, "/", true)).status(), 200);
    let mut third = local.connect();
    third.send(&get(1, "/", false));
    drop(first);
    assert_eq!(third.answer(1).status(), 200);
    Ok(())
}

fn conformance_71_idle_listeners_take_no_place() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let other = fcgi_wasm::Listener::unix(folder.path().join("s")).expect("a socket");
    let local = Local::serve_with(hello(), FastCgi::default(), |server| {
        server.listen(other, FastCgi::default()).connections_max(1)
    });
    let mut second = Peer::connect(&folder.path().join("s"));
    assert_eq!(second.ask(1, &get(1, "/", false)).status(), 200);
    drop(second);
    assert_eq!(local.ask(1, &get(1, "/", false)).status(), 200);
    Ok(())
}

fn conformance_72_a_body_that_stays_away_is_incomplete() -> Outcome {
    let frontend = FastCgi::default().body_wait_max(Duration::from_millis(300));
    let local = Local::serve_with(echo(), frontend, |server| server);
    let mut peer = local.connect();
    peer.send(&post_head(1, "/", 100, true));
    peer.send(&record(STDIN, 1, b"some"));
    assert!(
        peer.answer(1)
            .text()
            .contains("error: the request body is incomplete")
    );
    Ok(())
}

fn conformance_72_idle_connections_are_closed() -> Outcome {
    let frontend = FastCgi::default().idle_max(Duration::from_millis(300));
    let local = Local::serve_with(hello(), frontend, |server| server);
    let mut fresh = local.connect();
    let mut used = local.connect();
    assert_eq!(used.ask(1, &get(1, "/", true)).status(), 200);
    assert!(fresh.is_closed());
    assert!(used.is_closed());
    Ok(())
}

fn conformance_72_half_sent_requests_are_given_up() -> Outcome {
    let frontend = FastCgi::default().params_wait_max(Duration::from_millis(300));
    let local = Local::serve_with(hello(), frontend, |server| server);
    let mut half = begin(1, RESPONDER, true);
    half.extend(record(PARAMS, 1, b"\x01"));
    for start in [&half[..3], &half[..16], &half] {
        let mut peer = local.connect();
        peer.send(start);
        assert!(peer.is_gone(), "{} bytes", start.len());
    }
    // A byte now and then does not help.
    let mut peer = local.connect();
    for byte in get(1, "/", true) {
        std::thread::sleep(Duration::from_millis(50));
        if peer.stream.write_all(&[byte]).is_err() {
            break;
        }
    }
    assert!(peer.is_gone());
    Ok(())
}

fn conformance_72_a_peer_that_takes_nothing_is_given_up() -> Outcome {
    let frontend = FastCgi::default().write_wait_max(Duration::from_millis(300));
    let long = |_: Request| async { Ok(Response::text(StatusCode::OK, vec![b'x'; 10_000_000])) };
    let local = Local::serve_with(long, frontend, |server| server.connections_max(1));
    let mut stuck = local.connect();
    stuck.send(&get(1, "/", true));
    // Its place goes to the next one.
    let mut next = local.connect();
    assert_eq!(next.ask(1, &get(1, "/", true)).body().len(), 10_000_000);
    Ok(())
}

fn conformance_82_stopping_answers_what_was_asked() -> Outcome {
    let gate = Gate::new();
    let mut local = Local::serve(gate.handler());
    let mut idle = local.connect();
    let mut busy = local.connect();
    busy.send(&get(1, "/", true));
    gate.wait_for(1);
    local.begin_stop();
    assert!(idle.is_closed());
    let path = local.path();
    wait_until("the socket is removed", || !exists(&path));
    gate.open.add_permits(1);
    assert_eq!(busy.answer(1).text(), "let\n");
    assert!(busy.is_closed());
    local.stop();
    Ok(())
}

fn conformance_82_who_had_connected_is_served() -> Outcome {
    let gate = Gate::new();
    let mut local = Local::serve_with(gate.handler(), FastCgi::default(), |server| {
        server.connections_max(1)
    });
    let mut peers: Vec<Peer> = (0..20).map(|_| local.connect()).collect();
    for peer in &mut peers {
        peer.send(&get(1, "/", true));
    }
    gate.wait_for(1);
    local.begin_stop();
    let path = local.path();
    wait_until("the socket is removed", || !exists(&path));
    gate.open.add_permits(peers.len());
    for peer in &mut peers {
        assert_eq!(peer.answer(1).text(), "let\n");
        assert!(peer.is_closed());
    }
    local.stop();
    Ok(())
}

/// Who has just connected is about to ask, and the machine may be busy.
fn conformance_82_a_first_request_may_come_after_the_stop() -> Outcome {
    let is_served = || {
        let mut local = Local::serve(hello());
        let mut peer = local.connect();
        local.begin_stop();
        let path = local.path();
        wait_until("the socket is removed", || !exists(&path));
        // More than what a kept connection gets; nobody says how much more.
        std::thread::sleep(Duration::from_millis(300));
        let sent = peer.stream.write_all(&get(1, "/", false));
        let is_served = sent.is_ok() && peer.read_record().is_some();
        local.stop();
        is_served
    };
    // A machine so busy that it oversleeps by seconds does not do so each time.
    assert!((0..5).any(|_| is_served()));
    Ok(())
}

fn conformance_82_stopping_cuts_off_what_takes_too_long() -> Outcome {
    let gate = Gate::new();
    let mut local = Local::serve_with(gate.handler(), FastCgi::default(), |server| {
        server.drain_max(Duration::from_millis(200))
    });
    let mut busy = local.connect();
    busy.send(&get(1, "/", true));
    gate.wait_for(1);
    local.stop();
    gate.wait_for(0);
    assert!(busy.is_gone());
    Ok(())
}
