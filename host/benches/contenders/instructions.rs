//! Instructions of one repetition of each part, by valgrind: they are the same
//! however busy the machine is.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::parts::PARTS;
use crate::process::installed;

/// How often a part is repeated, in two runs: what the second has more is what
/// the repetitions cost, without all that comes before them. (Callgrind could be
/// told which function to count, but guests run on stacks of their own, among
/// which it loses its place.)
const FEW: u64 = 50;
const MANY: u64 = 1050;

const TRIES: usize = 3;

/// Counts for all parts but the streams, and prints what there is.
pub(crate) fn run(folder: &Path) -> Value {
    let Some(valgrind) = installed(&["valgrind"]) else {
        println!("\nleft out: instructions: valgrind is not installed");
        return Value::Null;
    };
    println!("\nInstructions of one repetition");
    let parts = PARTS.iter().filter(|part| !part.is_stream);
    let rows = parts.map(|part| match count(&valgrind, part.name, folder) {
        Ok(instructions) => {
            println!("{:<24} {instructions:>10}", part.name);
            json!({ "name": part.name, "instructions": instructions })
        }
        Err(complaint) => {
            println!("{:<24} {complaint}", part.name);
            json!({ "name": part.name, "complaint": complaint })
        }
    });
    rows.collect()
}

fn count(valgrind: &Path, part: &str, folder: &Path) -> Result<u64, String> {
    // The first run compiles, for the processor that valgrind pretends to be.
    run_under(valgrind, part, 1, folder)?;
    let few = run_under(valgrind, part, FEW, folder)?;
    let many = run_under(valgrind, part, MANY, folder)?;
    Ok(many.saturating_sub(few) / (MANY - FEW))
}

/// Instructions of the whole run. Now and then valgrind makes a guest so slow
/// that it leaves its thread for one that reads another clock, which valgrind
/// does not have; then it is tried again.
fn run_under(valgrind: &Path, part: &str, count: u64, folder: &Path) -> Result<u64, String> {
    let mut tries = (0..TRIES).map(|_| try_under(valgrind, part, count, folder));
    tries
        .find_map(Result::ok)
        .ok_or_else(|| format!("valgrind can not run it, {TRIES} times"))
}

fn try_under(valgrind: &Path, part: &str, count: u64, folder: &Path) -> Result<u64, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(valgrind)
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["work", part, &count.to_string()])
        .arg(folder.join("compiled"))
        .output()
        .map_err(|error| error.to_string())?;
    let words = String::from_utf8_lossy(&output.stderr);
    let collected = words
        .lines()
        .find_map(|line| line.split_once("Collected : "));
    match collected.and_then(|(_, number)| number.trim().parse().ok()) {
        Some(sum) if output.status.success() => Ok(sum),
        _ => Err(words.into_owned()),
    }
}
