//! What a second thread adds.

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use fcgi_wasm::App;
use serde_json::{Value, json};

use crate::figures::{cell, median};
use crate::parts::BATCH;
use crate::work::{CACHE, app, repeat};

/// How long each turn is: long next to what starting a thread takes.
const BATCHES_A_TURN: u32 = 5;

/// How many requests are sent between two looks at the clock.
const REQUESTS: u32 = 50;

/// How many turns a profiler sees.
const TURNS: usize = 10;

const GUESTS: &[(&str, &str)] = &[
    ("native", "hello"),
    ("http-0.2", "hello-http"),
    ("http-0.3", "hello-http3"),
    ("cgi", "hello-cgi"),
];

/// How much more is done by two threads that do the same, each with a runtime
/// of its own: 2 would be twice as much. One and two have their turns in turn.
pub(crate) fn run(turns: usize) -> Value {
    let rows = GUESTS.iter().map(|&(name, guest)| {
        let factor = app(guest).ok().and_then(|app| {
            let turns = (0..turns).map(|_| rate_on(&app, 2) / rate_on(&app, 1));
            median(turns.collect())
        });
        println!(
            "two threads, {name:<24} {:>6} times one thread's",
            cell(factor, 2)
        );
        json!({ "name": name, "factor": factor })
    });
    rows.collect()
}

/// The same for a profiler: one guest, on so many threads.
pub(crate) fn side_by_side(name: &str, threads: usize, cache: &str) -> Result<(), String> {
    CACHE.get_or_init(|| cache.into());
    let guest = GUESTS.iter().find(|guest| guest.0 == name);
    let guest = guest
        .ok_or_else(|| format!("there is no guest {name:?}"))?
        .1;
    let app = app(guest)?;
    for _ in 0..TURNS {
        println!("{:.0} requests/s", rate_on(&app, threads));
    }
    Ok(())
}

/// Requests a second, on so many threads.
fn rate_on(app: &Arc<App>, threads: usize) -> f64 {
    let count = |app: Arc<App>| {
        let mut repeat = repeat(app);
        let began = Instant::now();
        let mut count = 0;
        while began.elapsed() < BATCHES_A_TURN * BATCH {
            repeat(REQUESTS as usize);
            count += REQUESTS;
        }
        f64::from(count) / began.elapsed().as_secs_f64()
    };
    thread::scope(|scope| {
        let counting: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| count(app.clone())))
            .collect();
        let rates = counting.into_iter().map(|thread| thread.join());
        rates.map(|rate| rate.expect("no panic")).sum()
    })
}
