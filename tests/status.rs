//! What is shown of a server while it runs: the status, metrics, `status` and
//! `top`.

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::guest_build::guest;
use crate::support::observed::Observed;
use crate::support::process::{Program, run};
use crate::support::web_server::*;
use crate::support::{Outcome, Skip, wait_until};

tests![
    the_status_answers_while_every_place_is_taken,
    who_only_connects_keeps_nobody_from_the_status,
    work_after_the_answer_is_seen,
    the_metrics_are_well_formed_and_count,
    who_has_something_compiled_is_seen,
    readiness_ends_with_the_signal_to_stop,
    a_server_that_is_stopping_leaves_the_status_to_the_next,
    a_status_beyond_this_machine_takes_names,
    what_the_status_shows_can_not_command_a_browser_or_terminal,
    top_draws_on_a_terminal_until_q,
    status_and_top_say_what_is_wrong,
    top_gives_the_terminal_back_when_it_is_killed,
];

fn the_status_answers_while_every_place_is_taken() -> Outcome {
    let arguments = [
        "--max-concurrent",
        "8",
        "--cpu-time",
        "10m",
        "--timeout",
        "10m",
    ];
    let observed = Observed::serve("naughty", &arguments)?;
    let spinning: Vec<_> = (0..8).map(|_| observed.begin("/spin")).collect();
    wait_until("all compute", || observed.running("computing").len() == 8);
    let queued = observed.begin("/hello");
    wait_until("one more waits", || observed.running("queued").len() == 1);
    let all_cost = || {
        let spinning = observed.running("computing");
        spinning.iter().all(|one| one["cpu_ms"].as_u64() > Some(0))
    };
    wait_until("all are seen to cost", all_cost);
    let status = observed.status();
    let app = &status["apps"][0];
    assert_eq!((&app["in_flight"], &app["queued"]), (&9.into(), &1.into()));
    let one = &status["running"][0];
    assert_eq!(
        (&one["path"], &one["app"]),
        (&"/spin".into(), &"naughty".into())
    );
    assert!(one["memory_bytes"].as_u64() > Some(65_536), "{one}");
    let page = observed.get("/").text();
    assert_eq!(page.matches("/spin").count(), 8);
    for path in ["/healthz", "/readyz", "/metrics", "/page.js"] {
        assert_eq!(observed.get(path).head.status, 200, "{path}");
    }
    drop((spinning, queued));
    wait_until("nothing is left", || {
        observed.status()["running_count"] == 0
    });
    Ok(())
}

fn who_only_connects_keeps_nobody_from_the_status() -> Outcome {
    let observed = Observed::serve("naughty", &[])?;
    assert_eq!(observed.get("/healthz").head.status, 200);
    let connect = |_| UnixStream::connect(observed.path("status")).expect("connected");
    // More than are shown it at a time.
    let _idle: Vec<_> = (0..100).map(connect).collect();
    for _ in 0..3 {
        assert_eq!(observed.get("/healthz").head.status, 200);
    }
    Ok(())
}

fn work_after_the_answer_is_seen() -> Outcome {
    let observed = Observed::serve("naughty", &["--cpu-time", "10m"])?;
    assert_eq!(
        observed
            .program
            .ask(&get(1, "/work-on-for-ever", false))
            .text(),
        "answered\n"
    );
    wait_until("it is seen to compute on", || {
        let working = observed.running("computing after its answer");
        working.len() == 1 && working[0]["cpu_ms"].as_u64() > Some(100)
    });
    Ok(())
}

fn the_metrics_are_well_formed_and_count() -> Outcome {
    let observed = Observed::serve("naughty", &[])?;
    let ask = |path: &str| observed.program.ask(&get(1, path, false));
    for path in ["/hello", "/hello", "/status/404", "/trap", "/fail"] {
        ask(path);
    }
    observed
        .program
        .connect()
        .send(b"no FastCGI at all, but longer than a header");
    let of_app = [("tenant", "naughty"), ("app", "naughty")];
    let with = |name, value| [of_app[0], of_app[1], (name, value)];
    wait_until("all are over", || {
        let metrics = observed.metrics();
        metrics.value("fcgi_wasm_cpu_seconds_count", &[]) == 5.0
            && metrics.value("fcgi_wasm_protocol_errors_total", &[]) == 1.0
    });
    let metrics = observed.metrics();
    for (name, labels, expected) in [
        ("fcgi_wasm_requests_total", &with("class", "2xx")[..], 2.0),
        ("fcgi_wasm_requests_total", &with("class", "4xx"), 1.0),
        ("fcgi_wasm_requests_total", &with("class", "5xx"), 2.0),
        ("fcgi_wasm_faults_total", &with("cause", "crash"), 1.0),
        ("fcgi_wasm_faults_total", &with("cause", "failed"), 1.0),
        ("fcgi_wasm_request_duration_seconds_count", &of_app, 5.0),
        ("fcgi_wasm_requests_in_flight", &of_app, 0.0),
        ("fcgi_wasm_ready", &[], 1.0),
        ("fcgi_wasm_accept_failures_total", &[], 0.0),
    ] {
        assert_eq!(metrics.value(name, labels), expected, "{name} {labels:?}");
    }
    let sent = metrics.value("fcgi_wasm_sent_bytes_total", &of_app);
    assert!(sent >= 12.0, "{sent}");
    let compiled = metrics.value("fcgi_wasm_compilations_total", &[]);
    assert_eq!(
        compiled + metrics.value("fcgi_wasm_cache_hits_total", &[]),
        1.0
    );
    assert_eq!(
        metrics.value("fcgi_wasm_app_compilations_total", &of_app),
        compiled
    );
    assert!(metrics.value("process_resident_memory_bytes", &[]) > 1e6);
    for (name, kind, _) in fcgi_wasm::METRICS {
        assert_eq!(metrics.kind(name), Some(*kind), "{name}");
    }
    Ok(())
}

