//! The role of an authorizer (FastCGI §6.3), asked by hand: what lets a request
//! pass, and that nothing else does.

use crate::support::Outcome;
use crate::support::authorizer::*;
use crate::support::guest_build::{WORLDS, guest};
use crate::support::process::Program;
use crate::support::web_server::*;

tests![
    conformance_25_an_authorizer_without_a_body_is_answered,
    conformance_25_a_body_is_not_the_authorizers,
    conformance_26_leave_is_200_with_variables_and_nothing_else,
    conformance_26_a_variable_that_is_none_refuses,
    conformance_28_a_success_without_leave_is_a_403,
    conformance_29_the_request_is_made_of_the_request_uri,
    a_refusal_reaches_the_visitor_without_commands,
    a_plain_answer_is_a_verdict_where_the_operator_says_so,
    a_plain_answer_that_breaks_off_refuses,
];

fn conformance_25_an_authorizer_without_a_body_is_answered() -> Outcome {
    let program = roles(&[])?;
    let mut peer = program.connect();
    // mod_authnz_fcgi and mod_fcgid send nothing more; the connection is kept
    // here, so that no end of it can stand for the end of a body.
    for id in [1, 1, 2] {
        assert_eq!(peer.ask(id, &judge(id, "/allow", true)).status(), 200);
    }
    // Not even the next request, with the same id, ends it.
    let twice = [judge(1, "/allow", true), judge(1, "/deny", true)].concat();
    assert_eq!(peer.ask(1, &twice).status(), 200);
    assert_eq!(peer.answer(1).status(), 403);
    // lighttpd sends an empty stream with a GET.
    let mut with_end = judge(3, "/allow", true);
    with_end.extend(stdin(3, &[]));
    assert_eq!(peer.ask(3, &with_end).status(), 200);
    assert!(
        program
            .connect()
            .ask(1, &judge(1, "/allow", false))
            .status()
            == 200
    );
    Ok(())
}

