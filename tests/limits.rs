//! Each limit, broken by a guest: the visitor gets the status, the log the
//! reason, and the next request works (item 87 of the conformance list).

use std::time::Duration;

use crate::support::guest_build::guest;
use crate::support::process::Program;
use crate::support::web_server::*;
use crate::support::{Outcome, Skip, wait_until};

tests![
    conformance_87_computing_too_long_is_504,
    conformance_87_sleeping_too_long_is_504,
    conformance_87_too_much_memory_is_502,
    conformance_87_a_trap_is_502_with_a_backtrace,
    conformance_87_a_fault_in_the_middle_ends_the_body,
    conformance_87_too_long_in_the_middle_ends_the_body,
    conformance_75_too_many_requests_are_503,
    a_body_over_the_limit_is_413,
    work_after_the_answer_goes_on_and_has_an_end,
    a_fault_after_the_answer_leaves_it_alone,
    a_guest_that_computes_does_not_stop_the_others,
    conformance_93_a_guest_sees_nothing_of_the_machine,
    conformance_56_commands_to_the_web_server_are_dropped,
    a_guest_can_not_make_the_host_hoard,
    a_large_answer_in_one_piece_passes,
    a_trap_before_anything_left_is_502,
    a_slow_client_does_not_use_up_the_guests_time,
    a_head_request_does_not_hold_its_place,
    too_many_headers_are_an_error,
    instances_share_nothing,
    little_address_space_is_enough,
];

fn naughty(arguments: &[&str]) -> Result<Program, Skip> {
    Ok(Program::serve(&guest("naughty")?, arguments))
}

/// Asks for a path that ends badly, and looks at all three audiences.
#[track_caller]
fn check(program: &Program, path: &str, status: u16, cause: &str) {
    let answer = program.ask(&get(1, path, false));
    assert_eq!(answer.status(), status, "{path}: {answer:?}");
    assert_eq!(answer.app_status, 1, "{path}");
    assert!(answer.log().contains(cause), "{path}: {}", answer.log());
    assert!(!answer.text().contains(cause), "{path}: {}", answer.text());
    program.wait_for_log(cause);
    let next = program.ask(&get(1, "/hello", false));
    assert_eq!(next.text(), "hello\n", "after {path}");
}

fn conformance_87_computing_too_long_is_504() -> Outcome {
    let program = naughty(&["--cpu-time", "100ms"])?;
    check(&program, "/spin", 504, "--cpu-time");
    let http = Program::serve(&guest("naughty-http")?, &["--cpu-time", "100ms"]);
    check(&http, "/spin", 504, "--cpu-time");
    Ok(())
}

fn conformance_87_sleeping_too_long_is_504() -> Outcome {
    let program = naughty(&["--timeout", "200ms"])?;
    check(&program, "/sleep", 504, "--timeout");
    check(&program, "/spin", 504, "--timeout");
    Ok(())
}

fn conformance_87_too_much_memory_is_502() -> Outcome {
    let program = naughty(&["--memory", "16MiB"])?;
    check(&program, "/grow", 502, "--memory");
    Ok(())
}

fn conformance_87_a_trap_is_502_with_a_backtrace() -> Outcome {
    let program = naughty(&[])?;
    check(&program, "/trap", 502, "unreachable");
    check(&program, "/recurse/0", 502, "call stack exhausted");
    let answer = program.ask(&get(1, "/trap", false));
    assert!(answer.log().contains("panicked at"), "{}", answer.log());
    assert!(answer.log().contains("naughty"), "a name: {}", answer.log());
    let request = answer.text().lines().last().expect("a line").to_owned();
    let number = request.split(' ').find(|word| word.parse::<u64>().is_ok());
    let number = number.expect("the page names the request");
    assert!(answer.log().contains(&format!("request {number}:")));
    program.wait_for_log(&format!("request={number}"));
    let http = Program::serve(&guest("naughty-http")?, &[]);
    check(&http, "/trap", 502, "unreachable");
    check(&http, "/silence", 502, "without an answer");
    check(&http, "/error", 500, "as asked");
    Ok(())
}

