//! Section A of the conformance list: records, params and ids.

use std::io::Read;
use std::net::Shutdown;

use crate::support::Outcome;
use crate::support::local::{Local, echo, hello};
use crate::support::web_server::*;

tests![
    conformance_01_any_padding_is_skipped,
    conformance_02_bytes_may_come_one_by_one,
    conformance_03_reserved_bytes_are_ignored,
    conformance_04_params_may_be_cut_anywhere,
    conformance_06_a_pair_longer_than_its_stream_is_400,
    conformance_07_no_params_are_400,
    conformance_08_the_last_param_of_a_name_wins,
    conformance_09_a_nul_in_a_param_is_not_passed_on,
    conformance_10_any_id_is_echoed,
    conformance_10_an_id_may_come_again_before_its_answer,
    conformance_11_records_of_nobody_are_ignored,
    conformance_12_stdin_after_its_end_is_ignored,
    conformance_13_params_after_their_end_are_ignored,
    conformance_13_a_body_before_the_params_is_kept_within_limits,
    conformance_17_unknown_records_of_a_request_are_skipped,
    conformance_18_another_protocol_is_hung_up_on_in_good_order,
    conformance_19_a_begin_out_of_place_closes_the_connection,
    conformance_20_an_answer_has_one_end,
    conformance_23_end_request_tells_the_statuses,
    a_record_out_of_place_closes_the_connection,
];

fn conformance_01_any_padding_is_skipped() -> Outcome {
    let local = Local::serve(echo());
    for padding in [0, 1, 7, 8, 255] {
        let mut request = padded(BEGIN_REQUEST, 1, &[0, 1, 0, 0, 0, 0, 0, 0], padding);
        let list = pairs(&[("REQUEST_METHOD", "POST"), ("A", "b")]);
        request.extend(padded(PARAMS, 1, &list, padding));
        request.extend(padded(PARAMS, 1, &[], padding));
        request.extend(padded(STDIN, 1, b"bo", padding));
        request.extend(padded(STDIN, 1, b"dy", padding));
        request.extend(padded(STDIN, 1, &[], padding));
        let answer = local.ask(1, &request);
        assert_eq!(answer.text(), "REQUEST_METHOD=POST\nA=b\nbody", "{padding}");
    }
    Ok(())
}

fn conformance_02_bytes_may_come_one_by_one() -> Outcome {
    let local = Local::serve(echo());
    let mut request = post_head(1, "/x", 5, false);
    request.extend(stdin(1, b"hello"));
    let at_once = local.ask(1, &request);
    let mut peer = local.connect();
    for byte in &request {
        peer.send(&[*byte]);
    }
    assert_eq!(peer.answer(1), at_once);
    assert!(at_once.text().ends_with("\nhello"));
    Ok(())
}

fn conformance_03_reserved_bytes_are_ignored() -> Outcome {
    let local = Local::serve(hello());
    let mut request = record(BEGIN_REQUEST, 1, &[0, 1, 0, 9, 8, 7, 6, 5]);
    request[7] = 0xFF;
    request.extend(params(1, &get_params("/")));
    request.extend(stdin(1, &[]));
    assert_eq!(local.ask(1, &request).status(), 200);
    Ok(())
}

fn conformance_04_params_may_be_cut_anywhere() -> Outcome {
    let local = Local::serve(echo());
    let long = "v".repeat(70_000);
    let list = pairs(&[("REQUEST_METHOD", "GET"), ("LONG", &long), ("Z", "z")]);
    for size in [1, 7, 1000, 65_535] {
        let mut request = begin(1, RESPONDER, false);
        for part in list.chunks(size) {
            request.extend(record(PARAMS, 1, part));
        }
        request.extend(record(PARAMS, 1, &[]));
        request.extend(stdin(1, &[]));
        let answer = local.ask(1, &request);
        let expected = format!("REQUEST_METHOD=GET\nLONG={long}\nZ=z\n");
        assert!(answer.text() == expected, "cut every {size} bytes");
    }
    Ok(())
}

