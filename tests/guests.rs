//! What guests of each world see of a request, and what becomes of bodies.

use crate::support::Outcome;
use crate::support::guest_build::{WORLDS, guest};
use crate::support::process::Program;
use crate::support::web_server::*;

tests![
    the_native_contract_tells_headers_and_params_apart,
    wasi_http_gets_scheme_authority_path_and_headers,
    bodies_arrive_whole_in_each_world,
    a_small_answer_leaves_as_one_in_each_world,
    what_is_flushed_piece_by_piece_leaves_together,
    a_body_cut_short_is_an_error_in_each_world,
    a_response_that_was_never_finished_still_ends,
    a_status_that_is_no_response_is_an_error,
];

fn request(id: u16, extra: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = begin(id, RESPONDER, false);
    bytes.extend(params(id, extra));
    bytes.extend(stdin(id, &[]));
    bytes
}

fn the_native_contract_tells_headers_and_params_apart() -> Outcome {
    let program = Program::serve(&guest("naughty")?, &[]);
    let list = [
        ("REQUEST_METHOD", "GET"),
        ("SCRIPT_NAME", "/app"),
        ("PATH_INFO", "/params"),
        ("REMOTE_USER", "alice"),
        ("HTTP_X_FORGED", "yes"),
        ("HTTP_PROXY", "evil"),
        ("CONTENT_TYPE", "a/b"),
        ("CONTENT_LENGTH", ""),
        ("HTTP_COOKIE", "a=1"),
        ("HTTP_COOKIE", "b=2"),
    ];
    let expected = "REQUEST_METHOD=GET\nSCRIPT_NAME=/app\nPATH_INFO=/params\nREMOTE_USER=alice\n";
    assert_eq!(program.ask(&request(1, &list)).text(), expected);
    let mut list = list;
    list[2] = ("PATH_INFO", "/headers");
    let expected = "content-type: a/b\nx-forged: yes\ncookie: a=1; b=2\n";
    assert_eq!(program.ask(&request(1, &list)).text(), expected);
    Ok(())
}

fn wasi_http_gets_scheme_authority_path_and_headers() -> Outcome {
    let program = Program::serve(&guest("naughty-http")?, &[]);
    let list = [
        ("REQUEST_METHOD", "PROPFIND"),
        ("REQUEST_URI", "/request/a%2Fb?q=1"),
        ("PATH_INFO", "/request/a/b"),
        ("QUERY_STRING", "q=1"),
        ("HTTP_HOST", "shop.example:8443"),
        ("HTTPS", "on"),
    ];
    let expected = "method Method::Other(\"PROPFIND\")\nscheme Some(Scheme::Https)\n\
                    authority Some(\"shop.example:8443\")\npath Some(\"/request/a%2Fb?q=1\")\n";
    assert_eq!(program.ask(&request(1, &list)).text(), expected);
    let bare = [("REQUEST_METHOD", "GET"), ("PATH_INFO", "/request")];
    let expected = "method Method::Get\nscheme Some(Scheme::Http)\n\
                    authority Some(\"localhost\")\npath Some(\"/request\")\n";
    assert_eq!(program.ask(&request(1, &bare)).text(), expected);
    let list = [
        ("REQUEST_METHOD", "GET"),
        ("PATH_INFO", "/headers"),
        ("HTTP_X_A", "1"),
        ("HTTP_X_A", "2"),
        ("HTTP_CONNECTION", "close"),
    ];
    assert_eq!(program.ask(&request(1, &list)).text(), "x-a: 1\nx-a: 2\n");
    Ok(())
}

fn bodies_arrive_whole_in_each_world() -> Outcome {
    for app in WORLDS {
        let program = Program::serve(&guest(app)?, &[]);
        for size in [0, 1, 4096, 65_536, 1_000_000] {
            let body: Vec<u8> = (0..size).map(|index| (index % 253) as u8).collect();
            let mut request = post_head(1, "/echo", size, false);
            request.extend(stdin(1, &body));
            let mut peer = program.connect();
            let mut writer = peer.stream.try_clone().expect("a second handle");
            let sending =
                std::thread::spawn(move || std::io::Write::write_all(&mut writer, &request));
            let answer = peer.answer(1);
            assert!(answer.body() == body, "{app}: {size} bytes");
            sending.join().expect("no panic").expect("sent");
        }
    }
    Ok(())
}

fn a_small_answer_leaves_as_one_in_each_world() -> Outcome {
    for app in WORLDS {
        let program = Program::serve(&guest(app)?, &[]);
        check_that_it_leaves_as_one(&program, &get(1, "/hello", false), "hello\n");
    }
    Ok(())
}

/// Most WASI 0.2 guests write 4 KiB at a time, and flush each.
fn what_is_flushed_piece_by_piece_leaves_together() -> Outcome {
    let program = Program::serve(&guest("naughty-http")?, &[]);
    let value = "x".repeat(40_000);
    let list = [
        ("REQUEST_METHOD", "GET"),
        ("PATH_INFO", "/headers"),
        ("HTTP_X_A", &value),
    ];
    check_that_it_leaves_as_one(&program, &request(1, &list), &format!("x-a: {value}\n"));
    Ok(())
}

/// Mostly: a guest that is interrupted in the middle of it, as on a busy machine,
/// shows what it has by then.
fn check_that_it_leaves_as_one(program: &Program, request: &[u8], expected: &str) {
    let answers: Vec<_> = (0..20).map(|_| program.ask(request)).collect();
    let is_whole = |answer: &Answer| answer.text() == expected;
    assert!(answers.iter().all(is_whole), "{request:?}");
    // The second is the stream's end.
    let is_one = |answer: &&Answer| answer.kinds == [STDOUT, STDOUT, END_REQUEST];
    let ones = answers.iter().filter(is_one).count();
    assert!(ones > 10, "{ones} of {}", answers.len());
}

fn a_body_cut_short_is_an_error_in_each_world() -> Outcome {
    for app in WORLDS {
        let program = Program::serve(&guest(app)?, &[]);
        let mut request = post_head(1, "/upload", 100, false);
        request.extend(stdin(1, b"too short"));
        assert_eq!(program.ask(&request).status(), 400, "{app}");
    }
    Ok(())
}

fn a_response_that_was_never_finished_still_ends() -> Outcome {
    let program = Program::serve(&guest("naughty-http")?, &[]);
    let answer = program.ask(&get(1, "/unfinished", false));
    assert_eq!(answer.text(), "never finished");
    Ok(())
}

fn a_status_that_is_no_response_is_an_error() -> Outcome {
    let program = Program::serve(&guest("naughty")?, &[]);
    for status in [100, 101, 103, 199, 600, 999] {
        let answer = program.ask(&get(1, &format!("/status/{status}"), false));
        assert_eq!(answer.status(), 500, "{status}");
    }
    assert_eq!(program.ask(&get(1, "/status/299", false)).status(), 299);
    let program = Program::serve(&guest("naughty-http")?, &[]);
    for status in [100, 103] {
        let answer = program.ask(&get(1, &format!("/status/{status}"), false));
        assert!(answer.status() >= 500, "{status}");
    }
    Ok(())
}
