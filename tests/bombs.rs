//! Guests that make the host say, hold or do much by little: it stays within
//! limits, and what people read can be read.

use fcgi_wasm::{App, Policy};

use crate::support::Outcome;
use crate::support::local::Local;
use crate::support::process::Program;
use crate::support::two::engine;
use crate::support::web_server::*;

tests![
    names_in_a_backtrace_are_short_and_safe,
    more_is_not_written_than_was_allowed,
    a_message_without_an_end_is_cut,
    a_complaint_quotes_little_of_a_header,
    what_wasi_itself_has_to_say_fills_no_log,
    a_pollable_is_not_polled_any_number_of_times_at_once,
];

/// Serves a module or component in the text format.
fn serve(text: &str, policy: Policy) -> Local {
    let app = App::from_bytes(&engine(4), "bomb", text.as_bytes(), policy);
    Local::serve(app.expect("an application"))
}

fn names_in_a_backtrace_are_short_and_safe() -> Outcome {
    let long = "x".repeat(50_000);
    let local = serve(
        &format!(
            "(module
                (func $evil (@name \"gpj.\\u{{202e}}exe\\n\\u{{1b}}[31m\") unreachable)
                (func $long (@name \"{long}\") call $evil)
                (func (export \"_start\") call $long))"
        ),
        Policy::strict(),
    );
    let answer = local.ask(1, &get(1, "/", false));
    assert_eq!(answer.status(), 502, "{answer:?}");
    let log = answer.log();
    assert!(
        log.contains("\n  0: gpj.\\u{202e}exe\\n\\u{1b}[31m\n"),
        "{log}"
    );
    assert!(log.contains("\n  1: xxx") && log.len() < 2000, "{log}");
    Ok(())
}

/// A CGI program for WASI 0.2 that writes to standard output or error without
/// asking how much it may.
fn writes(stream: &str, bytes: u32, times: u32) -> String {
    format!(
        "(component
            (import \"wasi:io/error@0.2.0\" (instance $error (export \"error\" (type (sub resource)))))
            (alias export $error \"error\" (type $error))
            (import \"wasi:io/streams@0.2.0\" (instance $streams
                (export \"output-stream\" (type $stream (sub resource)))
                (alias outer 1 $error (type $error))
                (type $failure (variant
                    (case \"last-operation-failed\" (own $error)) (case \"closed\")))
                (export \"stream-error\" (type $stream-error (eq $failure)))
                (export \"[method]output-stream.write\" (func
                    (param \"self\" (borrow $stream)) (param \"contents\" (list u8))
                    (result (result (error $stream-error)))))))
            (alias export $streams \"output-stream\" (type $stream))
            (import \"wasi:cli/{stream}@0.2.0\" (instance $std
                (alias outer 1 $stream (type $stream))
                (export \"get-{stream}\" (func (result (own $stream))))))
            (core module $memory (memory (export \"memory\") 2000)
                (data (i32.const 16) \"content-type: a/b\\n\\n\"))
            (core instance $memory (instantiate $memory))
            (alias core export $memory \"memory\" (core memory $bytes))
            (core func $write (canon lower (func $streams \"[method]output-stream.write\")
                (memory $bytes)))
            (core func $get (canon lower (func $std \"get-{stream}\")))
            (core module $main
                (import \"\" \"get\" (func $get (result i32)))
                (import \"\" \"write\" (func $write (param i32 i32 i32 i32)))
                (func (export \"run\") (result i32) (local $stream i32) (local $left i32)
                    (local.set $stream (call $get))
                    (local.set $left (i32.const {times}))
                    (loop $next
                        (call $write (local.get $stream) (i32.const 16) (i32.const {bytes})
                            (i32.const 0))
                        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
                        (br_if $next (local.get $left)))
                    (i32.const 0)))
            (core instance $main (instantiate $main (with \"\" (instance
                (export \"get\" (func $get)) (export \"write\" (func $write))))))
            (func $run (result (result)) (canon lift (core func $main \"run\")))
            (instance (export \"wasi:cli/run@0.2.0\") (export \"run\" (func $run))))"
    )
}

fn more_is_not_written_than_was_allowed() -> Outcome {
    for (stream, bytes, times) in [
        ("stdout", 100_000_000, 1),
        // Each of them is small enough, but nobody takes them away.
        ("stdout", 60_000, 100_000),
        ("stderr", 100_000_000, 1),
    ] {
        let local = serve(&writes(stream, bytes, times), Policy::strict());
        let answer = local.ask(1, &get(1, "/", false));
        assert_eq!(answer.status(), 502, "{stream}: {answer:?}");
        assert!(answer.log().contains("check-write"), "{}", answer.log());
    }
    Ok(())
}

fn a_message_without_an_end_is_cut() -> Outcome {
    let log = |bytes: u32| {
        format!(
            "(component
                (import \"wasi:logging/logging@0.1.0-draft\" (instance $logging
                    (type $levels (enum
                        \"trace\" \"debug\" \"info\" \"warn\" \"error\" \"critical\"))
                    (export \"level\" (type $level (eq $levels)))
                    (export \"log\" (func (param \"level\" $level)
                        (param \"context\" string) (param \"message\" string)))))
                (core module $memory (memory (export \"memory\") 2000))
                (core instance $memory (instantiate $memory))
            (alias core export $memory \"memory\" (core memory $bytes))
                (core func $log (canon lower (func $logging \"log\") (memory $bytes)))
                (core module $main
                    (import \"\" \"log\" (func $log (param i32 i32 i32 i32 i32)))
                    (import \"\" \"memory\" (memory 2000))
                    (func (export \"run\") (result i32)
                        (memory.fill (i32.const 0) (i32.const 120) (i32.const {bytes}))
                        (call $log (i32.const 2)
                            (i32.const 0) (i32.const 1) (i32.const 0) (i32.const {bytes}))
                        (i32.const 1)))
                (core instance $main (instantiate $main (with \"\" (instance
                    (export \"log\" (func $log)) (export \"memory\" (memory $bytes))))))
                (func $run (result (result)) (canon lift (core func $main \"run\")))
                (instance (export \"wasi:cli/run@0.2.0\") (export \"run\" (func $run))))"
        )
    };
    let policy = Policy::strict().log_max(1024 * 1024);
    let answer = serve(&log(100_000_000), policy).ask(1, &get(1, "/", false));
    assert_eq!(answer.status(), 502);
    assert!(answer.log().contains("[info] x: xxx"));
    Ok(())
}

fn a_complaint_quotes_little_of_a_header() -> Outcome {
    // It answers if what it is told of 40 MB of a name is no more than 2000 bytes.
    let local = serve(
        "(component
            (import \"fcgi-wasm:app/response@0.1.0\" (instance $response
                (export \"start\" (func (param \"status\" u16)
                    (param \"headers\" (list (tuple string (list u8))))
                    (result (result (error string)))))))
            (core module $memory (memory (export \"memory\") 700)
                (func (export \"realloc\") (param i32 i32 i32 i32) (result i32)
                    (if (i32.gt_u (local.get 3) (i32.const 2000)) (then unreachable))
                    (i32.const 1024)))
            (core instance $memory (instantiate $memory))
            (alias core export $memory \"memory\" (core memory $bytes))
            (alias core export $memory \"realloc\" (core func $realloc))
            (core func $start (canon lower (func $response \"start\")
                (memory $bytes) (realloc $realloc)))
            (core module $main
                (import \"\" \"start\" (func $start (param i32 i32 i32 i32)))
                (import \"\" \"memory\" (memory 700))
                (func (export \"handle\") (result i32)
                    (memory.fill (i32.const 65536) (i32.const 1) (i32.const 40000000))
                    (i32.store (i32.const 64) (i32.const 65536))
                    (i32.store (i32.const 68) (i32.const 40000000))
                    (call $start (i32.const 200) (i32.const 64) (i32.const 1) (i32.const 128))
                    (if (i32.ne (i32.load8_u (i32.const 128)) (i32.const 1)) (then unreachable))
                    (call $start (i32.const 204) (i32.const 0) (i32.const 0) (i32.const 128))
                    (i32.const 160)))
            (core instance $main (instantiate $main (with \"\" (instance
                (export \"start\" (func $start)) (export \"memory\" (memory $bytes))))))
            (func $handle (result (result (error string)))
                (canon lift (core func $main \"handle\") (memory $bytes)))
            (instance (export \"fcgi-wasm:app/handler@0.1.0\")
                (export \"handle\" (func $handle))))",
        Policy::strict(),
    );
    let answer = local.ask(1, &get(1, "/", false));
    assert_eq!(answer.status(), 204, "{answer:?}");
    Ok(())
}

/// wasmtime's WASI 0.1 warns of each call of these, and not whose it is.
fn what_wasi_itself_has_to_say_fills_no_log() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let app = folder.path().join("says.wat");
    let module = r#"(module
        (import "wasi_snapshot_preview1" "sock_accept"
            (func $accept (param i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "sock_shutdown"
            (func $shutdown (param i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "_start")
            (drop (call $accept (i32.const 0) (i32.const 0) (i32.const 0)))
            (drop (call $shutdown (i32.const 0) (i32.const 1)))
            unreachable))"#;
    std::fs::write(&app, module).expect("written");
    let program = Program::serve(&app, &["-vv"]);
    assert_eq!(program.ask(&get(1, "/", false)).status(), 502);
    program.wait_for_log("unreachable");
    let log = program.log();
    assert!(!log.contains("not implemented"), "{log}");
    Ok(())
}

/// A CGI program for WASI 0.2 that polls a timer, so many times at once.
fn polls(times: u32) -> String {
    format!(
        "(component
            (import \"wasi:io/poll@0.2.0\" (instance $poll
                (export \"pollable\" (type $pollable (sub resource)))
                (export \"poll\" (func (param \"in\" (list (borrow $pollable)))
                    (result (list u32))))))
            (alias export $poll \"pollable\" (type $pollable))
            (import \"wasi:clocks/monotonic-clock@0.2.0\" (instance $clock
                (alias outer 1 $pollable (type $pollable))
                (export \"subscribe-duration\" (func (param \"when\" u64)
                    (result (own $pollable))))))
            (core module $memory
                (memory (export \"memory\") 16)
                (func (export \"realloc\") (param i32 i32 i32 i32) (result i32)
                    (i32.const 524288)))
            (core instance $memory (instantiate $memory))
            (core func $timer (canon lower (func $clock \"subscribe-duration\")))
            (core func $poll (canon lower (func $poll \"poll\")
                (memory (core memory $memory \"memory\")) (realloc (core func $memory \"realloc\"))))
            (core module $program
                (import \"memory\" \"memory\" (memory 16))
                (import \"host\" \"timer\" (func $timer (param i64) (result i32)))
                (import \"host\" \"poll\" (func $poll (param i32 i32 i32)))
                (func (export \"run\") (result i32)
                    (local $timer i32) (local $left i32)
                    (local.set $timer (call $timer (i64.const 0)))
                    (local.set $left (i32.const {times}))
                    (loop $next
                        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
                        (i32.store (i32.mul (local.get $left) (i32.const 4)) (local.get $timer))
                        (br_if $next (local.get $left)))
                    (call $poll (i32.const 0) (i32.const {times}) (i32.const 524280))
                    unreachable))
            (core instance $program (instantiate $program
                (with \"memory\" (instance $memory))
                (with \"host\" (instance
                    (export \"timer\" (func $timer)) (export \"poll\" (func $poll))))))
            (func $run (result (result)) (canon lift (core func $program \"run\")))
            (instance $run (export \"run\" (func $run)))
            (export \"wasi:cli/run@0.2.0\" (instance $run)))"
    )
}

fn a_pollable_is_not_polled_any_number_of_times_at_once() -> Outcome {
    let log_of = |times| {
        let local = serve(&polls(times), Policy::strict());
        let answer = local.ask(1, &get(1, "/", false));
        assert_eq!(answer.status(), 502, "{answer:?}");
        answer.log()
    };
    let polled = log_of(900);
    assert!(polled.contains("unreachable"), "{polled}");
    let refused = log_of(100_000);
    assert!(
        refused.contains("it polls more than 1000 at a time"),
        "{refused}"
    );
    Ok(())
}
