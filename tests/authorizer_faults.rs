//! Authorizers that fail (FastCGI §6.3): whatever goes wrong is a refusal with a
//! complete head, because lighttpd lets a request pass otherwise.

use fcgi_wasm::{FastCgi, Fault, Handler, Request, Response, Role};
use http::StatusCode;

use crate::support::Outcome;
use crate::support::authorizer::*;
use crate::support::guest_build::{WORLDS, guest};
use crate::support::local::{Local, hello};
use crate::support::process::Program;
use crate::support::web_server::*;

tests![
    conformance_27_every_failure_is_an_explicit_refusal,
    conformance_27_time_and_memory_over_the_limit_refuse,
    conformance_27_overload_refuses,
    conformance_27_whoever_can_not_judge_refuses,
    conformance_27_a_bad_request_is_refused,
    conformance_27_an_abort_is_no_leave,
    conformance_27_a_server_that_stops_refuses,
    conformance_27_a_handler_that_knows_no_roles_gives_no_leave,
];

/// Never answers.
fn never() -> impl Handler {
    |_: Request| async { std::future::pending::<Result<Response, Fault>>().await }
}

fn conformance_27_every_failure_is_an_explicit_refusal() -> Outcome {
    let program = roles(&[])?;
    for (path, status, cause) in [
        ("/trap", 502, "unreachable"),
        ("/fail", 500, "disk full, as asked"),
        ("/exit/0", 502, "without an answer"),
        ("/exit/1", 502, "exited with status 1"),
        ("/status/abc", 500, "invalid digit"),
        ("/status/600", 500, "none from 200 to 599"),
    ] {
        for method in ["GET", "HEAD", "POST"] {
            let mut list = about(path);
            list[0] = ("REQUEST_METHOD", method);
            let mut request = begin(1, AUTHORIZER, false);
            request.extend(params(1, &list));
            check_refused(&program.ask(&request), status, cause);
        }
    }
    Ok(())
}

fn conformance_27_time_and_memory_over_the_limit_refuse() -> Outcome {
    for (arguments, path, status, cause) in [
        (["--cpu-time", "100ms"], "/spin", 504, "--cpu-time"),
        (["--timeout", "200ms"], "/sleep", 504, "--timeout"),
        (["--memory", "16MiB"], "/grow", 502, "--memory"),
    ] {
        let program = roles(&arguments)?;
        check_refused(&program.ask(&judge(1, path, false)), status, cause);
        assert_eq!(program.ask(&judge(1, "/allow", false)).status(), 200);
    }
    Ok(())
}

fn conformance_27_overload_refuses() -> Outcome {
    let program = roles(&["--max-concurrent", "1", "--queue", "0"])?;
    let mut first = program.connect();
    first.send(&judge(1, "/sleep", true));
    // It has its place when another request is refused.
    let refused = loop {
        let answer = program.ask(&judge(1, "/allow", false));
        if answer.status() != 200 {
            break answer;
        }
    };
    check_refused(&refused, 503, "places are taken");
    // Nor do more requests on a connection than it may have.
    let local = Local::serve_with(never(), FastCgi::default().requests_max(1), |server| server);
    let mut peer = local.connect();
    peer.send(&judge(1, "/x", true));
    peer.send(&judge(2, "/x", true));
    check_refused(&peer.answer(2), 503, "under way on this connection");
    Ok(())
}

fn conformance_27_whoever_can_not_judge_refuses() -> Outcome {
    for app in WORLDS {
        let program = Program::serve(&guest(app)?, &[]);
        for path in ["/hello", "/status/200", "/status/204", "/trap"] {
            let answer = program.ask(&judge(1, path, false));
            check_refused(&answer, 500, "--authorizer");
            assert_eq!((answer.protocol_status, answer.app_status), (3, 1), "{app}");
        }
        program.wait_for_log("exports no `authorization`");
    }
    // A filter is asked to judge, an authorizer to answer.
    let program = Program::serve(&guest("markdown")?, &[]);
    check_refused(&program.ask(&judge(1, "/", false)), 500, "--authorizer");
    let program = Program::serve(&guest("markdown")?, &["--authorizer"]);
    check_refused(&program.ask(&judge(1, "/", false)), 500, "--authorizer");
    let program = roles(&[])?;
    let answer = program.ask(&get(1, "/allow", false));
    assert_eq!((answer.status(), answer.protocol_status), (500, 3));
    Ok(())
}

