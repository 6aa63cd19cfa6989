//! Section D of the conformance list: what of a response reaches the web
//! server, and in which form.

use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use bytes::Bytes;
use fcgi_wasm::{Body, Fault, Handler, Request, Response, ResponseBody};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body::Frame;

use crate::support::local::Local;
use crate::support::web_server::*;
use crate::support::{Outcome, wait_until};

tests![
    conformance_21_no_record_ends_a_stream_before_its_end,
    conformance_46_a_status_outside_of_200_to_599_is_500,
    conformance_48_a_fault_is_a_whole_response,
    conformance_51_the_announced_length_holds,
    conformance_51_there_is_one_content_length_and_it_is_a_number,
    conformance_52_some_responses_have_no_body,
    conformance_53_a_head_over_64_kib_is_500,
    conformance_53_set_cookie_is_never_joined,
    conformance_54_trailers_are_dropped,
    conformance_55_a_missing_content_type_stays_missing,
    conformance_62_a_small_answer_is_one_record_and_a_large_one_full_records,
    a_body_that_is_all_there_has_its_length_said,
    a_body_that_is_cut_counts_until_its_last_byte,
];

/// A handler that gives this response to everybody.
fn always(
    status: u16,
    fields: &[(&'static str, &'static str)],
    body: impl Fn() -> ResponseBody + Send + Sync + 'static,
) -> impl Handler {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, HeaderValue::from_static(value));
    }
    let status = StatusCode::from_u16(status).expect("a status");
    move |_: Request| {
        let response = Response {
            status,
            headers: headers.clone(),
            body: body(),
            ..Response::default()
        };
        async { Ok(response) }
    }
}

fn conformance_21_no_record_ends_a_stream_before_its_end() -> Outcome {
    // Empty pieces of a body, and empty messages, are no empty records.
    let local = Local::serve(|request: Request| async move {
        let (mut sender, body) = Body::pipe();
        request.journal.say("");
        for piece in ["", "a", "", "", "b", ""] {
            sender.push(Bytes::from_static(piece.as_bytes()));
            sender.ready().await.expect("read");
        }
        request.journal.say("last words");
        sender.finish();
        Ok(Response {
            body,
            ..Response::default()
        })
    });
    let mut peer = local.connect();
    peer.send(&get(1, "/", false));
    let (mut stdout_ended, mut stderr_ended, mut ended) = (false, false, false);
    let mut body = Vec::new();
    while let Some(record) = peer.read_record() {
        assert!(!ended, "after END_REQUEST: {record:?}");
        match (record.kind, record.content.is_empty()) {
            (STDOUT, is_end) => {
                assert!(!stdout_ended, "after the end of STDOUT: {record:?}");
                stdout_ended = is_end;
                body.extend(record.content);
            }
            (STDERR, is_end) => {
                assert!(!stderr_ended, "after the end of STDERR: {record:?}");
                stderr_ended = is_end;
            }
            (kind, _) => {
                assert_eq!(kind, END_REQUEST);
                ended = true;
            }
        }
    }
    assert!(ended && stdout_ended && stderr_ended);
    assert!(body.ends_with(b"\r\n\r\nab"), "{body:?}");
    Ok(())
}

fn conformance_46_a_status_outside_of_200_to_599_is_500() -> Outcome {
    for status in [100, 101, 103, 600, 999] {
        let local = Local::serve(always(status, &[], Body::default));
        let answer = local.ask(1, &get(1, "/", false));
        assert_eq!(answer.status(), 500, "{status}");
        assert!(answer.log().contains(&status.to_string()), "{answer:?}");
    }
    for (status, line) in [(299, "Status: 299 "), (404, "Status: 404 Not Found\r\n")] {
        let local = Local::serve(always(status, &[], Body::default));
        let answer = local.ask(1, &get(1, "/", false));
        assert!(answer.stdout.starts_with(line.as_bytes()), "{answer:?}");
    }
    Ok(())
}

