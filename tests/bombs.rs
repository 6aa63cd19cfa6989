//! Guests that make the host say, hold or do much by little: it stays within
//! limits, and what people read can be read.

use fcgi_wasm::{App, Policy};

use crate::support::Outcome;
use crate::support::local::Local;
use crate::support::two::engine;
use crate::support::web_server::*;

tests![names_in_a_backtrace_are_short_and_safe,];

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
        log.contains("\n  0: gpj.\\u{202e}exe\n\\u{1b}[31m\n"),
        "{log}"
    );
    assert!(log.contains("\n  1: xxx") && log.len() < 2000, "{log}");
    Ok(())
}
