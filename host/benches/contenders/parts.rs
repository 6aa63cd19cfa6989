//! What one request is made of, each part measured by itself on one thread:
//! processor time here, and instructions where valgrind counts them.
//!
//! Criterion would measure the time that passes, which on a shared machine is
//! mostly that of others; so the little that is needed of it stands here.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use crate::figures::{cell, median};
use crate::handler;
use crate::threads;
use crate::work::{self, CACHE, Repeat, STREAM_BYTES, app, down, foreign, hello, repeat, up};

/// How long a part is repeated for one figure, and how many figures there are.
pub(crate) const BATCH: Duration = Duration::from_millis(20);
const BATCHES: usize = 15;
const QUICK_BATCHES: usize = 3;

/// A part. It makes ready, and gives what repeats it.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    /// Whether it moves [`STREAM_BYTES`].
    is_stream: bool,
    prepare: fn() -> Result<Repeat, String>,
}

/// All parts.
const PARTS: &[Part] = &[
    pure("fastcgi-parse", work::parse),
    pure("fastcgi-pack", work::pack),
    pure("params", work::params),
    pure("params-to-http", work::to_http),
    pure("params-to-environment", work::to_environment),
    pure("cgi-head-write", work::write_head),
    pure("cgi-head-parse", work::parse_head),
    pure("handler", || Ok(repeat(Arc::new(handler::handle)))),
    pure("native", || hello("hello")),
    pure("native-tests", || hello("naughty")),
    pure("http-0.2", || hello("hello-http")),
    pure("http-0.3", || hello("hello-http3")),
    pure("cgi", || hello("hello-cgi")),
    pure("flask", || foreign("flask", "python")),
    pure("javascript-fetch", || {
        foreign("javascript-fetch", "javascript")
    }),
    pure("go", || foreign("go", "go")),
    stream("down-handler", || Ok(down(Arc::new(handler::handle)))),
    stream("down-native", || Ok(down(app("naughty")?))),
    stream("down-http-0.2", || Ok(down(app("naughty-http")?))),
    stream("down-http-0.3", || Ok(down(app("naughty-http3")?))),
    stream("down-cgi", || Ok(down(app("naughty-cgi")?))),
    stream("up-handler", || Ok(up(Arc::new(handler::handle)))),
    stream("up-native", || Ok(up(app("naughty")?))),
    stream("up-http-0.2", || Ok(up(app("naughty-http")?))),
    stream("up-http-0.3", || Ok(up(app("naughty-http3")?))),
    stream("up-cgi", || Ok(up(app("naughty-cgi")?))),
];

const fn pure(name: &'static str, prepare: fn() -> Result<Repeat, String>) -> Part {
    Part {
        name,
        is_stream: false,
        prepare,
    }
}

const fn stream(name: &'static str, prepare: fn() -> Result<Repeat, String>) -> Part {
    Part {
        name,
        is_stream: true,
        prepare,
    }
}

/// Those in another language, which are not always there.
const FOREIGN: &[&str] = &["flask", "javascript-fetch", "go"];

/// The parts whose instructions are counted: no streams.
pub(crate) fn counted() -> impl Iterator<Item = &'static Part> {
    let parts = PARTS.iter().filter(|part| !part.is_stream);
    parts.filter(|part| !FOREIGN.contains(&part.name))
}

/// Measures all parts and prints them.
pub(crate) fn run(is_quick: bool, folder: &Path) -> Value {
    CACHE.get_or_init(|| compiled(folder));
    println!("\nParts of a request, no socket: processor time");
    let batches = if is_quick { QUICK_BATCHES } else { BATCHES };
    let rows = PARTS.iter().map(|part| {
        let time = (part.prepare)().map(|mut repeat| time_of(&mut repeat, batches));
        match time {
            Ok(nanos) if part.is_stream => {
                let rate = nanos.map(|nanos| STREAM_BYTES as f64 / nanos * 1e3);
                println!("{:<24} {:>10} MB/s", part.name, cell(rate, 0));
                json!({ "name": part.name, "megabytes_per_second": rate })
            }
            Ok(nanos) => {
                let micros = nanos.map(|nanos| nanos / 1e3);
                println!("{:<24} {:>10} us", part.name, cell(micros, 3));
                json!({ "name": part.name, "us": micros })
            }
            Err(complaint) => {
                println!("{:<24} {complaint}", part.name);
                json!({ "name": part.name, "complaint": complaint })
            }
        }
    });
    let rows: Value = rows.collect();
    json!({ "alone": rows, "two_threads": threads::run(batches) })
}

/// Where compiled guests are kept.
pub(crate) fn compiled(folder: &Path) -> PathBuf {
    folder.join("compiled")
}

/// Repeats one part so often, for valgrind; see `instructions`.
pub(crate) fn work(name: &str, count: usize, cache: &str) -> Result<(), String> {
    CACHE.get_or_init(|| cache.into());
    let part = PARTS.iter().find(|part| part.name == name);
    let part = part.ok_or_else(|| format!("there is no part {name:?}"))?;
    let mut repeat = (part.prepare)()?;
    counted_work(&mut repeat, count);
    Ok(())
}

/// What a profiler is told to look at: it finds it by this name.
#[inline(never)]
fn counted_work(repeat: &mut Repeat, count: usize) {
    repeat(black_box(count));
}

/// Nanoseconds of one repetition, in all threads.
fn time_of(repeat: &mut Repeat, batches: usize) -> Option<f64> {
    let mut count = 1;
    let time = |repeat: &mut Repeat, count: usize| {
        let before = processor_time();
        repeat(count);
        processor_time().saturating_sub(before)
    };
    repeat(1);
    while time(repeat, count) < BATCH && count < 1 << 24 {
        count *= 2;
    }
    let figures = (0..batches).map(|_| time(repeat, count).as_nanos() as f64 / count as f64);
    median(figures.collect())
}

/// What this process has used: other than the time that passes it does not
/// depend on what else the machine does.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