fn conformance_06_a_pair_longer_than_its_stream_is_400() -> Outcome {
    let local = Local::serve(echo());
    let mut other = local.connect();
    other.send(&begin(1, RESPONDER, true));
    let huge = [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];
    for wrong in [&huge[..], &[200], &[5, 5, b'A'], &[0x80, 0]] {
        let mut request = begin(1, RESPONDER, true);
        request.extend(record(PARAMS, 1, wrong));
        request.extend(record(PARAMS, 1, &[]));
        let mut peer = local.connect();
        assert_eq!(peer.ask(1, &request).status(), 400, "{wrong:?}");
        assert!(peer.is_closed());
    }
    other.send(&params(1, &get_params("/")));
    other.send(&stdin(1, &[]));
    assert_eq!(other.answer(1).status(), 200);
    Ok(())
}

fn conformance_07_no_params_are_400() -> Outcome {
    let local = Local::serve(echo());
    for list in [&[][..], &[("SCRIPT_NAME", "/x")], &[("REQUEST_METHOD", "")]] {
        let mut request = begin(1, RESPONDER, true);
        request.extend(params(1, list));
        request.extend(stdin(1, &[]));
        let mut peer = local.connect();
        let answer = peer.ask(1, &request);
        assert_eq!(answer.status(), 400, "{list:?}");
        assert!(answer.log().contains("REQUEST_METHOD"), "{answer:?}");
        assert_eq!(peer.ask(1, &get(1, "/", true)).status(), 200);
    }
    Ok(())
}

fn conformance_08_the_last_param_of_a_name_wins() -> Outcome {
    let local = Local::serve(|request: fcgi_wasm::Request| async move {
        let name = request.params.text("DOCUMENT_ROOT").unwrap_or_default();
        let text = name.into_owned();
        Ok(fcgi_wasm::Response::text(http::StatusCode::OK, text))
    });
    let mut list = get_params("/x");
    list.push(("DOCUMENT_ROOT", "/first"));
    list.push(("DOCUMENT_ROOT", "/last"));
    let mut request = begin(1, RESPONDER, false);
    request.extend(params(1, &list));
    request.extend(stdin(1, &[]));
    assert_eq!(local.ask(1, &request).text(), "/last");
    Ok(())
}

fn conformance_09_a_nul_in_a_param_is_not_passed_on() -> Outcome {
    let local = Local::serve(echo());
    let ask = |extra: (&str, &str)| {
        let mut request = begin(1, RESPONDER, false);
        let list = [("REQUEST_METHOD", "GET"), extra, ("Z", "z")];
        request.extend(params(1, &list));
        request.extend(stdin(1, &[]));
        local.ask(1, &request)
    };
    for extra in [("HTTP_X", "a\0b"), ("HTTP_\0", "a"), ("", "\0")] {
        assert_eq!(ask(extra).text(), "REQUEST_METHOD=GET\nZ=z\n", "{extra:?}");
    }
    for extra in [
        ("PATH_INFO", "/\0"),
        ("SCRIPT_NAME", "\0"),
        ("REQUEST_URI", "/\0"),
    ] {
        assert_eq!(ask(extra).status(), 400, "{extra:?}");
    }
    assert_eq!(ask(("HTTP_X_SP: ", "v")).status(), 200);
    Ok(())
}

fn conformance_10_any_id_is_echoed() -> Outcome {
    let local = Local::serve(hello());
    let mut peer = local.connect();
    for id in [1, 1, 2, 255, 256, 65_535, 1] {
        assert_eq!(peer.ask(id, &get(id, "/", true)).status(), 200, "id {id}");
    }
    Ok(())
}

