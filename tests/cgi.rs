//! CGI programs (RFC 3875), as components and as plain modules.

use std::fs;

use crate::support::guest_build::guest;
use crate::support::nginx::{Nginx, ROOT};
use crate::support::process::Program;
use crate::support::web_server::*;
use crate::support::{Outcome, Skip};

tests![
    heads_are_read_as_documents_are,
    heads_that_are_none_are_a_fault,
    a_program_that_says_nothing_is_a_fault,
    exit_statuses_are_told,
    the_exit_status_is_the_applications_status,
    the_program_sees_its_name_and_no_more,
    standard_error_is_the_error_log,
    input_that_nobody_reads_is_no_error,
    a_length_is_told_even_if_the_web_server_does_not_know_it,
    a_redirect_within_the_server_is_the_web_servers,
    plain_modules_run_as_they_are,
    plain_modules_have_their_environment,
    an_interface_can_be_chosen,
];

fn naughty() -> Result<Program, Skip> {
    Ok(Program::serve(&guest("naughty-cgi")?, &[]))
}

/// RFC 3875 §6.
fn heads_are_read_as_documents_are() -> Outcome {
    let program = naughty()?;
    let cases = [
        ("Content-Type: text/plain||body", 200, "body"),
        (
            "Status: 404 Not Here|Content-Type: text/plain||gone",
            404,
            "gone",
        ),
        ("status:418||teapot", 418, "teapot"),
        ("Content-Type: a/b\r|\r|crlf", 200, "crlf"),
        ("Location: https://other.example/||", 302, ""),
        (
            "Status: 301|Location: https://other.example/||moved",
            301,
            "moved",
        ),
        ("X-A: 1||", 200, ""),
    ];
    for (head, status, body) in cases {
        let answer = program.ask(&get(1, &format!("/raw/{head}"), false));
        assert_eq!(answer.status(), status, "{head}");
        assert_eq!(answer.text(), body, "{head}");
        assert_eq!(answer.app_status, 0, "{head}");
    }
    let answer = program.ask(&get(1, "/raw/Set-Cookie: a=1|Set-Cookie: b=2||", false));
    assert_eq!(answer.headers("set-cookie"), ["a=1", "b=2"]);
    Ok(())
}

fn heads_that_are_none_are_a_fault() -> Outcome {
    let program = naughty()?;
    for head in [
        "hello world",
        "no colon||body",
        "Content-Type: text/plain",
        "Status: many||body",
        "A B: c||body",
        // Of a program that speaks HTTP itself (§5).
        "HTTP/1.1 201 Created|X-A: 1||body",
    ] {
        let answer = program.ask(&get(1, &format!("/raw/{head}"), false));
        assert!((500..600).contains(&answer.status()), "{head}: {answer:?}");
        assert_ne!(answer.app_status, 0, "{head}");
        assert!(!answer.log().is_empty(), "{head}");
    }
    Ok(())
}

fn a_program_that_says_nothing_is_a_fault() -> Outcome {
    let program = naughty()?;
    let answer = program.ask(&get(1, "/silence", false));
    assert_eq!(answer.status(), 502, "{answer:?}");
    assert!(answer.log().contains("wrote nothing"), "{}", answer.log());
    Ok(())
}

fn exit_statuses_are_told() -> Outcome {
    let program = naughty()?;
    let early = program.ask(&get(1, "/exit-early/7", false));
    assert!(early.status() >= 500, "{early:?}");
    assert_ne!(early.app_status, 0);
    // The response is complete: the visitor gets it, the log the status.
    let late = program.ask(&get(1, "/exit-late/3", false));
    assert_eq!(
        (late.status(), late.text().as_str()),
        (200, "said before\n")
    );
    assert_ne!(late.app_status, 0);
    assert!(late.log().contains("exit"), "{}", late.log());
    let trap = program.ask(&get(1, "/trap", false));
    assert!(trap.status() >= 500, "{trap:?}");
    assert!(trap.log().contains("as asked"), "{}", trap.log());
    let late_trap = program.ask(&get(1, "/late-trap", false));
    assert_ne!(late_trap.app_status, 0);
    let fine = program.ask(&get(1, "/exit-late/0", false));
    assert_eq!((fine.status(), fine.app_status), (200, 0));
    Ok(())
}

fn the_program_sees_its_name_and_no_more() -> Outcome {
    let program = naughty()?;
    let answer = program.ask(&get(1, "/arguments", false));
    assert_eq!(answer.text(), "[\"app\"]\n");
    let text = program.ask(&get(1, "/environment", false)).text();
    assert!(!text.contains("PATH="), "the host's own: {text}");
    assert!(!text.contains("CARGO"), "the host's own: {text}");
    Ok(())
}

fn standard_error_is_the_error_log() -> Outcome {
    let program = naughty()?;
    let nginx = Nginx::start(&program.socket(), "", ROOT)?;
    let reply = nginx.connect().get("/words");
    assert_eq!(reply.text(), "said\n");
    let log = nginx.error_log();
    assert!(log.contains("words for the log"), "{log}");
    Ok(())
}

fn input_that_nobody_reads_is_no_error() -> Outcome {
    let program = naughty()?;
    let nginx = Nginx::start(&program.socket(), "", ROOT)?;
    let body = vec![b'x'; 500_000];
    let reply = nginx.connect().post("/half-read", &body);
    assert_eq!((reply.head.status, reply.text().as_str()), (200, "xxxxx\n"));
    let reply = nginx.connect().post("/hello", &body);
    assert_eq!(reply.text(), "hello\n");
    Ok(())
}