fn conformance_87_a_fault_in_the_middle_ends_the_body() -> Outcome {
    for (app, path) in [
        ("naughty", "/half"),
        ("naughty", "/half-fail"),
        ("naughty-http", "/half"),
    ] {
        let program = Program::serve(&guest(app)?, &[]);
        let answer = program.ask(&get(1, path, false));
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.text(), "half of it", "{app}{path}");
        assert_eq!(answer.app_status, 1, "{app}{path}");
        assert!(
            answer.log().contains("as asked, in the middle"),
            "{}",
            answer.log()
        );
        assert_eq!(program.ask(&get(1, "/hello", false)).text(), "hello\n");
    }
    Ok(())
}

fn conformance_87_too_long_in_the_middle_ends_the_body() -> Outcome {
    let program = naughty(&["--max-duration", "300ms"])?;
    let answer = program.ask(&get(1, "/never-ends", false));
    assert_eq!((answer.status(), answer.app_status), (200, 1));
    assert!(answer.log().contains("--max-duration"));
    Ok(())
}

fn conformance_75_too_many_requests_are_503() -> Outcome {
    let program = naughty(&["--max-concurrent", "1", "--queue", "1"])?;
    let mut first = program.connect();
    first.send(&post_head(1, "/early", 5, true));
    assert_eq!(first.read_record().expect("it runs").kind, STDOUT);
    let mut second = program.connect();
    second.send(&get(1, "/hello", true));
    // When the server answers what came behind it, it waits in the queue.
    second.send(&record(GET_VALUES, 0, &[]));
    let values = second.read_record().expect("a record");
    assert_eq!(values.kind, GET_VALUES_RESULT);
    let refused = program.ask(&get(1, "/hello", false));
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers("retry-after"), ["1"]);
    assert_eq!(refused.protocol_status, 2);
    first.send(&stdin(1, b"rest\n"));
    assert_eq!(first.answer(1).stdout, b"rest\n");
    assert_eq!(second.answer(1).text(), "hello\n");
    Ok(())
}

fn a_body_over_the_limit_is_413() -> Outcome {
    for app in ["naughty", "naughty-http"] {
        let program = Program::serve(&guest(app)?, &["--max-body", "1000"]);
        let mut request = post_head(1, "/upload", 1000, false);
        request.extend(stdin(1, &[1; 1000]));
        assert_eq!(program.ask(&request).text(), "1000 bytes, sum 1000\n");
        let announced = post_head(1, "/upload", 1001, false);
        assert_eq!(program.ask(&announced).status(), 413, "{app}");
        // Not announced: the guest finds out while it reads.
        let mut list = get_params("/upload");
        list[0] = ("REQUEST_METHOD", "POST");
        let mut request = begin(1, RESPONDER, false);
        request.extend(params(1, &list));
        request.extend(stdin(1, &[1; 1001]));
        let status = program.ask(&request).status();
        assert!(
            status == 413 || (app == "naughty-http" && status == 400),
            "{app}: {status}"
        );
    }
    Ok(())
}

fn work_after_the_answer_goes_on_and_has_an_end() -> Outcome {
    let program = naughty(&["--cpu-time", "300ms"])?;
    let mut peer = program.connect();
    let answer = peer.ask(1, &get(1, "/work-on", true));
    assert_eq!(
        (answer.text().as_str(), answer.app_status),
        ("answered\n", 0)
    );
    assert!(!answer.log().contains("worked on"));
    // The connection is free while the guest is still at work.
    assert_eq!(peer.ask(1, &get(1, "/hello", true)).text(), "hello\n");
    program.wait_for_log("worked on");
    let answer = peer.ask(1, &get(1, "/work-on-for-ever", true));
    assert_eq!(answer.text(), "answered\n");
    program.wait_for_log("after its answer was complete: the application computed for longer");
    Ok(())
}