fn who_has_something_compiled_is_seen() -> Outcome {
    let observed = Observed::serve("naughty", &["--no-cache"])?;
    observed.program.wait_for_log("compiled in");
    let log = observed.program.log();
    let line = log.lines().find(|line| line.contains("compiled in"));
    let line = line.expect("it is told");
    assert!(line.contains("app=naughty file="), "{line}");
    let app = &observed.status()["apps"][0];
    assert_eq!(
        (&app["tenant"], &app["app"]),
        (&"naughty".into(), &"naughty".into())
    );
    assert_eq!(
        (&app["compilations"], &app["requests"]),
        (&1.into(), &0.into())
    );
    assert!(app["compilation_ms"].as_u64() > Some(0), "{app}");
    let of_app = [("tenant", "naughty"), ("app", "naughty")];
    let metrics = observed.metrics();
    let seconds = metrics.value("fcgi_wasm_app_compilation_seconds_total", &of_app);
    assert!(seconds > 0.0);
    Ok(())
}

fn readiness_ends_with_the_signal_to_stop() -> Outcome {
    let mut observed = Observed::serve("naughty", &[])?;
    wait_until("it is ready", || observed.get("/readyz").head.status == 200);
    let mut busy = observed.program.connect();
    busy.send(&post_head(1, "/early", 5, true));
    assert_eq!(busy.read_record().expect("it runs").kind, STDOUT);
    observed.program.signal(Signal::TERM);
    wait_until("it says so", || {
        observed.get("/readyz").text() == "stopping\n"
    });
    assert_eq!(observed.get("/healthz").head.status, 200);
    busy.send(&stdin(1, b"rest\n"));
    assert_eq!(busy.answer(1).stdout, b"rest\n");
    assert!(observed.program.wait().success());
    assert!(!observed.path("status").exists(), "its socket goes with it");
    assert_eq!(
        observed.record("/early")["status"],
        200,
        "the last line is written"
    );
    Ok(())
}

fn a_server_that_is_stopping_leaves_the_status_to_the_next() -> Outcome {
    let mut old = Observed::serve("naughty", &[])?;
    let mut busy = old.program.connect();
    busy.send(&post_head(1, "/early", 5, true));
    assert_eq!(busy.read_record().expect("it runs").kind, STDOUT);
    let place = format!("unix:{}", old.path("status").display());
    // One that goes on keeps it.
    let line = [
        "serve",
        "x.wasm",
        "--listen",
        "127.0.0.1:0",
        "--status",
        &place,
    ];
    let said = String::from_utf8_lossy(&run(&line).stderr).into_owned();
    assert!(said.contains("listens on"), "{said}");

    old.program.signal(Signal::TERM);
    wait_until("it says so", || old.get("/readyz").text() == "stopping\n");
    let new = Program::serve(&guest("naughty")?, &["--status", &place]);
    assert_eq!(new.ask(&get(1, "/hello", false)).status(), 200);
    assert_eq!(old.get("/readyz").text(), "stopping\n");
    busy.send(&stdin(1, b"rest\n"));
    assert_eq!(busy.answer(1).stdout, b"rest\n");
    assert!(old.program.wait().success());
    wait_until("the next one shows its status", || {
        old.path("status").exists()
    });
    wait_until("it is ready", || old.get("/readyz").head.status == 200);
    drop(new);
    Ok(())
}

fn a_status_beyond_this_machine_takes_names() -> Outcome {
    let output = run(&[
        "serve",
        "x.wasm",
        "--listen",
        "127.0.0.1:0",
        "--status",
        "0.0.0.0:0",
    ]);
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(
        complaint.contains("can be reached from other machines"),
        "{complaint}"
    );
    Ok(())
}

fn what_the_status_shows_can_not_command_a_browser_or_terminal() -> Outcome {
    let observed = Observed::serve("naughty", &[])?;
    let mut list = get_params("/sleep");
    list[3] = ("REQUEST_URI", "/<script>\u{1b}[31m");
    let mut request = begin(1, RESPONDER, true);
    request.extend(params(1, &list));
    request.extend(stdin(1, &[]));
    let mut peer = observed.program.connect();
    peer.send(&request);
    wait_until("it waits", || observed.running("waiting").len() == 1);
    let page = observed.get("/").text();
    assert!(page.contains("/&lt;script&gt;"));
    assert!(!page.contains("<script>"));
    let place = format!("unix:{}", observed.path("status").display());
    let shown = run(&["status", &place]).stdout;
    let shown = String::from_utf8_lossy(&shown).into_owned();
    assert!(shown.contains("/<script>\\u{1b}[31m"), "{shown}");
    Ok(())
}

