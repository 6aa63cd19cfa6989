//! What is written of requests: the access log, the applications' log, the slow
//! log, and the manual about them.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::guest_build::guest;
use crate::support::http_client::Client;
use crate::support::metrics::Metrics;
use crate::support::observed::Observed;
use crate::support::process::{Program, run};
use crate::support::web_server::*;
use crate::support::{Outcome, wait_until};

tests![
    the_record_of_each_kind_of_end_is_right,
    queries_and_cookies_are_written_only_if_they_are_named,
    a_wrong_word_of_the_format_is_named_at_the_start,
    the_access_log_goes_on_in_a_new_file_after_a_rotation,
    a_log_that_takes_nothing_drops_lines_and_no_requests,
    the_applications_log_has_its_lines_and_its_faults,
    the_slow_log_tells_where_a_guest_is_and_lets_it_go_on,
    the_slow_log_tells_what_a_guest_waits_for,
    the_manual_names_every_word_and_metric,
];

fn the_record_of_each_kind_of_end_is_right() -> Outcome {
    let observed = Observed::serve("naughty", &["--max-concurrent", "1", "--queue", "1"])?;
    let program = &observed.program;

    let mut post = post_head(1, "/upload", 1000, false);
    post.extend(stdin(1, &[1; 1000]));
    let sent = program.ask(&post).body().len();
    let line = observed.record("/upload");
    assert_eq!(line["status"], 200, "{line}");
    assert_eq!(line["method"], "POST");
    assert_eq!(line["bytes_in"], 1000);
    assert_eq!(line["bytes_out"], sent);
    assert_eq!(line["host"], "test.example");
    assert_eq!(line["app"], "naughty");
    assert_eq!(line["role"], "responder");
    assert_eq!(line["cause"], Value::Null);
    assert_eq!(line["aborted"], false);
    assert!(line["cpu_us"].as_u64() > Some(0));
    assert!(line["memory_bytes"].as_u64() > Some(65_536));
    assert!(line["duration_us"].as_u64() >= line["cpu_us"].as_u64());
    assert!(
        line["remote"]
            .as_str()
            .is_some_and(|peer| peer.starts_with("unix:"))
    );

    let answer = program.ask(&get(1, "/trap", false));
    let line = observed.record("/trap");
    assert_eq!(line["status"], 502);
    assert_eq!(line["cause"], "crash");
    let id = line["id"].as_u64().expect("a number");
    assert!(answer.text().contains(&format!("request {id} ")));

    // One runs, one waits, and the third is too many.
    let busy = observed.begin("/never-ends");
    // Not before that it has its place: the one before may be ending still.
    wait_until("it runs", || {
        observed.running("waiting for the client").len() == 1
    });
    let mut waiting = program.connect();
    waiting.send(&get(1, "/hello", true));
    wait_until("it waits", || observed.running("queued").len() == 1);
    program.ask(&get(1, "/count", false));
    let line = observed.record("/count");
    assert_eq!(
        (&line["status"], &line["cause"]),
        (&503.into(), &"queue".into())
    );
    drop(busy);
    assert_eq!(waiting.answer(1).status(), 200);
    let line = observed.record("/never-ends");
    assert_eq!(line["aborted"], true);
    assert_eq!(line["status"], 200, "its head had left");
    let line = observed.record("/hello");
    let queued = line["queue_us"].as_u64();
    assert!(queued > Some(0), "it waited for two others: {line}");
    assert!(line["duration_us"].as_u64() >= queued);

    drop(observed.begin("/sleep"));
    let line = observed.record("/sleep");
    assert_eq!(
        (&line["aborted"], &line["status"]),
        (&true.into(), &499.into())
    );
    wait_until("nothing is left", || {
        observed.status()["running_count"] == 0
    });
    Ok(())
}

