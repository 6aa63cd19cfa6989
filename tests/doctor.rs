//! `fcgi-wasm doctor`: each step of it, with servers of ours and of others.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use fcgi_wasm::{FastCgi, Request, Response, Router};
use http::{HeaderValue, StatusCode};

use crate::support::daemon::free_port;
use crate::support::guest_build::guest;
use crate::support::local::Local;
use crate::support::process::{Program, run};
use crate::support::web_server::*;
use crate::support::{Outcome, Skip};

tests![
    conformance_89_a_sound_server_passes_all_steps,
    tcp_servers_are_examined_too,
    faults_are_shown_with_their_cause,
    who_asks_for_a_host_without_an_application_is_told_how_to_name_one,
    a_head_that_web_servers_refuse_is_told_with_its_largest_field,
    a_place_without_a_server_is_told,
    what_keeps_the_web_servers_user_out_is_told,
    servers_that_say_nothing_are_given_up,
    values_of_ours_are_told_to_who_asks_for_them,
    conformance_53_a_large_head_is_warned_of_once_for_each_web_server_and_place,
];

fn shown(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// The report, and whether it says that all is well.
fn doctor(target: &Path, arguments: &[&str]) -> (String, bool) {
    let mut line = vec!["doctor", shown(target)];
    line.extend(arguments);
    let output = run(&line);
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(!said.contains('\x1b'), "no colours in a pipe: {said}");
    (said, output.status.success())
}

#[track_caller]
fn contains(report: &str, parts: &[&str]) {
    for part in parts {
        assert!(report.contains(part), "{part:?} in\n{report}");
    }
}

fn conformance_89_a_sound_server_passes_all_steps() -> Outcome {
    let program = Program::serve(&guest("hello")?, &[]);
    let (report, is_well) = doctor(&program.socket(), &["--user", "root", "--mount", "/app"]);
    assert!(is_well, "{report}");
    let version = format!(
        "ok    server   fcgi-wasm {} serves hello.wasm",
        env!("CARGO_PKG_VERSION")
    );
    contains(
        &report,
        &[
            "ok    socket   ",
            &format!("fcgi-wasm (process {}) listens", program.id()),
            "ok    access   root can connect",
            "ok    values   FCGI_MAX_CONNS=4096 FCGI_MAX_REQS=128 FCGI_MPXS_CONNS=1 (",
            &version,
            "ok    answer   GET /app/: 200 OK, ",
            "take it by default",
        ],
    );
    assert!(!report.contains("warn"), "{report}");
    Ok(())
}

fn tcp_servers_are_examined_too() -> Outcome {
    let (report, is_well) = doctor(Path::new("127.0.0.1:1"), &[]);
    assert!(!is_well);
    contains(&report, &["FAIL  connect  127.0.0.1:1: Connection refused"]);
    let address = format!("127.0.0.1:{}", free_port());
    let _program = Program::serve(&guest("hello")?, &["--listen", &address]);
    let (report, is_well) = doctor(Path::new(&address), &["--path", "/x?y=1"]);
    assert!(is_well, "{report}");
    contains(&report, &["ok    answer   GET /x?y=1: 200 OK"]);
    // As web servers' files have it, whichever of its addresses that is.
    let named = address.replace("127.0.0.1", "localhost");
    let (report, is_well) = doctor(Path::new(&named), &[]);
    assert!(is_well, "{report}");
    Ok(())
}

fn faults_are_shown_with_their_cause() -> Outcome {
    let program = Program::serve(&guest("naughty")?, &[]);
    let (report, is_well) = doctor(&program.socket(), &["--user", "root", "--path", "/trap"]);
    assert!(!is_well);
    contains(
        &report,
        &["FAIL  answer   GET /trap: 502 Bad Gateway", "unreachable"],
    );
    let (report, is_well) = doctor(&program.socket(), &["--user", "root", "--path", "/nowhere"]);
    assert!(is_well, "a 404 is an answer: {report}");
    contains(
        &report,
        &["warn  answer   GET /nowhere: 404 Not Found", "--mount"],
    );
    Ok(())
}

fn who_asks_for_a_host_without_an_application_is_told_how_to_name_one() -> Outcome {
    let nobody = Local::serve(Router::new());
    let (report, _) = doctor(&nobody.path(), &["--user", "root"]);
    contains(
        &report,
        &[
            "404 Not Found",
            "-p HTTP_HOST=",
            "no application is configured for",
        ],
    );
    Ok(())
}

/// A server whose answers have a field of this size.
fn with_field(bytes: usize) -> Local {
    Local::serve(move |_: Request| {
        let mut response = Response::text(StatusCode::OK, "x");
        let value = HeaderValue::from_str(&"v".repeat(bytes)).expect("legal");
        response.headers.insert("x-large", value);
        async { Ok(response) }
    })
}

fn a_head_that_web_servers_refuse_is_told_with_its_largest_field() -> Outcome {
    let (report, is_well) = doctor(&with_field(5000).path(), &["--user", "root"]);
    assert!(is_well, "{report}");
    contains(
        &report,
        &[
            "warn  head     nginx refuses heads over 4087",
            "x-large with 5000 bytes",
        ],
    );
    assert!(!report.contains("Apache"), "{report}");
    let (report, _) = doctor(&with_field(20_000).path(), &["--user", "root"]);
    contains(
        &report,
        &["nginx refuses", "Apache refuses", "HAProxy refuses"],
    );
    Ok(())
}

fn a_place_without_a_server_is_told() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let stale = folder.path().join("stale");
    drop(UnixListener::bind(&stale).expect("bound"));
    for (path, words) in [
        (Path::new("/nonexistent/s"), "No such file"),
        (folder.path(), "is no socket"),
        (&stale, "Connection refused"),
    ] {
        let (report, is_well) = doctor(path, &[]);
        assert!(!is_well);
        contains(&report, &["FAIL  socket ", words, "→ "]);
    }
    Ok(())
}