fn conformance_27_a_bad_request_is_refused() -> Outcome {
    let program = roles(&[])?;
    let send = |list: &[(&str, &str)]| {
        let mut request = begin(1, AUTHORIZER, false);
        request.extend(params(1, list));
        program.ask(&request)
    };
    check_refused(&send(&[]), 400, "REQUEST_METHOD");
    check_refused(&send(&[("REQUEST_URI", "/allow")]), 400, "REQUEST_METHOD");
    let nul = [("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/allow\0")];
    check_refused(&send(&nul), 400, "NUL");
    let long = format!("/allow/{}", "x".repeat(70_000));
    let long = [("REQUEST_METHOD", "GET"), ("REQUEST_URI", long.as_str())];
    check_refused(&send(&long), 414, "URL has over");
    // A name that is longer than what follows.
    let mut broken = begin(1, AUTHORIZER, false);
    broken.extend(record(PARAMS, 1, &[200, 1, b'X']));
    broken.extend(record(PARAMS, 1, &[]));
    let answer = program.ask(&broken);
    assert!(!lets_pass(&answer), "{answer:?}");
    assert_eq!(answer.status(), 400);
    Ok(())
}

fn conformance_27_an_abort_is_no_leave() -> Outcome {
    let program = roles(&[])?;
    let mut peer = program.connect();
    // Before its params, in the midst of them, and while the guest judges.
    let mut midway = begin(2, AUTHORIZER, true);
    midway.extend(record(PARAMS, 2, &pairs(&about("/allow"))));
    for (id, request) in [
        (1, begin(1, AUTHORIZER, true)),
        (2, midway),
        (3, judge(3, "/sleep", true)),
    ] {
        peer.send(&request);
        let answer = peer.ask(id, &record(ABORT_REQUEST, id, &[]));
        assert!(!lets_pass(&answer), "{answer:?}");
        assert_eq!((answer.status(), answer.protocol_status), (503, 0), "{id}");
    }
    // Others end as before.
    peer.send(&begin(4, RESPONDER, true));
    let answer = peer.ask(4, &record(ABORT_REQUEST, 4, &[]));
    assert_eq!(answer.stdout, b"");
    assert_eq!(peer.ask(5, &judge(5, "/allow", true)).status(), 200);
    Ok(())
}

fn conformance_27_a_server_that_stops_refuses() -> Outcome {
    let mut local = Local::serve(never());
    let mut peer = local.connect();
    peer.send(&judge(1, "/x", true));
    // Answered at once: so the request before it was taken.
    peer.send(&record(GET_VALUES, 0, &[]));
    assert_eq!(
        peer.read_record().expect("a record").kind,
        GET_VALUES_RESULT
    );
    local.begin_stop();
    // Whether the server knows already that it is to stop is a matter of time.
    let mut id = 2;
    let refused = loop {
        peer.send(&judge(id, "/x", true));
        peer.send(&record(GET_VALUES, 0, &[]));
        let record = peer.read_record().expect("a record");
        if record.kind != GET_VALUES_RESULT {
            break record;
        }
        id += 1;
    };
    let text = String::from_utf8_lossy(&refused.content).into_owned();
    assert!(
        text.starts_with("Status: 503 ") && text.contains("\r\n\r\n"),
        "{text}"
    );
    Ok(())
}

fn conformance_27_a_handler_that_knows_no_roles_gives_no_leave() -> Outcome {
    let local = Local::serve(hello());
    assert_eq!(local.ask(1, &get(1, "/", false)).text(), "hello\n");
    let answer = local.ask(1, &judge(1, "/", false));
    check_refused(&answer, 403, "without leave");
    // One that does gives it in so many words.
    let local = Local::serve(|request: Request| async move {
        let variables = [("ROLE", request.role.to_string())].into_iter().collect();
        Ok(match request.role {
            Role::Authorizer => Response::allow(variables),
            _ => Response::text(StatusCode::OK, "hello\n"),
        })
    });
    let answer = local.ask(1, &judge(1, "/", false));
    assert_eq!(
        head(&answer),
        "Status: 200 OK\r\nVariable-ROLE: authorizer\r\n\r\n"
    );
    Ok(())
}