fn queries_and_cookies_are_written_only_if_they_are_named() -> Outcome {
    let mut list = get_params("/hello");
    list[3] = ("REQUEST_URI", "/hello?secret-query");
    list[4] = ("QUERY_STRING", "secret-query");
    list.push(("HTTP_COOKIE", "secret-cookie"));
    list.push(("HTTP_AUTHORIZATION", "secret-word"));
    list.push(("HTTP_REFERER", "https://example/a?secret-referer"));
    list.push(("HTTP_USER_AGENT", "a \"quoted\" agent\n"));
    let mut request = begin(1, RESPONDER, false);
    request.extend(params(1, &list));
    request.extend(stdin(1, &[]));
    for (format, expected) in [
        ("json", "\"path\":\"/hello\""),
        (
            "combined",
            "\"GET /hello HTTP/1.1\" 200 6 \"https://example/a\" \"a \\\"quoted\\\" agent\\n\"\n",
        ),
        ("{status} {app} {{}}", "200 naughty {}\n"),
    ] {
        let observed = Observed::serve("naughty", &["--access-log-format", format])?;
        observed.program.ask(&request);
        wait_until("a line", || observed.text("access").ends_with('\n'));
        let log = observed.text("access");
        assert!(log.contains(expected), "{log}");
        assert!(!log.contains("secret"), "{log}");
        assert!(!observed.get("/status.json").text().contains("secret"));
    }
    let format = "{param:QUERY_STRING} {param:HTTP_COOKIE}";
    let observed = Observed::serve("naughty", &["--access-log-format", format])?;
    observed.program.ask(&request);
    wait_until("a line", || {
        observed.text("access") == "secret-query secret-cookie\n"
    });
    Ok(())
}

fn a_wrong_word_of_the_format_is_named_at_the_start() -> Outcome {
    let output = run(&[
        "serve",
        "x.wasm",
        "--access-log",
        "-",
        "--access-log-format",
        "{stauts}",
    ]);
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(
        complaint.contains("unknown word {stauts}: there are time"),
        "{complaint}"
    );
    let output = run(&[
        "serve",
        "x.wasm",
        "--listen",
        "127.0.0.1:0",
        "--access-log",
        "/nonexistent/l",
    ]);
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        complaint.contains("cannot log to /nonexistent/l"),
        "{complaint}"
    );
    Ok(())
}

fn the_access_log_goes_on_in_a_new_file_after_a_rotation() -> Outcome {
    let observed = Observed::serve("naughty", &[])?;
    observed.program.ask(&get(1, "/hello", false));
    observed.record("/hello");
    for (signal, path) in [(Signal::HUP, "/count"), (Signal::USR2, "/hello")] {
        fs::rename(observed.path("access"), observed.path("access.1")).expect("moved");
        fs::rename(observed.path("app"), observed.path("app.1")).expect("moved");
        observed.program.signal(signal);
        wait_until("new files are there", || {
            observed.path("access").exists() && observed.path("app").exists()
        });
        observed.program.ask(&get(1, path, false));
        observed.record(path);
        assert_eq!(observed.text("access.1").lines().count(), 1);
        assert_eq!(observed.text("access").lines().count(), 1);
    }
    Ok(())
}

fn a_log_that_takes_nothing_drops_lines_and_no_requests() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let fifo = folder.path().join("fifo");
    let made = Command::new("mkfifo").arg(&fifo).status().expect("started");
    assert!(made.success());
    // Somebody has it open and does not read: after 64 KiB it takes no more.
    let _reader = fs::File::options().read(true).write(true).open(&fifo);
    let status = format!("unix:{}", folder.path().join("status").display());
    // A long line, so that the queue is full after some hundred.
    let format = format!("{}{{id}}", "x".repeat(20_000));
    let access = fifo.display().to_string();
    let arguments = [
        "--access-log",
        &access,
        "--access-log-format",
        &format,
        "--status",
        &status,
    ];
    let mut program = Program::serve(&guest("hello")?, &arguments);
    let mut peer = program.connect();
    for _ in 0..400 {
        assert_eq!(peer.ask(1, &get(1, "/", true)).status(), 200);
    }
    let status = Client::connect(&folder.path().join("status"))
        .get("/metrics")
        .text();
    let metrics = Metrics::parse(&status);
    let dropped = metrics.value("fcgi_wasm_log_lines_dropped_total", &[]);
    assert!((1.0..400.0).contains(&dropped), "{dropped} dropped");
    // Nor does it keep the server from stopping.
    program.signal(Signal::TERM);
    assert!(program.wait().success());
    Ok(())
}