fn a_fault_after_the_answer_leaves_it_alone() -> Outcome {
    for app in ["naughty", "naughty-http"] {
        let program = Program::serve(&guest(app)?, &[]);
        let answer = program.ask(&get(1, "/late-trap", false));
        assert_eq!((answer.status(), answer.app_status), (200, 0), "{app}");
        assert_eq!(answer.text(), "complete\n", "{app}");
        program.wait_for_log("after its answer was complete: the application crashed");
    }
    Ok(())
}

fn a_guest_that_computes_does_not_stop_the_others() -> Outcome {
    let program = naughty(&["--cpu-time", "10m", "--timeout", "10m"])?;
    let mut spinning: Vec<Peer> = (0..8).map(|_| program.connect()).collect();
    for peer in &mut spinning {
        peer.send(&get(1, "/spin", true));
    }
    for _ in 0..10 {
        assert_eq!(program.ask(&get(1, "/hello", false)).text(), "hello\n");
    }
    Ok(())
}

fn conformance_93_a_guest_sees_nothing_of_the_machine() -> Outcome {
    let program = naughty(&[])?;
    let expected = "0 variables, 0 arguments, files false, passwords false, network false, \
                    names false\n";
    assert_eq!(program.ask(&get(1, "/world", false)).text(), expected);
    let http = Program::serve(&guest("naughty-http")?, &[]);
    let text = http.ask(&get(1, "/outbound/127.0.0.1:80", false)).text();
    assert!(text.contains("HttpRequestDenied"), "{text}");
    http.wait_for_log("refused");
    Ok(())
}

fn conformance_56_commands_to_the_web_server_are_dropped() -> Outcome {
    let program = naughty(&[])?;
    let answer = program.ask(&get(1, "/commands", false));
    let head = String::from_utf8_lossy(&answer.stdout).into_owned();
    let fields: Vec<_> = head.lines().take_while(|line| !line.is_empty()).collect();
    let expected = [
        "Status: 200 OK",
        "content-type: text/plain; charset=utf-8",
        "x-kept: yes",
        "content-length: 10",
    ];
    let mut sorted = fields.clone();
    sorted.sort_unstable();
    let mut expected_sorted = expected.to_vec();
    expected_sorted.sort_unstable();
    assert_eq!(sorted, expected_sorted);
    program.wait_for_log("x-accel-redirect");
    Ok(())
}

fn a_guest_can_not_make_the_host_hoard() -> Outcome {
    let program = Program::serve(&guest("naughty-http")?, &[]);
    assert_eq!(program.ask(&get(1, "/hello", false)).text(), "hello\n");
    let before = program.memory_peak();
    let answer = program.ask(&get(1, "/hoard", false));
    assert_eq!(answer.status(), 502);
    let grown = program.memory_peak() - before;
    assert!(grown < 256 << 20, "the server grew by {grown} bytes");
    assert_eq!(program.ask(&get(1, "/hello", false)).text(), "hello\n");
    Ok(())
}

fn a_large_answer_in_one_piece_passes() -> Outcome {
    let program = naughty(&[])?;
    let answer = program.ask(&get(1, "/whole/40000000", false));
    assert_eq!(answer.body().len(), 40_000_000, "{}", answer.log());
    Ok(())
}

fn a_trap_before_anything_left_is_502() -> Outcome {
    let program = Program::serve(&guest("naughty-http")?, &[]);
    // What it wrote does leave if it is interrupted in between, to let others
    // compute: seldom, unless the machine is busy. Then the answer is broken off.
    let is_502 = |_| {
        let answer = program.ask(&get(1, "/unsent", false));
        assert_ne!(answer.app_status, 0, "{answer:?}");
        answer.status() == 502
    };
    assert!((0..20).any(is_502));
    program.wait_for_log("unreachable");
    Ok(())
}