/// Programs for CGI read as much as CONTENT_LENGTH says.
fn a_length_is_told_even_if_the_web_server_does_not_know_it() -> Outcome {
    let program = naughty()?;
    let nginx = Nginx::start(&program.socket(), "", ROOT)?;
    let mut client = nginx.connect();
    client.send("POST /environment HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
    let text = client.reply(false).text();
    assert!(text.contains("CONTENT_LENGTH=11\n"), "{text}");
    let text = nginx.connect().get("/environment").text();
    assert!(!text.contains("CONTENT_LENGTH"), "{text}");
    // Too long to wait for: it comes without.
    let piece = "x".repeat(100_000);
    let mut client = nginx.connect();
    client.send("POST /upload HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    (0..20).for_each(|_| client.send(&format!("186a0\r\n{piece}\r\n")));
    client.send("0\r\n\r\n");
    assert_eq!(client.reply(false).text(), "2000000 bytes\n");
    Ok(())
}

/// RFC 3875 §6.2.2. Only where the operator lets the application do it: it
/// reads whatever the web server can.
fn a_redirect_within_the_server_is_the_web_servers() -> Outcome {
    let app = guest("naughty-cgi")?;
    let path = "/raw/Location: /hello||";
    let program = Program::serve(&app, &[]);
    let answer = program.ask(&get(1, path, false));
    assert_eq!(answer.status(), 302, "{answer:?}");
    assert_eq!(answer.headers("location"), ["/hello"]);

    let program = Program::serve(&app, &["--allow-server-commands"]);
    let nginx = Nginx::start(&program.socket(), "", ROOT)?;
    let reply = nginx.connect().get("/raw/Location:%20%2Fhello%7C%7C");
    assert!([200, 302].contains(&reply.head.status), "{}", reply.text());
    Ok(())
}

/// Counts in its memory how often it was run, and says so.
const MODULE: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write"
        (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (global $count (mut i32) (i32.const 48))
    (data (i32.const 16) "Content-Type: text/plain\0a\0a0\0a")
    (func (export "_start")
        (global.set $count (i32.add (global.get $count) (i32.const 1)))
        (i32.store8 (i32.const 42) (global.get $count))
        (i32.store (i32.const 0) (i32.const 16))
        (i32.store (i32.const 4) (i32.const 28))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
        (call $exit (i32.const 0))))"#;

fn plain_modules_run_as_they_are() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let app = folder.path().join("module.wat");
    fs::write(&app, MODULE).expect("written");
    let program = Program::serve(&app, &[]);
    for _ in 0..3 {
        let answer = program.ask(&get(1, "/", false));
        assert_eq!((answer.text().as_str(), answer.app_status), ("1\n", 0));
    }
    Ok(())
}

/// Writes the variables that it has, each with a NUL behind it.
const MODULE_WITH_ENVIRONMENT: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write"
        (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_sizes_get"
        (func $sizes (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_get"
        (func $environment (param i32 i32) (result i32)))
    (memory (export "memory") 2)
    (data (i32.const 16) "Content-Type: text/plain\0a\0a")
    (func (export "_start")
        (drop (call $sizes (i32.const 48) (i32.const 52)))
        (drop (call $environment (i32.const 1024) (i32.const 65536)))
        (i32.store (i32.const 0) (i32.const 16))
        (i32.store (i32.const 4) (i32.const 26))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
        (i32.store (i32.const 0) (i32.const 65536))
        (i32.store (i32.const 4) (i32.load (i32.const 52)))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#;

fn plain_modules_have_their_environment() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let app = folder.path().join("module.wat");
    fs::write(&app, MODULE_WITH_ENVIRONMENT).expect("written");
    let program = Program::serve(&app, &["--env", "GREETING=hi", "--env", "SERVER_NAME=mine"]);
    let text = program.ask(&get(1, "/there", false)).text();
    let variables: Vec<_> = text.split('\0').collect();
    for expected in ["PATH_INFO=/there", "GREETING=hi", "SERVER_NAME=mine"] {
        assert!(variables.contains(&expected), "{expected}: {variables:?}");
    }
    let names = variables
        .iter()
        .filter_map(|variable| variable.split_once('='));
    assert_eq!(names.filter(|(name, _)| *name == "SERVER_NAME").count(), 1);
    Ok(())
}

/// FastCGI §5.5.
fn the_exit_status_is_the_applications_status() -> Outcome {
    let module = r#"(module
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (func (export "_start") (call $exit (i32.const 3))))"#;
    let folder = tempfile::tempdir().expect("a folder");
    let app = folder.path().join("module.wat");
    fs::write(&app, module).expect("written");
    let program = Program::serve(&app, &[]);
    let answer = program.ask(&get(1, "/", false));
    assert_eq!((answer.status(), answer.app_status), (502, 3));
    Ok(())
}

/// A Rust program for `wasi:http` made by `axum` is a command too.
fn an_interface_can_be_chosen() -> Outcome {
    let app = guest("axum-example")?;
    let app = app.to_str().expect("text");
    let run =
        |interface| crate::support::process::run(&["request", app, "/", "--interface", interface]);
    let wrong = run("http@0.4");
    let complaint = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(
        complaint.contains("choose one of native, http@0.3"),
        "{complaint}"
    );
    let absent = run("cgi@0.1");
    let complaint = String::from_utf8_lossy(&absent.stderr).into_owned();
    assert!(complaint.contains("_start (cgi@0.1)"), "{complaint}");
    Ok(())
}