fn the_applications_log_has_its_lines_and_its_faults() -> Outcome {
    let observed = Observed::serve("naughty", &[])?;
    observed.program.ask(&get(1, "/log/2", false));
    observed.program.ask(&get(1, "/trap", false));
    wait_until("all is written", || {
        observed.text("app").contains("the application crashed")
    });
    let log = observed.text("app");
    assert!(log.contains(" naughty request="), "{log}");
    assert!(
        log.contains("line 1 to standard error \\u{1b}[31m\n"),
        "{log}"
    );
    let traps: Vec<_> = log
        .lines()
        .filter(|line| line.contains("panicked at"))
        .collect();
    assert_eq!(traps.len(), 1, "{log}");
    // A flood is cut off per request, and counted.
    observed.program.ask(&get(1, "/log/100000", false));
    wait_until("nothing is left", || {
        observed.status()["running_count"] == 0
    });
    let app = &observed.status()["apps"][0];
    assert!(app["lines_dropped"].as_u64() > Some(10_000), "{app}");
    Ok(())
}

fn the_slow_log_tells_where_a_guest_is_and_lets_it_go_on() -> Outcome {
    let observed = Observed::serve("naughty", &["--slow", "50ms", "--cpu-time", "600ms"])?;
    let program = &observed.program;
    assert_eq!(
        program.ask(&get(1, "/spin", false)).status(),
        504,
        "by its limit, not by this"
    );
    let log = program.log();
    assert!(log.contains("slow (--slow): after"), "{log}");
    assert!(
        log.contains("0: naughty::faults::spin"),
        "a readable name: {log}"
    );
    assert_eq!(log.matches("slow (--slow)").count(), 1, "once");
    let _waiting = observed.begin("/sleep");
    program.wait_for_log("and waits for the host: wasi:io/poll#");
    assert!(observed.text("app").contains("slow (--slow)"));
    let quick = program.ask(&get(1, "/hello", false));
    assert_eq!(quick.log(), "");
    Ok(())
}

fn the_slow_log_tells_what_a_guest_waits_for() -> Outcome {
    // It takes the connection and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = silent.local_addr().expect("an address");
    let outbound = format!("/outbound/{address}");
    let request = format!("an HTTP request to {address}");
    let timer = "wasi:clocks/monotonic-clock#wait-for".to_owned();
    for (app, path, expected) in [
        ("naughty-http", &*outbound, &request),
        ("naughty-http3", &outbound, &request),
        ("naughty-http3", "/sleep/1000000", &timer),
    ] {
        let granted = ["--allow-host", "127.0.0.1", "--allow-private-hosts"];
        let arguments = [&["--slow", "300ms"], &granted as &[_]].concat();
        let observed = Observed::serve(app, &arguments)?;
        let _waiting = observed.begin(path);
        wait_until(&format!("{app}: {expected}"), || {
            let log = observed.program.log();
            let told = log
                .lines()
                .find(|line| line.contains("and waits for the host: "));
            told.is_some_and(|line| line.contains(expected))
        });
    }
    Ok(())
}

fn the_manual_names_every_word_and_metric() -> Outcome {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/observing.md");
    let manual = fs::read_to_string(manual).expect("the manual");
    for word in fcgi_wasm::AccessLogFormat::words() {
        assert!(manual.contains(&format!("| `{word}` |")), "the word {word}");
    }
    for (name, kind, help) in fcgi_wasm::METRICS {
        let row = format!("| `{name}` | {kind} | {help} |");
        assert!(manual.contains(&row), "{row}");
    }
    let observed = Observed::serve("naughty", &[])?;
    let _sleeping = observed.begin("/sleep");
    wait_until("it runs", || observed.status()["running_count"] == 1);
    let status = observed.status();
    for (part, fields) in [
        ("", &status),
        ("process.", &status["process"]),
        ("server.", &status["server"]),
        ("apps[].", &status["apps"][0]),
        ("running[].", &status["running"][0]),
    ] {
        for field in fields.as_object().expect("an object").keys() {
            assert!(
                manual.contains(&format!("`{part}{field}`")),
                "the field {part}{field}"
            );
        }
    }
    Ok(())
}