fn conformance_10_an_id_may_come_again_before_its_answer() -> Outcome {
    let local = Local::serve(echo());
    let mut peer = local.connect();
    let requests = ["/a", "/b", "/c"].map(|path| get(1, path, true));
    peer.send(&requests.concat());
    for path in ["/a", "/b", "/c"] {
        let text = peer.answer(1).text();
        assert!(text.contains(&format!("PATH_INFO={path}\n")), "{text}");
    }
    Ok(())
}

fn conformance_11_records_of_nobody_are_ignored() -> Outcome {
    let local = Local::serve(hello());
    let mut peer = local.connect();
    for kind in [STDIN, PARAMS, ABORT_REQUEST, DATA] {
        peer.send(&record(kind, 7, b"x"));
    }
    assert_eq!(peer.ask(1, &get(1, "/", true)).status(), 200);
    for kind in [STDIN, PARAMS, ABORT_REQUEST, DATA] {
        peer.send(&record(kind, 1, b"x"));
    }
    assert_eq!(peer.ask(1, &get(1, "/", true)).status(), 200);
    Ok(())
}

fn conformance_12_stdin_after_its_end_is_ignored() -> Outcome {
    let local = Local::serve(echo());
    let mut request = begin(1, RESPONDER, true);
    request.extend(params(1, &[("REQUEST_METHOD", "POST")]));
    request.extend(stdin(1, b"body"));
    request.extend(stdin(1, b"more"));
    let mut peer = local.connect();
    assert_eq!(peer.ask(1, &request).text(), "REQUEST_METHOD=POST\nbody");
    assert_eq!(peer.ask(1, &get(1, "/", true)).status(), 200);
    Ok(())
}

fn conformance_13_params_after_their_end_are_ignored() -> Outcome {
    let local = Local::serve(echo());
    let mut request = begin(1, RESPONDER, false);
    request.extend(params(1, &[("REQUEST_METHOD", "POST")]));
    request.extend(params(1, &[("LATE", "x")]));
    request.extend(stdin(1, b"body"));
    let answer = local.ask(1, &request);
    assert_eq!(answer.text(), "REQUEST_METHOD=POST\nbody");
    Ok(())
}

fn conformance_13_a_body_before_the_params_is_kept_within_limits() -> Outcome {
    let local = Local::serve(echo());
    let early = |bytes: usize| {
        let mut request = begin(1, RESPONDER, false);
        request.extend(stdin(1, &vec![b'x'; bytes]));
        request.extend(params(1, &[("REQUEST_METHOD", "POST")]));
        local.ask(1, &request)
    };
    assert_eq!(early(3).text(), "REQUEST_METHOD=POST\nxxx");
    assert_eq!(early(1_000_000).status(), 431);
    Ok(())
}

fn conformance_17_unknown_records_of_a_request_are_skipped() -> Outcome {
    let local = Local::serve(echo());
    let mut request = begin(1, RESPONDER, false);
    request.extend(record(99, 1, b"whatever"));
    request.extend(params(1, &[("REQUEST_METHOD", "POST")]));
    request.extend(record(12, 1, b"whatever"));
    request.extend(stdin(1, b"body"));
    let answer = local.ask(1, &request);
    assert_eq!(answer.text(), "REQUEST_METHOD=POST\nbody");
    Ok(())
}

fn conformance_18_another_protocol_is_hung_up_on_in_good_order() -> Outcome {
    let local = Local::serve(hello());
    let tls = [0x16, 3, 1, 2, 0, 1, 0, 1];
    for other in [
        b"GET / HTTP/1.1\r\n\r\n".as_slice(),
        &tls,
        b"G",
        &[0; 8],
        &[2; 8],
    ] {
        let mut peer = local.connect();
        peer.send(other);
        assert!(peer.is_closed(), "{other:?}");
    }
    // What Cherokee does: zeros behind a request that is complete.
    let mut peer = local.connect();
    let mut request = get(1, "/", true);
    request.extend([0; 8]);
    request.extend(record(STDIN, 1, &[]));
    assert_eq!(peer.ask(1, &request).status(), 200);
    assert!(peer.is_closed());
    Ok(())
}