fn conformance_48_a_fault_is_a_whole_response() -> Outcome {
    let local = Local::serve(|_: Request| async { Err(Fault::Crashed("boom".to_owned())) });
    let answer = local.ask(1, &get(1, "/", false));
    assert_eq!(answer.status(), 502);
    assert_eq!(
        answer.headers("content-type"),
        ["text/plain; charset=utf-8"]
    );
    assert!(answer.text().starts_with("502 Bad Gateway\n"));
    assert!(
        !answer.text().contains("boom"),
        "the cause is not for visitors"
    );
    assert!(answer.log().contains("boom"), "the cause is for the log");
    Ok(())
}

fn conformance_51_the_announced_length_holds() -> Outcome {
    let length = &[("content-length", "5")];
    let local = Local::serve(always(200, length, || Body::from("1234567")));
    let answer = local.ask(1, &get(1, "/", false));
    assert_eq!((answer.text().as_str(), answer.app_status), ("12345", 1));
    assert!(answer.log().contains("longer"), "{answer:?}");
    let local = Local::serve(always(200, length, || Body::from("123")));
    let answer = local.ask(1, &get(1, "/", false));
    assert_eq!((answer.text().as_str(), answer.app_status), ("123", 1));
    assert!(answer.log().contains("2 bytes shorter"), "{answer:?}");
    assert_eq!(answer.headers("content-length"), ["5"]);
    Ok(())
}

fn conformance_51_there_is_one_content_length_and_it_is_a_number() -> Outcome {
    for lengths in [
        &[("content-length", "3"), ("content-length", "5")][..],
        &[("content-length", "abc")],
        &[("content-length", "+5")],
        &[("content-length", "")],
    ] {
        let local = Local::serve(always(200, lengths, || Body::from("12345")));
        let answer = local.ask(1, &get(1, "/", false));
        assert_eq!(answer.status(), 500, "{lengths:?}");
    }
    let twice = &[("content-length", "5"), ("content-length", "5")];
    let local = Local::serve(always(200, twice, || Body::from("12345")));
    let answer = local.ask(1, &get(1, "/", false));
    assert_eq!(answer.headers("content-length"), ["5"]);
    Ok(())
}

fn conformance_52_some_responses_have_no_body() -> Outcome {
    for status in [204, 304] {
        let local = Local::serve(always(status, &[], || Body::from("body")));
        let answer = local.ask(1, &get(1, "/", false));
        assert_eq!(answer.body(), b"", "{status}");
        assert_eq!(answer.headers("content-length"), Vec::<String>::new());
    }
    let mut head = get_params("/");
    head[0] = ("REQUEST_METHOD", "HEAD");
    let mut request = begin(1, RESPONDER, false);
    request.extend(params(1, &head));
    request.extend(stdin(1, &[]));
    let length = &[("content-length", "4")];
    let local = Local::serve(always(200, length, || Body::from("body")));
    let answer = local.ask(1, &request);
    assert_eq!(answer.body(), b"");
    assert_eq!(answer.headers("content-length"), ["4"]);
    let local = Local::serve(always(200, &[], || Body::from("")));
    let answer = local.ask(1, &request);
    assert_eq!(answer.headers("content-length"), Vec::<String>::new());
    Ok(())
}

fn conformance_53_a_head_over_64_kib_is_500() -> Outcome {
    let sized = |bytes: usize| {
        move |_: Request| {
            let mut response = Response::text(StatusCode::OK, "x");
            let value = HeaderValue::from_str(&"v".repeat(bytes)).expect("legal");
            response.headers.insert("x-large", value);
            async { Ok(response) }
        }
    };
    let local = Local::serve(sized(60_000));
    assert_eq!(local.ask(1, &get(1, "/", false)).status(), 200);
    let local = Local::serve(sized(70_000));
    let answer = local.ask(1, &get(1, "/", false));
    assert_eq!(answer.status(), 500);
    assert!(answer.log().contains("x-large"), "{}", answer.log());
    Ok(())
}

