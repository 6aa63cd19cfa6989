//! What is to be reached, and how far it is.

use serde_json::{Value, json};

use crate::entrants::LIMIT;
use crate::figures::cell;

/// What a figure has to be.
#[derive(Clone, Copy)]
enum Goal {
    AtLeast(f64),
    AtMost(f64),
}
use Goal::{AtLeast, AtMost};

/// Where a figure is found.
enum Figure {
    /// Behind nginx: requests/s of one by those of the other.
    Behind(&'static str, &'static str),
    /// The same without nginx.
    Alone(&'static str, &'static str),
    /// Processor time of a part, µs.
    Part(&'static str),
    /// What two threads do by what one does.
    TwoThreads(&'static str),
    SystemCalls(&'static str),
    /// MB/s in one direction by those of the handler without a guest.
    Stream(&'static str, &'static str),
    /// Behind nginx at half of its rate: what 1 % exceed by what half exceed.
    Spread(&'static str),
}
use Figure::{Alone, Behind, Part, Spread, Stream, SystemCalls, TwoThreads};

const NATIVE: &str = "native contract";
const HTTP: &str = "wasi:http 0.2";
const HTTP3: &str = "wasi:http 0.3";
const CGI: &str = "CGI program";
const PHP: &str = "php-fpm";
const GO: &str = "Go net/http/fcgi";

const TARGETS: &[(Figure, Goal)] = &[
    (Behind(NATIVE, LIMIT), AtLeast(0.90)),
    (Behind(HTTP, LIMIT), AtLeast(0.80)),
    (Behind(HTTP3, LIMIT), AtLeast(0.55)),
    (Behind(CGI, LIMIT), AtLeast(0.80)),
    (Behind(NATIVE, PHP), AtLeast(1.8)),
    (Behind(NATIVE, GO), AtLeast(2.4)),
    (Behind(HTTP, "wasmtime serve, 0.2"), AtLeast(4.3)),
    (Behind(HTTP3, "wasmtime serve, 0.3, reusing"), AtLeast(0.95)),
    (Behind(HTTP3, "wasmtime serve, 0.3"), AtLeast(3.5)),
    (Alone(NATIVE, LIMIT), AtLeast(0.40)),
    (Alone(HTTP, LIMIT), AtLeast(0.25)),
    (Alone(HTTP3, LIMIT), AtLeast(0.14)),
    (Alone(NATIVE, GO), AtLeast(2.8)),
    (Part("native"), AtMost(10.0)),
    (Part("cgi"), AtMost(12.0)),
    (Part("http-0.2"), AtMost(17.0)),
    (Part("http-0.3"), AtMost(30.0)),
    (TwoThreads("native"), AtLeast(1.85)),
    (TwoThreads("cgi"), AtLeast(1.85)),
    (TwoThreads("http-0.2"), AtLeast(1.85)),
    (TwoThreads("http-0.3"), AtLeast(1.85)),
    (SystemCalls(NATIVE), AtMost(5.0)),
    (SystemCalls(HTTP), AtMost(5.0)),
    (SystemCalls(HTTP3), AtMost(5.0)),
    (SystemCalls(CGI), AtMost(5.0)),
    (Part("flask"), AtMost(2700.0)),
    (Part("javascript-fetch"), AtMost(200.0)),
    (Part("go"), AtMost(500.0)),
    (
        Stream("down", "native contract, the tests' guest"),
        AtLeast(0.8),
    ),
    (
        Stream("down", "wasi:http 0.2, the tests' guest"),
        AtLeast(0.8),
    ),
    (
        Stream("down", "wasi:http 0.3, the tests' guest"),
        AtLeast(0.8),
    ),
    (
        Stream("down", "CGI program, the tests' guest"),
        AtLeast(0.8),
    ),
    (
        Stream("up", "native contract, the tests' guest"),
        AtLeast(0.8),
    ),
    (
        Stream("up", "wasi:http 0.2, the tests' guest"),
        AtLeast(0.8),
    ),
    (
        Stream("up", "wasi:http 0.3, the tests' guest"),
        AtLeast(0.8),
    ),
    (Stream("up", "CGI program, the tests' guest"), AtLeast(0.8)),
    (Spread(NATIVE), AtMost(3.0)),
    (Spread(HTTP), AtMost(3.0)),
    (Spread(HTTP3), AtMost(3.0)),
    (Spread(CGI), AtMost(3.0)),
];

/// Compares what was measured, all in one run, with what is to be reached.
pub(crate) fn run(results: &Value) -> Value {
    println!("\nTargets");
    let rows = TARGETS.iter().map(|(figure, goal)| {
        let (what, found) = (figure.what(), figure.find(results));
        let (goal, wanted) = (goal.text(figure.decimals()), goal.verdict(found));
        let found_text = cell(found, figure.decimals());
        println!("{what:<72} {found_text:>7} {goal:>9}  {wanted}");
        json!({
            "what": what, "figure": found, "text": found_text, "target": goal,
            "verdict": wanted,
        })
    });
    rows.collect()
}

impl Goal {
    fn text(self, decimals: usize) -> String {
        match self {
            AtLeast(goal) => format!("≥ {goal:.decimals$}"),
            AtMost(goal) => format!("≤ {goal:.decimals$}"),
        }
    }

    fn verdict(self, figure: Option<f64>) -> String {
        let Some(figure) = figure else {
            return "not measured".to_owned();
        };
        let (is_met, goal) = match self {
            AtLeast(goal) => (figure >= goal, goal),
            AtMost(goal) => (figure <= goal, goal),
        };
        match is_met {
            true => "met".to_owned(),
            false => {
                let per_cent = (figure - goal).abs() / goal * 100.0;
                format!("missed by {per_cent:.0} %")
            }
        }
    }
}

impl Figure {
    fn what(&self) -> String {
        match self {
            Behind(one, other) => format!("behind nginx: {one} ÷ {other}"),
            Alone(one, other) => format!("without nginx: {one} ÷ {other}"),
            Part(name) => format!("one request without a socket, µs: {name}"),
            TwoThreads(name) => format!("two threads ÷ one: {name}"),
            SystemCalls(name) => format!("system calls: {name}"),
            Stream(direction, name) => format!("64 MiB {direction}: {name} ÷ {LIMIT}"),
            Spread(name) => format!("behind nginx at half of its rate, p99 ÷ p50: {name}"),
        }
    }

    fn decimals(&self) -> usize {
        match self {
            Part(_) | SystemCalls(_) | Spread(_) => 1,
            _ => 2,
        }
    }

    fn find(&self, results: &Value) -> Option<f64> {
        let contest = |way: &str, name: &str, field: &str| {
            figure(results.pointer(&format!("/contest/{way}"))?, name, field)
        };
        let ratio = |way, one, other| {
            let rate = |name| contest(way, name, "/requests_per_second");
            Some(rate(one)? / rate(other)?)
        };
        match *self {
            Behind(one, other) => ratio("behind_nginx", one, other),
            Alone(one, other) => ratio("alone", one, other),
            Part(name) => figure(results.pointer("/parts/alone")?, name, "/us"),
            TwoThreads(name) => figure(results.pointer("/parts/two_threads")?, name, "/factor"),
            SystemCalls(name) => figure(results.get("system_calls")?, name, "/sum"),
            Stream(direction, name) => {
                let rows = results.get("streams")?.as_array()?.iter();
                let mut rows = rows.filter(|row| row["direction"] == direction);
                rows.find(|row| row["name"] == name)?["ratio_to_limit"].as_f64()
            }
            Spread(name) => {
                let delay = |percentile: &str| {
                    let field = format!("/at_half_of_its_rate/{percentile}_us");
                    contest("behind_nginx", name, &field)
                };
                Some(delay("p99")? / delay("p50")?)
            }
        }
    }
}

/// A field of the row of this name.
fn figure(rows: &Value, name: &str, field: &str) -> Option<f64> {
    let mut rows = rows.as_array()?.iter();
    let row = rows.find(|row| row["name"] == name)?;
    row.pointer(field)?.as_f64()
}