fn conformance_19_a_begin_out_of_place_closes_the_connection() -> Outcome {
    let served = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = served.clone();
    let local = Local::serve(move |_: fcgi_wasm::Request| {
        count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        async { Ok(fcgi_wasm::Response::text(http::StatusCode::OK, "x")) }
    });
    let short = record(BEGIN_REQUEST, 1, &[0, 1, 0]);
    let long = record(BEGIN_REQUEST, 1, &[0, 1, 0, 0, 0, 0, 0, 0, 0]);
    let nobody = begin(0, RESPONDER, true);
    for wrong in [short, long, nobody] {
        let mut peer = local.connect();
        peer.send(&wrong);
        assert!(peer.is_closed(), "{wrong:?}");
    }
    // The first one is answered, and not run a second time.
    let mut peer = local.connect();
    let mut twice = begin(1, RESPONDER, true);
    twice.extend(params(1, &get_params("/")));
    twice.extend(begin(1, RESPONDER, true));
    twice.extend(params(1, &get_params("/")));
    assert_eq!(peer.ask(1, &twice).status(), 200);
    assert!(peer.is_closed());
    assert_eq!(served.load(std::sync::atomic::Ordering::SeqCst), 1);
    Ok(())
}

fn a_record_out_of_place_closes_the_connection() -> Outcome {
    let local = Local::serve(hello());
    for (kind, id) in [(STDIN, 0), (PARAMS, 0), (ABORT_REQUEST, 0), (GET_VALUES, 1)] {
        let mut peer = local.connect();
        peer.send(&record(kind, id, b"x"));
        assert!(peer.is_closed(), "type {kind} with id {id}");
    }
    Ok(())
}

fn conformance_20_an_answer_has_one_end() -> Outcome {
    let local = Local::serve(hello());
    let mut peer = local.connect();
    peer.send(&get(1, "/", false));
    peer.stream.shutdown(Shutdown::Write).expect("half closed");
    let mut records = Vec::new();
    while let Some(record) = peer.read_record() {
        records.push((record.kind, record.content.len()));
    }
    let [(STDOUT, head_and_body), (STDOUT, 0), (END_REQUEST, 8)] = records[..] else {
        panic!("{records:?}");
    };
    assert!(head_and_body > 0);
    let mut rest = Vec::new();
    peer.stream.read_to_end(&mut rest).expect("the end");
    assert!(rest.is_empty());
    Ok(())
}

fn conformance_23_end_request_tells_the_statuses() -> Outcome {
    let local = Local::serve(|request: fcgi_wasm::Request| async move {
        match request.params.get("PATH_INFO") {
            Some(b"/fails") => Err(fcgi_wasm::Fault::Failed("as asked".to_owned())),
            Some(b"/full") => Err(fcgi_wasm::Fault::Overloaded("as asked".to_owned())),
            _ => Ok(fcgi_wasm::Response::text(http::StatusCode::OK, "x")),
        }
    });
    let cases = [
        ("/", 200, 0, 0),
        ("/fails", 500, 1, 0),
        ("/full", 503, 1, 2),
    ];
    for (path, status, app_status, protocol_status) in cases {
        let answer = local.ask(1, &get(1, path, false));
        assert_eq!(answer.status(), status, "{path}");
        assert_eq!(answer.app_status, app_status, "{path}");
        assert_eq!(answer.protocol_status, protocol_status, "{path}");
    }
    let mut unknown = begin(1, 99, false);
    unknown.extend(params(1, &get_params("/")));
    let mut peer = local.connect();
    let answer = peer.ask(1, &unknown);
    assert_eq!((answer.status(), answer.protocol_status), (500, 3));
    assert!(peer.is_closed());
    Ok(())
}
