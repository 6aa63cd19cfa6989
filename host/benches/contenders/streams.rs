//! 64 MiB each way through the socket, next to the handler without a guest.

use std::time::Duration;

use serde_json::{Value, json};

use crate::entrants::{Contender, LIMIT};
use crate::figures::{cell, median};
use crate::load::{Closed, closed};
use crate::question::Question;
use crate::work::STREAM_BYTES;

/// One body at a time: a second one would share the processors with it.
const ALONE: Closed = Closed {
    connections: 1,
    depth: 1,
    threads: 1,
    time: Duration::ZERO,
};

type Ask = fn(usize) -> Question;

const DIRECTIONS: &[(&str, Ask)] = &[("down", Question::download), ("up", Question::upload)];

/// Measures all contenders that have bodies, in turn.
pub(crate) fn run(contenders: &[Contender], rounds: usize, turn: Duration) -> Value {
    println!("\n64 MiB through the socket, one at a time: MB/s and ratio");
    let contenders = contenders.iter().filter(|contender| contender.has_bodies);
    let contenders: Vec<_> = contenders.collect();
    let mut rows = Vec::new();
    for &(direction, question) in DIRECTIONS {
        let mut rates = vec![Vec::new(); contenders.len()];
        let mut complaints = vec![None; contenders.len()];
        for _ in 0..rounds {
            for (index, contender) in contenders.iter().enumerate() {
                match rate(contender, question(STREAM_BYTES), turn) {
                    Ok(rate) => rates[index].push(rate),
                    Err(complaint) => complaints[index] = Some(complaint),
                }
            }
        }
        let medians: Vec<_> = rates.into_iter().map(median).collect();
        let names = contenders.iter().map(|contender| contender.name);
        let limit = names.clone().position(|name| name == LIMIT);
        let limit = limit.and_then(|index| medians[index]);
        for ((name, rate), complaint) in names.zip(&medians).zip(complaints) {
            let ratio = rate.zip(limit).map(|(rate, limit)| rate / limit);
            println!(
                "{name:<34} {direction:<5} {:>8} {:>6} {}",
                cell(*rate, 0),
                cell(ratio, 2),
                complaint.clone().unwrap_or_default()
            );
            rows.push(json!({
                "name": name, "direction": direction, "megabytes_per_second": rate,
                "ratio_to_limit": ratio, "complaint": complaint,
            }));
        }
    }
    rows.into()
}

/// MB/s.
fn rate(contender: &Contender, question: Question, time: Duration) -> Result<f64, String> {
    let place = contender.place().ok_or("it has no socket of its own")?;
    let how = Closed { time, ..ALONE };
    let turn = closed(&place, &contender.with_extra(question), how)?;
    Ok(turn.answered as f64 * STREAM_BYTES as f64 / turn.seconds / 1e6)
}