fn a_slow_client_does_not_use_up_the_guests_time() -> Outcome {
    for app in ["naughty", "naughty-http"] {
        let program = Program::serve(&guest(app)?, &["--timeout", "1500ms"]);
        let mut slow = program.connect();
        slow.send(&get(1, "/download/4000000", false));
        std::thread::sleep(Duration::from_secs(3));
        let answer = slow.answer(1);
        assert_eq!(
            (answer.body().len(), answer.app_status),
            (4_000_000, 0),
            "{app}"
        );
        let mut slow = program.connect();
        slow.send(&post_head(1, "/upload", 10, false));
        std::thread::sleep(Duration::from_secs(3));
        slow.send(&stdin(1, &[1; 10]));
        assert_eq!(slow.answer(1).text(), "10 bytes, sum 10\n", "{app}");
    }
    // But not for ever.
    let program = naughty(&["--max-duration", "500ms"])?;
    let mut slow = program.connect();
    slow.send(&post_head(1, "/upload", 10, false));
    let answer = slow.answer(1);
    assert_eq!(answer.status(), 504);
    assert!(answer.log().contains("--max-duration"), "{}", answer.log());
    Ok(())
}

fn a_head_request_does_not_hold_its_place() -> Outcome {
    let program = naughty(&["--max-concurrent", "1", "--queue", "0"])?;
    let mut list = get_params("/never-ends");
    list[0] = ("REQUEST_METHOD", "HEAD");
    let mut request = begin(1, RESPONDER, false);
    request.extend(params(1, &list));
    request.extend(stdin(1, &[]));
    assert_eq!(program.ask(&request).status(), 200);
    wait_until("the place is free", || {
        program.ask(&get(1, "/hello", false)).status() == 200
    });
    Ok(())
}

fn too_many_headers_are_an_error() -> Outcome {
    let program = naughty(&[])?;
    assert_eq!(
        program.ask(&get(1, "/many-headers/500", false)).status(),
        200
    );
    assert_eq!(
        program.ask(&get(1, "/many-headers/20000", false)).status(),
        500
    );
    assert!(!program.log().contains("panicked"), "{}", program.log());
    Ok(())
}

fn instances_share_nothing() -> Outcome {
    for app in ["naughty", "naughty-http"] {
        let program = Program::serve(&guest(app)?, &[]);
        let mut peer = program.connect();
        for _ in 0..100 {
            assert_eq!(peer.ask(1, &get(1, "/count", true)).text(), "1\n", "{app}");
        }
        let ids: Vec<u16> = (1..=50).collect();
        for id in &ids {
            peer.send(&get(*id, "/count", true));
        }
        for answer in peer.answers(&ids) {
            assert_eq!(answer.text(), "1\n", "{app}");
        }
    }
    Ok(())
}

fn little_address_space_is_enough() -> Outcome {
    let app = guest("naughty")?;
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("s");
    let program = env!("CARGO_BIN_EXE_fcgi-wasm");
    let mut limited = std::process::Command::new("sh");
    // 8 GiB of addresses, where the pool would reserve terabytes.
    let line = format!("ulimit -v 8388608; exec {program} serve \"$0\" --socket \"$1\" --no-cache");
    limited.arg("-c").arg(line).arg(&app).arg(&socket);
    let program = Program::start(limited, folder);
    wait_until("it listens", || socket.exists());
    let mut peers: Vec<Peer> = (0..16).map(|_| program.connect()).collect();
    for peer in &mut peers {
        peer.send(&post_head(1, "/early", 5, true));
    }
    for peer in &mut peers {
        assert_eq!(peer.read_record().expect("it runs").kind, STDOUT);
    }
    check(&program, "/trap", 502, "unreachable");
    program.wait_for_log("too little address space");
    Ok(())
}