fn conformance_53_set_cookie_is_never_joined() -> Outcome {
    let cookies = &[("set-cookie", "a=1"), ("set-cookie", "b=2")];
    let local = Local::serve(always(200, cookies, Body::default));
    let answer = local.ask(1, &get(1, "/", false));
    assert_eq!(answer.headers("set-cookie"), ["a=1", "b=2"]);
    Ok(())
}

fn conformance_54_trailers_are_dropped() -> Outcome {
    let local = Local::serve(always(200, &[], || {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-trailer", HeaderValue::from_static("v"));
        let frames: [Result<Frame<Bytes>, Fault>; 2] = [
            Ok(Frame::data(Bytes::from_static(b"body"))),
            Ok(Frame::trailers(trailers)),
        ];
        let frames = futures_util::stream::iter(frames);
        Body::new(http_body_util::StreamBody::new(frames))
    }));
    let answer = local.ask(1, &get(1, "/", false));
    assert_eq!((answer.text().as_str(), answer.app_status), ("body", 0));
    Ok(())
}

fn conformance_55_a_missing_content_type_stays_missing() -> Outcome {
    let local = Local::serve(always(200, &[], || Body::from("<html>")));
    let answer = local.ask(1, &get(1, "/", false));
    assert_eq!(
        answer.headers(header::CONTENT_TYPE.as_str()),
        Vec::<String>::new()
    );
    Ok(())
}

fn conformance_62_a_small_answer_is_one_record_and_a_large_one_full_records() -> Outcome {
    let local = Local::serve(always(200, &[], || Body::from("small")));
    let answer = local.ask(1, &get(1, "/", false));
    assert_eq!(answer.kinds, [STDOUT, STDOUT, END_REQUEST]);

    let local = Local::serve(always(200, &[], || Body::from(vec![b'x'; 1_000_000])));
    let mut peer = local.connect();
    peer.send(&get(1, "/", false));
    let mut sizes = Vec::new();
    loop {
        let record = peer.read_record().expect("a record");
        if record.kind == END_REQUEST {
            break;
        }
        sizes.push(record.content.len());
    }
    let (last, full) = sizes[..sizes.len() - 1].split_last().expect("records");
    assert!(full.iter().all(|bytes| *bytes == 65_535), "{sizes:?}");
    assert!(*last > 0 && *last <= 65_535);
    assert_eq!(full.len(), 15);
    Ok(())
}

fn a_body_that_is_all_there_has_its_length_said() -> Outcome {
    let local = Local::serve(always(200, &[], || Body::from("12345")));
    let answer = local.ask(1, &get(1, "/", false));
    assert_eq!(answer.headers("content-length"), ["5"]);
    Ok(())
}

/// Its writer learns at once that nobody takes the rest, but the place that it
/// holds is kept while the client takes nothing of what there is.
fn a_body_that_is_cut_counts_until_its_last_byte() -> Outcome {
    let place = Arc::new(());
    let writer = Arc::new(Mutex::new(None));
    let (held, kept) = (Arc::downgrade(&place), writer.clone());
    let place = Mutex::new(Some(place));
    let local = Local::serve(move |_: Request| {
        let (mut sender, body) = Body::pipe();
        sender.push(vec![b'x'; 5_000_000].into());
        *kept.lock().expect("no panic") = Some(sender);
        let place = place.lock().expect("no panic").take();
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("4000000"));
        let response = Response {
            headers,
            body: body.holding(place.expect("one request")),
            ..Response::default()
        };
        async { Ok(response) }
    });
    let mut slow = local.connect();
    slow.send(&get(1, "/", false));
    assert_eq!(slow.read_record().expect("a beginning").kind, STDOUT);
    let mut sender = writer.lock().expect("no panic").take().expect("a writer");
    let gone = sender.poll_gone(&mut Context::from_waker(Waker::noop()));
    assert!(gone.is_ready());
    assert!(held.upgrade().is_some(), "its place is free");
    assert!(slow.answer(1).stdout.len() > 3_900_000);
    wait_until("the place is free", || held.upgrade().is_none());
    Ok(())
}
