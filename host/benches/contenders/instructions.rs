//! Instructions of one repetition of each part, by valgrind: they are the same
//! however busy the machine is.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::parts::PARTS;
use crate::process::installed;

/// How often a part is repeated. Under valgrind everything is some fifty times
/// slower, and a component is compiled first.
const COUNT: u64 = 200;

/// Counts for all parts but the streams, and prints what there is.
pub(crate) fn run(folder: &Path) -> Value {
    let Some(valgrind) = installed(&["valgrind"]) else {
        println!("\nleft out: instructions: valgrind is not installed");
        return Value::Null;
    };
    println!("\nInstructions of one repetition, mean of {COUNT}");
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
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let profile = folder.join(format!("callgrind.{part}"));
    let output = Command::new(valgrind)
        .args(["--tool=callgrind", "--toggle-collect=*counted_work*"])
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(program)
        .args(["work", part, &COUNT.to_string()])
        .output()
        .map_err(|error| error.to_string())?;
    let words = String::from_utf8_lossy(&output.stderr);
    let collected = words
        .lines()
        .find_map(|line| line.split_once("Collected : "));
    match collected.and_then(|(_, number)| number.trim().parse::<u64>().ok()) {
        Some(sum) if output.status.success() => Ok(sum / COUNT),
        _ => Err(words.lines().last().unwrap_or_default().to_owned()),
    }
}
