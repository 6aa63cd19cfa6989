//! What stands in the server's log and in the web server's.

use std::fs;

use crate::support::guest_build::guest;
use crate::support::hosting::Hosted;
use crate::support::process::Program;
use crate::support::web_server::*;
use crate::support::{Outcome, Skip, wait_until};

tests![
    conformance_22_log_lines_are_capped,
    an_applications_words_do_not_flood_or_forge_the_log,
    asking_for_what_nobody_serves_does_not_fill_the_log,
    what_is_wrong_with_connections_does_not_fill_the_log,
    an_application_that_always_fails_does_not_fill_the_log,
    what_an_application_is_refused_does_not_fill_the_log,
    conformance_88_the_log_names_what_was_asked,
    a_failure_after_the_head_is_logged_with_the_status_that_was_sent,
];

fn naughty(arguments: &[&str]) -> Result<Program, Skip> {
    Ok(Program::serve(&guest("naughty")?, arguments))
}

fn conformance_22_log_lines_are_capped() -> Outcome {
    let program = naughty(&[])?;
    let mut peer = program.connect();
    peer.send(&get(1, "/log/10", true));
    let mut log = Vec::new();
    let answer = loop {
        let record = peer.read_record().expect("a record");
        match record.kind {
            STDERR if !record.content.is_empty() => {
                assert!(record.content.len() <= 8 * 1024);
                assert!(record.content.ends_with(b"\n"), "whole lines");
                log.extend(record.content);
            }
            END_REQUEST => break log,
            _ => {}
        }
    };
    let text = String::from_utf8_lossy(&answer);
    assert!(
        text.contains("to standard output\nline 0 to standard error \\u{1b}[31m\n"),
        "{text}"
    );
    assert!(
        text.ends_with("line 9 to standard error \\u{1b}[31m\n"),
        "{text}"
    );
    let flood = program.ask(&get(1, "/log/100000", false));
    assert_eq!(flood.text(), "logged\n");
    assert!(flood.stderr.len() <= 70_000, "{} bytes", flood.stderr.len());
    program.wait_for_log("output is dropped: it is over the limit");
    assert!(
        program.log().len() < 500_000,
        "{} bytes",
        program.log().len()
    );
    Ok(())
}

fn an_applications_words_do_not_flood_or_forge_the_log() -> Outcome {
    let program = naughty(&[])?;
    let answer = program.ask(&get(1, "/fail-long/1000000", false));
    assert_eq!(answer.status(), 500);
    assert!(
        (5_000..10_000).contains(&answer.stderr.len()),
        "{} bytes",
        answer.stderr.len()
    );
    program.wait_for_log("(cut)");
    let log = program.log();
    assert!(log.len() < 200_000, "{} bytes", log.len());
    let forged = log.lines().filter(|line| line.starts_with("forged"));
    assert_eq!(forged.count(), 0);
    Ok(())
}