fn conformance_25_a_body_is_not_the_authorizers() -> Outcome {
    for arguments in [&[] as &[&str], &["--max-body", "10"]] {
        let program = roles(arguments)?;
        let mut list = about("/tell");
        list[0] = ("REQUEST_METHOD", "POST");
        list.push(("CONTENT_LENGTH", "1000"));
        list.push(("HTTP_CONTENT_LENGTH", "1000"));
        let mut request = begin(1, AUTHORIZER, false);
        request.extend(params(1, &list));
        let answer = program.ask(&request);
        assert_eq!(answer.headers("Variable-METHOD"), ["POST"]);
        assert_eq!(answer.headers("Variable-BODY"), ["Ok(0)"]);
        assert_eq!(
            answer.headers("Variable-FIELDS"),
            [r#"{"host": "test.example"}"#]
        );
        // Nor is one that a web server sends all the same.
        request.extend(stdin(1, &[b'x'; 1000]));
        assert_eq!(program.ask(&request).headers("Variable-BODY"), ["Ok(0)"]);
    }
    Ok(())
}

fn conformance_26_leave_is_200_with_variables_and_nothing_else() -> Outcome {
    let program = roles(&[])?;
    let answer = program.ask(&judge(1, "/allow", false));
    let expected = "Status: 200 OK\r\nVariable-REMOTE_USER: alice\r\nVariable-X-Foo: bar\r\n\r\n";
    assert_eq!(head(&answer), expected);
    assert_eq!((answer.app_status, answer.protocol_status), (0, 0));
    assert_eq!(answer.kinds, [STDOUT, STDOUT, END_REQUEST]);
    // Asked with HEAD it is the same.
    let mut list = about("/allow");
    list[0] = ("REQUEST_METHOD", "HEAD");
    let mut request = begin(1, AUTHORIZER, false);
    request.extend(params(1, &list));
    assert_eq!(head(&program.ask(&request)), expected);
    Ok(())
}

fn conformance_26_a_variable_that_is_none_refuses() -> Outcome {
    let program = roles(&[])?;
    for (path, cause) in [
        ("/variable/A%20B=x", "whose name is no token"),
        ("/variable/=x", "whose name is no token"),
        ("/variable/A:B=x", "whose name is no token"),
        ("/variable/ALFB=x", ""),
        ("/variable/A=xLFStatus: 200", "control character"),
        ("/variables/1025", "over 1024 variables"),
    ] {
        let answer = program.ask(&judge(1, path, false));
        if cause.is_empty() {
            assert_eq!(answer.status(), 200, "{path}");
        } else {
            check_refused(&answer, 500, cause);
        }
    }
    let answer = program.ask(&judge(1, "/variables/1024", false));
    assert_eq!(answer.status(), 200);
    Ok(())
}

fn conformance_28_a_success_without_leave_is_a_403() -> Outcome {
    let program = roles(&[])?;
    // The guest had sent a 200 before its verdict.
    for path in ["/sent-deny", "/sent-allow"] {
        let answer = program.ask(&judge(1, path, false));
        check_refused(&answer, 403, "200 OK without leave");
        assert_eq!(answer.text(), "sent as a 200\n");
    }
    program.wait_for_log("it began to refuse the request before it allowed it");
    for (path, status) in [
        ("/status/200", 403),
        ("/status/204", 403),
        ("/status/206", 403),
    ] {
        let answer = program.ask(&judge(1, path, false));
        assert_eq!(
            (answer.status(), lets_pass(&answer)),
            (status, false),
            "{path}"
        );
    }
    // What is taken for a verdict, where the operator says so.
    for app in ["naughty", "naughty-http", "naughty-cgi"] {
        let program = Program::serve(&guest(app)?, &["--authorizer"]);
        for status in [201, 202, 204, 206, 299] {
            let path = format!("/status/{status}");
            check_refused(&program.ask(&judge(1, &path, false)), 403, "without leave");
        }
        assert_eq!(program.ask(&judge(1, "/status/200", false)).status(), 200);
    }
    Ok(())
}

fn conformance_29_the_request_is_made_of_the_request_uri() -> Outcome {
    let program = roles(&[])?;
    let answer = program.ask(&judge(1, "/tell/a%20b/%C3%A9?q=1", false));
    assert_eq!(
        answer.headers("Variable-TARGET"),
        ["/tell/a%20b/%C3%A9?q=1"]
    );
    assert_eq!(answer.headers("Variable-PATH"), ["/tell/a b/é"]);
    // The path that the web server will serve, whatever the client wrote.
    let answer = program.ask(&judge(1, "/public/..//tell/./x", false));
    assert_eq!(answer.headers("Variable-TARGET"), ["/tell/x"]);
    assert_eq!(answer.headers("Variable-PATH"), ["/tell/x"]);
    let mounted = roles(&["--mount", "/shop"])?;
    let answer = mounted.ask(&judge(1, "/shop/tell/x", false));
    assert_eq!(answer.headers("Variable-SCRIPT"), ["/shop"]);
    assert_eq!(answer.headers("Variable-PATH"), ["/tell/x"]);
    Ok(())
}

fn a_refusal_reaches_the_visitor_without_commands() -> Outcome {
    let program = roles(&[])?;
    let answer = program.ask(&judge(1, "/deny", false));
    assert_eq!((answer.status(), answer.app_status), (403, 0));
    assert_eq!(answer.text(), "Members only.\n");
    let answer = program.ask(&judge(1, "/login", false));
    assert_eq!(
        (answer.status(), answer.headers("location")),
        (303, vec!["/login".into()])
    );
    let answer = program.ask(&judge(1, "/error", false));
    assert_eq!(
        (answer.status(), answer.text().as_str()),
        (401, "Who are you?\n")
    );
    let answer = program.ask(&judge(1, "/commands", false));
    assert_eq!(answer.status(), 403);
    let lines = head(&answer).to_lowercase();
    assert!(
        !lines.contains("variable-") && !lines.contains("x-sendfile"),
        "{lines}"
    );
    Ok(())
}

fn a_plain_answer_is_a_verdict_where_the_operator_says_so() -> Outcome {
    for app in WORLDS {
        let program = Program::serve(&guest(app)?, &["--authorizer"]);
        let answer = program.ask(&judge(1, "/hello", false));
        assert_eq!(head(&answer), "Status: 200 OK\r\n\r\n", "{app}");
        let answer = program.ask(&judge(1, "/nowhere", false));
        assert_eq!(answer.status(), 404, "{app}");
        // It answers still.
        assert_eq!(
            program.ask(&get(1, "/hello", false)).text(),
            "hello\n",
            "{app}"
        );
    }
    let program = Program::serve(&guest("naughty-cgi")?, &["--authorizer"]);
    let says = "/raw/Variable-remote_user: ada|Variable-X-Role: admin|X-Sendfile: /x||body";
    let answer = program.ask(&judge(1, says, false));
    let expected = "Status: 200 OK\r\nVariable-REMOTE_USER: ada\r\nVariable-X_ROLE: admin\r\n\r\n";
    assert_eq!(head(&answer), expected);
    let says = "/raw/Status: 403|Variable-REMOTE_USER: ada|X-Sendfile: /x||no\n";
    let answer = program.ask(&judge(1, says, false));
    assert_eq!(answer.status(), 403);
    assert!(
        !head(&answer).to_lowercase().contains("variable-"),
        "{answer:?}"
    );
    assert!(!head(&answer).contains("sendfile"), "{answer:?}");
    // As a responder it sets no variables, with the flag or without.
    let answer = program.ask(&get(1, "/raw/Variable-REMOTE_USER: ada||body", false));
    assert!(
        !head(&answer).to_lowercase().contains("variable-"),
        "{answer:?}"
    );
    Ok(())
}

fn a_plain_answer_that_breaks_off_refuses() -> Outcome {
    for (app, paths) in [
        (
            "naughty",
            &["/half", "/half-fail", "/trap", "/fail"] as &[&str],
        ),
        ("naughty-http", &["/half", "/trap", "/silence", "/error"]),
        ("naughty-http3", &["/trap"]),
        (
            "naughty-cgi",
            &[
                "/late-trap",
                "/exit-late/7",
                "/trap",
                "/silence",
                "/raw/no head",
            ],
        ),
    ] {
        let program = Program::serve(&guest(app)?, &["--authorizer"]);
        for path in paths {
            let answer = program.ask(&judge(1, path, false));
            assert!(!lets_pass(&answer), "{app}{path}: {answer:?}");
            assert!(answer.status() >= 500, "{app}{path}");
        }
    }
    let program = Program::serve(
        &guest("naughty")?,
        &["--authorizer", "--timeout", "300ms", "--max-duration", "2s"],
    );
    let answer = program.ask(&judge(1, "/never-ends", false));
    assert!(!lets_pass(&answer), "{answer:?}");
    Ok(())
}
