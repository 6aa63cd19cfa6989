//! Several requests at a time on one connection (items 60, 66, 67 and 74 of
//! the conformance list).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use fcgi_wasm::{Body, FastCgi, Request, Response};
use http::StatusCode;
use http_body_util::BodyExt;

use crate::support::local::Local;
use crate::support::web_server::*;
use crate::support::{Outcome, wait_until};

tests![
    conformance_60_a_slow_request_does_not_hold_up_others,
    conformance_60_long_answers_take_turns,
    conformance_60_a_body_that_nobody_reads_does_not_shut_others_out,
    conformance_60_nor_does_it_while_another_answer_trickles,
    conformance_60_what_is_behind_some_unread_body_is_seen,
    conformance_66_requests_may_follow_interleave_and_share_ids_in_turn,
    conformance_67_an_abort_ends_the_request_at_any_stage,
    conformance_74_requests_are_served_together_even_when_not_asked_for,
    conformance_75_one_request_too_many_is_503,
    a_flood_of_refusals_harms_nobody,
    a_stopping_server_takes_no_more_requests,
];

/// Counts how many of it are alive.
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// `/never` never answers, `/long` answers with a megabyte, `/unread` leaves
/// its body alone and never answers, anything else says hello.
fn by_path(alive: &Arc<AtomicUsize>) -> impl fcgi_wasm::Handler {
    let alive = alive.clone();
    move |request: Request| {
        let alive = Alive::new(&alive);
        async move {
            let _alive = alive;
            let path = request.params.text("PATH_INFO").unwrap_or_default();
            match path.as_ref() {
                "/never" | "/unread" => std::future::pending().await,
                "/long" => Ok(Response::text(StatusCode::OK, vec![b'x'; 1_000_000])),
                "/body" => {
                    let body = request.body.collect().await?.to_bytes();
                    Ok(Response::text(StatusCode::OK, body))
                }
                "/ticks" => {
                    let (mut sender, body) = Body::pipe();
                    tokio::spawn(async move {
                        while sender.ready().await.is_ok() {
                            sender.push(Bytes::from_static(b"tick"));
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                    });
                    let head = Response::text(StatusCode::OK, "");
                    Ok(Response { body, ..head })
                }
                _ => Ok(Response::text(StatusCode::OK, "hello\n")),
            }
        }
    }
}

fn conformance_60_a_slow_request_does_not_hold_up_others() -> Outcome {
    let alive = Arc::default();
    let local = Local::serve(by_path(&alive));
    let mut peer = local.connect();
    peer.send(&get(1, "/never", true));
    for id in 2..20 {
        assert_eq!(peer.ask(id, &get(id, "/", true)).text(), "hello\n");
    }
    Ok(())
}

fn conformance_60_long_answers_take_turns() -> Outcome {
    let alive = Arc::default();
    let local = Local::serve(by_path(&alive));
    let mut peer = local.connect();
    let mut both = get(1, "/long", true);
    both.extend(get(2, "/long", true));
    peer.send(&both);
    let (mut order, mut ends) = (Vec::new(), 0);
    while ends < 2 {
        let record = peer.read_record().expect("a record");
        order.push(record.id);
        assert!(
            record.content.len() <= 32 * 1024,
            "{}",
            record.content.len()
        );
        ends += usize::from(record.kind == END_REQUEST);
    }
    let turns = order.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(turns > 20, "only {turns} turns in {} records", order.len());
    Ok(())
}

fn conformance_60_a_body_that_nobody_reads_does_not_shut_others_out() -> Outcome {
    let alive = Arc::default();
    let local = Local::serve(by_path(&alive));
    let mut peer = local.connect();
    let mut bytes = post_head(1, "/unread", 10_000_000, true);
    bytes.extend(get(2, "/never", true));
    peer.send(&bytes);
    let mut writer = peer.stream.try_clone().expect("a second handle");
    let upload = std::thread::spawn(move || {
        let mut rest = stdin(1, &vec![b'x'; 10_000_000]);
        rest.extend(get(3, "/", true));
        std::io::Write::write_all(&mut writer, &rest)
    });
    // Request 1 is given up for the sake of 2 and 3, which waits behind it.
    let answers = peer.answers(&[1, 3]);
    assert_eq!(answers[0].status(), 503);
    assert_eq!(answers[1].text(), "hello\n");
    upload.join().expect("no panic").expect("sent");
    Ok(())
}

fn conformance_60_nor_does_it_while_another_answer_trickles() -> Outcome {
    let alive = Arc::default();
    let local = Local::serve(by_path(&alive));
    let mut peer = local.connect();
    peer.send(&get(5, "/ticks", true));
    peer.send(&post_head(1, "/unread", 10_000_000, true));
    let mut writer = peer.stream.try_clone().expect("a second handle");
    let upload = std::thread::spawn(move || {
        let mut rest = stdin(1, &vec![b'x'; 10_000_000]);
        rest.extend(get(3, "/", true));
        std::io::Write::write_all(&mut writer, &rest)
    });
    let mut ended = Vec::new();
    while ended.len() < 2 {
        let record = peer.read_record().expect("a record");
        if record.kind == END_REQUEST {
            ended.push(record.id);
        }
    }
    assert_eq!(ended, [1, 3]);
    upload.join().expect("no panic").expect("sent");
    Ok(())
}

fn conformance_60_what_is_behind_some_unread_body_is_seen() -> Outcome {
    let alive = Arc::new(AtomicUsize::new(0));
    let local = Local::serve(by_path(&alive));
    let mut peer = local.connect();
    let mut bytes = post_head(1, "/unread", 600_000, true);
    bytes.extend(stdin(1, &vec![b'x'; 600_000]));
    bytes.extend(get(3, "/", true));
    peer.send(&bytes);
    assert_eq!(peer.answer(3).text(), "hello\n");
    peer.send(&record(ABORT_REQUEST, 1, &[]));
    assert_eq!(peer.answer(1).protocol_status, 0);
    wait_until("it is ended", || alive.load(Ordering::SeqCst) == 0);
    Ok(())
}

fn conformance_66_requests_may_follow_interleave_and_share_ids_in_turn() -> Outcome {
    let alive = Arc::default();
    let local = Local::serve(by_path(&alive));
    let mut peer = local.connect();
    // In one write: two that follow each other with one id …
    let mut bytes = get(1, "/", true);
    peer.send(&bytes);
    assert_eq!(peer.answer(1).text(), "hello\n");
    // … and two whose records interleave.
    bytes.clear();
    bytes.extend(begin(1, RESPONDER, true));
    bytes.extend(begin(2, RESPONDER, true));
    bytes.extend(params(2, &get_params("/body")));
    bytes.extend(record(STDIN, 2, b"two "));
    bytes.extend(params(1, &get_params("/body")));
    bytes.extend(record(STDIN, 1, b"one "));
    bytes.extend(stdin(2, b"two"));
    bytes.extend(stdin(1, b"one"));
    peer.send(&bytes);
    let answers = peer.answers(&[1, 2]);
    assert_eq!(answers[0].text(), "one one");
    assert_eq!(answers[1].text(), "two two");
    Ok(())
}

fn conformance_67_an_abort_ends_the_request_at_any_stage() -> Outcome {
    let alive = Arc::new(AtomicUsize::new(0));
    let local = Local::serve(by_path(&alive));
    let mut peer = local.connect();
    peer.send(&get(9, "/never", true));
    wait_until("it runs", || alive.load(Ordering::SeqCst) == 1);
    let abort = record(ABORT_REQUEST, 1, &[]);
    let mut half = begin(1, RESPONDER, true);
    half.extend(record(PARAMS, 1, b"\x01"));
    let mut upload = post_head(1, "/body", 100, true);
    upload.extend(record(STDIN, 1, b"some"));
    let stages = [
        begin(1, RESPONDER, true),
        half,
        upload,
        get(1, "/never", true),
    ];
    for (index, mut stage) in stages.into_iter().enumerate() {
        stage.extend(&abort);
        let answer = peer.ask(1, &stage);
        assert_eq!(answer.protocol_status, 0, "stage {index}");
        wait_until("only the other is left", || {
            alive.load(Ordering::SeqCst) == 1
        });
    }
    // In the middle of a response; what had left before may still come.
    peer.send(&get(1, "/long", true));
    peer.send(&abort);
    assert!(peer.answer(1).stdout.len() < 1_000_200);
    assert_eq!(peer.ask(2, &get(2, "/", true)).text(), "hello\n");
    Ok(())
}

fn conformance_74_requests_are_served_together_even_when_not_asked_for() -> Outcome {
    let alive = Arc::default();
    let frontend = FastCgi::default().multiplex(false);
    let local = Local::serve_with(by_path(&alive), frontend, |server| server);
    let mut peer = local.connect();
    peer.send(&get(1, "/never", true));
    assert_eq!(peer.ask(3, &get(3, "/", true)).text(), "hello\n");
    Ok(())
}

fn conformance_75_one_request_too_many_is_503() -> Outcome {
    let frontend = FastCgi::default().requests_max(1);
    let local = Local::serve_with(
        |request: Request| async move {
            let body = request.body.collect().await?;
            Ok(Response::text(StatusCode::OK, body.to_bytes()))
        },
        frontend,
        |server| server,
    );
    let mut peer = local.connect();
    peer.send(&post_head(1, "/", 4, true));
    let refused = peer.ask(2, &begin(2, RESPONDER, true));
    assert_eq!((refused.status(), refused.protocol_status), (503, 2));
    assert_eq!(refused.headers("retry-after"), ["1"]);
    // What still comes for it is ignored, and the first one is as it was.
    peer.send(&params(2, &get_params("/")));
    peer.send(&stdin(1, b"body"));
    assert_eq!(peer.answer(1).text(), "body");
    Ok(())
}

fn a_flood_of_refusals_harms_nobody() -> Outcome {
    let alive = Arc::default();
    let local = Local::serve(by_path(&alive));
    let flood: Vec<u8> = (0..20_000_u16)
        .flat_map(|number| begin(number + 1, 99, true))
        .collect();
    let mut flooding = local.connect();
    let mut writer = flooding.stream.try_clone().expect("a second handle");
    let sending = std::thread::spawn(move || std::io::Write::write_all(&mut writer, &flood));
    for _ in 0..20 {
        assert_eq!(local.ask(1, &get(1, "/", false)).text(), "hello\n");
    }
    let mut ends = 0;
    while ends < 20_000 {
        let record = flooding.read_record().expect("a record");
        ends += usize::from(record.kind == END_REQUEST);
    }
    sending.join().expect("no panic").expect("sent");
    assert_eq!(flooding.ask(1, &get(1, "/", true)).text(), "hello\n");
    Ok(())
}

fn a_stopping_server_takes_no_more_requests() -> Outcome {
    let alive = Arc::new(AtomicUsize::new(0));
    let mut local = Local::serve(by_path(&alive));
    let mut peer = local.connect();
    peer.send(&post_head(1, "/body", 4, true));
    wait_until("it runs", || alive.load(Ordering::SeqCst) == 1);
    local.begin_stop();
    let path = local.path();
    wait_until("the server stops", || !crate::support::local::exists(&path));
    // The connection may learn of it a moment later than the listener.
    wait_until("no more requests are taken", || {
        peer.ask(2, &get(2, "/", true)).status() == 503
    });
    peer.send(&stdin(1, b"body"));
    assert_eq!(peer.answer(1).text(), "body");
    assert!(peer.is_closed());
    local.stop();
    Ok(())
}