fn what_keeps_the_web_servers_user_out_is_told() -> Outcome {
    if !rustix::process::geteuid().is_root() {
        return Err(Skip("only root can see with others' eyes".to_owned()));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("s");
    let _listener = UnixListener::bind(&socket).expect("bound");
    let set = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set")
    };
    let asked = ["--user", "nobody", "--wait", "1s"];
    set(folder.path(), 0o700);
    set(&socket, 0o666);
    let (report, _) = doctor(&socket, &asked);
    contains(
        &report,
        &[
            "FAIL  access   nobody can not pass through /",
            "chmod o+x /",
        ],
    );
    set(folder.path(), 0o711);
    let (report, _) = doctor(&socket, &asked);
    contains(&report, &["ok    access   nobody can connect (tried)"]);
    set(&socket, 0o660);
    let (report, _) = doctor(&socket, &asked);
    contains(
        &report,
        &[
            "FAIL  access   nobody has no right to write to it",
            "--socket-group",
        ],
    );
    Ok(())
}

fn servers_that_say_nothing_are_given_up() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("s");
    let _listener = UnixListener::bind(&socket).expect("bound");
    let (report, is_well) = doctor(&socket, &["--user", "root", "--wait", "1s"]);
    assert!(!is_well);
    contains(
        &report,
        &[
            "warn  values   no answer",
            "FAIL  answer   GET /: no end of an answer came within 1s",
        ],
    );
    // One that hangs up on each connection, as foreign servers do.
    let rude = folder.path().join("rude");
    let listener = UnixListener::bind(&rude).expect("bound");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let _ = stream.read(&mut [0; 8]);
        }
    });
    let (report, is_well) = doctor(&rude, &["--user", "root"]);
    assert!(!is_well);
    contains(
        &report,
        &["warn  values   no answer", "FAIL  answer   GET /: "],
    );
    Ok(())
}

fn values_of_ours_are_told_to_who_asks_for_them() -> Outcome {
    let hello = |_: Request| async { Ok(Response::text(StatusCode::OK, "hello\n")) };
    let frontend = FastCgi::default().app_name("shop.wasm");
    for (frontend, app) in [(frontend, Some("shop.wasm")), (FastCgi::default(), None)] {
        let local = Local::serve_with(hello, frontend, |server| server);
        let mut peer = local.connect();
        let names = [("FCGI_WASM_SERVER", ""), ("FCGI_WASM_APP", "")];
        peer.send(&record(GET_VALUES, 0, &pairs(&names)));
        let result = peer.read_record().expect("a record");
        let mut expected = vec![("FCGI_WASM_SERVER", env!("CARGO_PKG_VERSION"))];
        expected.extend(app.map(|app| ("FCGI_WASM_APP", app)));
        assert_eq!(result.content, pairs(&expected));
    }
    Ok(())
}

fn conformance_53_a_large_head_is_warned_of_once_for_each_web_server_and_place() -> Outcome {
    let program = Program::serve(&guest("naughty")?, &[]);
    let ask = |software: &str, script: &str| {
        let mut list = get_params("/big-head/9000");
        let uri = format!("{script}/big-head/9000");
        list.push(("SERVER_SOFTWARE", software));
        list.push(("SCRIPT_NAME", script));
        list.push(("REQUEST_URI", &uri));
        let mut request = begin(1, RESPONDER, false);
        request.extend(params(1, &list));
        request.extend(stdin(1, &[]));
        assert_eq!(program.ask(&request).status(), 200);
    };
    for _ in 0..3 {
        ask("nginx/1.22.1", "");
        ask("Apache/2.4.71 (Debian)", "");
        ask("Caddy/2.6.2", "");
        ask("nginx/1.22.1", "/b");
    }
    let log = program.log();
    let lines: Vec<_> = log
        .lines()
        .filter(|line| line.contains(" refuses heads "))
        .collect();
    assert_eq!(lines.len(), 3, "{log}");
    contains(
        lines[0],
        &[
            "nginx refuses heads over 4087",
            "x-big with 9000 bytes",
            "\"test.example\"",
        ],
    );
    contains(lines[1], &["Apache refuses heads with a line over 8191"]);
    contains(lines[2], &["nginx", "\"test.example/b\""]);
    Ok(())
}