fn asking_for_what_nobody_serves_does_not_fill_the_log() -> Outcome {
    let config = "
[app.one]
file = \"one.wat\"
routes = [\"one.example/\"]
[socket.a]
unix = \"a\"
[socket.b]
unix = \"b\"
";
    let hosted = Hosted::serve(config, &[("one.wat", "one")], &["a", "b"]);
    for number in 0..100 {
        let host = format!("{number}.example");
        let answer = hosted.ask("a", "/", &[("HTTP_HOST", &host)]);
        assert_eq!(answer.status(), 404);
        // The web server's log has each.
        assert!(answer.log().contains(&host), "{}", answer.log());
    }
    hosted.ask("b", "/", &[("HTTP_HOST", "last.example")]);
    let program = &hosted.program;
    program.wait_for_log("configured for last.example/");
    let log = program.log();
    let told = |line: &&str| line.contains("WARN") && line.contains("no application is configured");
    let told = log.lines().filter(told).count();
    assert!((11..50).contains(&told), "{log}");
    Ok(())
}

fn what_is_wrong_with_connections_does_not_fill_the_log() -> Outcome {
    let sockets = ["a", "b"];
    let config = sockets.map(|name| format!("[socket.{name}]\nunix = \"{name}\"\n"));
    let hosted = Hosted::serve(&config.concat(), &[], &sockets);
    let break_protocol = |socket| {
        let mut peer = hosted.connect(socket);
        peer.send(b"GET / HTTP/1.1\r\n");
        assert!(peer.is_gone());
    };
    (0..60).for_each(|_| break_protocol("a"));
    let told = || hosted.program.log().matches("connection closed: ").count();
    let before = told();
    assert!((10..50).contains(&before), "{before} lines");
    break_protocol("b");
    wait_until("the other socket's is told", || told() > before);
    Ok(())
}

fn an_application_that_always_fails_does_not_fill_the_log() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    fs::copy(guest("naughty")?, folder.path().join("app.wasm")).expect("copied");
    let config = "
[app.noisy]
file = \"app.wasm\"
routes = [\"noisy.example/\"]
[app.quiet]
file = \"app.wasm\"
routes = [\"quiet.example/\"]
[socket.s]
unix = \"s\"
";
    let hosted = Hosted::serve_folder(folder, config, &["s"]);
    let ask = |host: &str, path: &str| {
        let too_long = ("CONTENT_LENGTH", "5000000000");
        let crashed = hosted.ask("s", path, &[("HTTP_HOST", host)]);
        assert!(crashed.log().contains("crashed"), "{}", crashed.log());
        let refused = hosted.ask("s", path, &[("HTTP_HOST", host), too_long]);
        assert_eq!(refused.status(), 413);
    };
    for number in 0..60 {
        ask("noisy.example", &format!("/trap/{number}"));
    }
    // Whoever fails for the first time is not taken for the other one.
    ask("quiet.example", "/trap/quiet");
    let program = &hosted.program;
    for cause in ["the application crashed", " status=413 "] {
        let lines = || {
            let log = program.log();
            let lines = log.lines().filter(|line| line.contains("WARN"));
            let lines = lines.filter(|line| line.contains(cause));
            lines.map(ToOwned::to_owned).collect::<Vec<_>>()
        };
        wait_until("the log is told", || {
            lines().iter().any(|line| line.contains("/trap/quiet"))
        });
        let told = lines().len();
        assert!((11..50).contains(&told), "{told} lines: {cause}");
    }
    Ok(())
}

fn what_an_application_is_refused_does_not_fill_the_log() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    fs::copy(guest("naughty-http3")?, folder.path().join("app.wasm")).expect("copied");
    let config = "
[app.app]
file = \"app.wasm\"
log_rate = \"1B\"
log_burst = \"1000B\"
[socket.s]
unix = \"s\"
app = \"app\"
";
    let hosted = Hosted::serve_folder(folder, config, &["s"]);
    let refusal = "--allow-host 127.0.0.1 allows it";
    for _ in 0..50 {
        let answer = hosted.ask("s", "/outbound/127.0.0.1:1", &[]);
        assert!(answer.log().contains(refusal), "{}", answer.log());
        hosted.ask("s", "/trailers", &[]);
    }
    let program = &hosted.program;
    program.wait_for_log("what it logs is dropped");
    let log = program.log();
    for line in [refusal, "the response's trailers are dropped"] {
        let told = log.lines().filter(|told| told.contains(line)).count();
        assert!((1..20).contains(&told), "{told} times {line:?}");
    }
    Ok(())
}

fn conformance_88_the_log_names_what_was_asked() -> Outcome {
    let program = Program::serve(&guest("naughty")?, &[]);
    let mut list = get_params("/trap");
    list[3] = ("REQUEST_URI", "/trap?secret");
    let mut request = begin(1, RESPONDER, false);
    request.extend(params(1, &list));
    request.extend(stdin(1, &[]));
    program.ask(&request);
    program.wait_for_log("the application crashed");
    let log = program.log();
    let line = log
        .lines()
        .find(|line| line.contains("WARN"))
        .expect("a warning");
    for expected in [
        "request=",
        "method=\"GET\"",
        "path=\"/trap\"",
        "peer=unix:",
        "status=502",
        "ms=",
    ] {
        assert!(line.contains(expected), "{expected} in {line}");
    }
    assert!(!log.contains("secret"), "{log}");
    program.ask(&get(1, "/hello", false));
    program.wait_for_log("served");
    let log = program.log();
    let line = log
        .lines()
        .find(|line| line.contains("path=\"/hello\""))
        .expect("a line");
    for expected in ["status=200", "bytes=6", "cpu_us=", "memory="] {
        assert!(line.contains(expected), "{expected} in {line}");
    }
    Ok(())
}

fn a_failure_after_the_head_is_logged_with_the_status_that_was_sent() -> Outcome {
    let program = naughty(&[])?;
    let half = program.ask(&get(1, "/half", false));
    assert_eq!(half.status(), 200);
    assert_eq!(program.ask(&get(1, "/trap", false)).status(), 502);
    program.wait_for_log("path=\"/trap\"");
    let log = program.log();
    for (path, status) in [("/half", "200"), ("/trap", "502")] {
        let mut lines = log.lines();
        let line = lines.find(|line| line.contains(&format!("path={path:?}")));
        let line = line.expect("it is told");
        assert!(line.contains(&format!("status={status}")), "{line}");
    }
    Ok(())
}