fn top_draws_on_a_terminal_until_q() -> Outcome {
    let observed = Observed::serve("naughty", &["--cpu-time", "10m"])?;
    let _spinning = observed.begin("/spin");
    wait_until("it computes", || observed.running("computing").len() == 1);
    let mut script = top_on_a_terminal(&observed)?;
    let keys = script.0.stdin.as_mut().expect("a pipe");
    keys.write_all(b"q").expect("typed");
    wait_until("it ends", || script.0.try_wait().expect("waited").is_some());
    let shown = screen(&observed);
    let frame = shown.split("\x1b[H").nth(1).expect("a frame");
    let frame = frame.split("\x1b[J").next().unwrap_or_default();
    let lines: Vec<_> = frame.split("\x1b[K\r\n").collect();
    assert!(lines.len() <= 24, "{frame:?}");
    assert!(
        lines.iter().all(|line| line.chars().count() <= 80),
        "{frame:?}"
    );
    assert!(frame.contains("/spin"), "{frame:?}");
    check_given_back(&shown);
    assert!(shown.contains("status 0"), "{shown:?}");
    Ok(())
}

fn top_gives_the_terminal_back_when_it_is_killed() -> Outcome {
    let observed = Observed::serve("naughty", &[])?;
    let mut script = top_on_a_terminal(&observed)?;
    let pid = observed.text("pid").trim().parse().ok();
    let pid = pid.and_then(Pid::from_raw).expect("a process");
    kill_process(pid, Signal::TERM).expect("signalled");
    wait_until("it ends", || script.0.try_wait().expect("waited").is_some());
    let shown = screen(&observed);
    check_given_back(&shown);
    assert!(shown.contains("status 1"), "{shown:?}");
    Ok(())
}

/// `top` in a shell that shows the terminal's modes and the status after it;
/// waits until it has drawn.
fn top_on_a_terminal(observed: &Observed) -> Result<Killed, Skip> {
    if Command::new("script").arg("--version").output().is_err() {
        return Err(Skip("there is no script(1)".to_owned()));
    }
    let line = format!(
        "stty cols 80 rows 24; sh -c 'echo $$ > {}; exec {} top --every 100ms {}'; \
         echo status $?; stty -a",
        observed.path("pid").display(),
        env!("CARGO_BIN_EXE_fcgi-wasm"),
        observed.path("status").display()
    );
    let mut script = Command::new("script");
    script.args(["-q", "-f", "-c", &line]);
    script.arg(observed.path("screen"));
    script.stdin(Stdio::piped()).stdout(Stdio::null());
    let script = Killed(script.spawn().expect("started"));
    let draws = || screen(observed).matches("\x1b[H").count();
    wait_until("it drew twice", || draws() > 1);
    Ok(script)
}

/// All that came to the terminal.
fn screen(observed: &Observed) -> String {
    let shown = fs::read(observed.path("screen")).unwrap_or_default();
    String::from_utf8_lossy(&shown).into_owned()
}

fn check_given_back(shown: &str) {
    assert!(shown.contains("\x1b[?1049l"), "the shell's screen is back");
    let restored = shown.contains(" icanon") && shown.contains(" echo ");
    assert!(restored, "{shown:?}");
}

/// A child that does not outlive its test.
struct Killed(std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn status_and_top_say_what_is_wrong() -> Outcome {
    let observed = Observed::serve("naughty", &[])?;
    observed.program.ask(&get(1, "/hello", false));
    let place = observed.path("status").display().to_string();
    let text = |arguments: &[&str]| {
        let output = run(arguments);
        let all = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&all).into_owned(),
        )
    };
    let (is_fine, shown) = text(&["status", &place]);
    assert!(is_fine && shown.contains("naughty"), "{shown}");
    // Not on a terminal: once.
    let (is_fine, shown) = text(&["top", &place]);
    assert!(
        is_fine && shown.contains("naughty") && !shown.contains('\x1b'),
        "{shown}"
    );
    let (is_fine, shown) = text(&["status", "--json", &place]);
    let read: Value = serde_json::from_str(&shown).expect("JSON");
    assert!(is_fine && read["apps"][0]["requests"] == 1, "{shown}");
    let (is_fine, shown) = text(&["status", "unix:/nonexistent/s"]);
    assert!(
        !is_fine && shown.contains("cannot connect to /nonexistent/s"),
        "{shown}"
    );
    let fastcgi = observed.program.socket().display().to_string();
    let (is_fine, shown) = text(&["status", &fastcgi]);
    assert!(
        !is_fine && shown.contains("not the FastCGI socket"),
        "{shown}"
    );
    let (is_fine, shown) = text(&["status", "somewhere"]);
    assert!(!is_fine && shown.contains("unix:PATH"), "{shown}");
    Ok(())
}
