//! Which system calls a request costs once everything is warm, by strace.

use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;
use std::{fs, io};

use serde_json::{Value, json};

use crate::entrants::Contender;
use crate::load::{Closed, closed};
use crate::process::{Process, installed};

/// How long is counted. Under strace a request takes some 100 µs.
const TIME: Duration = Duration::from_secs(1);

/// Calls that are this rare have nothing to do with requests.
const RARE: f64 = 0.005;

/// Counts for all contenders that are ours, and prints what there is.
pub(crate) fn run(contenders: &[Contender], folder: &Path) -> Value {
    let Some(strace) = installed(&["strace"]) else {
        println!("\nleft out: system calls: strace is not installed");
        return Value::Null;
    };
    println!("\nSystem calls of a request, one connection, one request after the other");
    let ours = contenders.iter().filter(|contender| contender.is_ours);
    let rows = ours.map(|contender| {
        let counted = count(&strace, contender, folder);
        match counted {
            Ok(calls) => {
                let sum: f64 = calls.iter().map(|(_, count)| count).sum();
                let names = calls
                    .iter()
                    .map(|(name, count)| format!("{name} {count:.2}"));
                let names: Vec<_> = names.collect();
                println!("{:<34} {sum:>6.2}: {}", contender.name, names.join(", "));
                let calls = calls.into_iter().map(|(name, count)| (name, json!(count)));
                let calls: serde_json::Map<_, _> = calls.collect();
                json!({ "name": contender.name, "sum": sum, "calls": calls })
            }
            Err(complaint) => {
                println!("{:<34} {complaint}", contender.name);
                json!({ "name": contender.name, "complaint": complaint })
            }
        }
    });
    rows.collect()
}

/// Calls by name, of one request.
fn count(
    strace: &Path,
    contender: &Contender,
    folder: &Path,
) -> Result<Vec<(String, f64)>, String> {
    let place = contender.place().ok_or("it has no socket of its own")?;
    let process = contender
        .process
        .as_ref()
        .ok_or("it is no process of its own")?;
    let load = |time| Closed {
        connections: 1,
        depth: 1,
        threads: 1,
        time,
    };
    closed(&place, &contender.hello(), load(TIME / 4))?;
    let table = folder.join("strace.txt");
    // What is left of the last one would be taken for this one's.
    match fs::remove_file(&table) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.to_string()),
        _ => {}
    }
    let mut command = Command::new(strace);
    command.args(["-f", "-c", "-o"]).arg(&table);
    command.arg("-p").arg(process.id().to_string());
    let mut tracing = Process::start(&command, folder)?;
    let status = format!("/proc/{}/status", process.id());
    tracing.wait(|| {
        let status = fs::read_to_string(&status).unwrap_or_default();
        status.lines().any(|line| {
            line.strip_prefix("TracerPid:")
                .is_some_and(|tracer| tracer.trim() != "0")
        })
    })?;
    // The other threads follow the first one.
    sleep(TIME / 4);
    let turn = closed(&place, &contender.hello(), load(TIME));
    tracing.interrupt();
    let answered = turn?.answered as f64;
    let table = fs::read_to_string(&table).map_err(|error| error.to_string())?;
    let calls = table.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_row = fields.first()?.parse::<f64>().is_ok() && *fields.last()? != "total";
        let count = fields.get(3)?.parse::<f64>().ok()? / answered;
        let name = (*fields.last()?).to_owned();
        (is_row && count > RARE).then_some((name, count))
    });
    let mut calls: Vec<(String, f64)> = calls.collect();
    calls.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    Ok(calls)
}
