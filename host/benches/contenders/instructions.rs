//! Instructions of one repetition of each part, by valgrind: they are the same
//! however busy the machine is.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::parts::{compiled, counted};
use crate::process::installed;

/// How often a part is repeated, in two runs: what the second has more is what
/// the repetitions cost, without all that comes before them. (Callgrind could be
/// told which function to count, but guests run on stacks of their own, among
/// which it loses its place.) More repetitions differ as much from each other.
const FEW: u64 = 10;
const MANY: u64 = 70;

/// Counts for all parts that can be counted, and prints what there is.
pub(crate) fn run(folder: &Path) -> Value {
    let Some(counter) = Counter::find(folder) else {
        println!("\nleft out: instructions: {NO_VALGRIND}");
        return Value::Null;
    };
    println!("\nInstructions of one repetition");
    let rows = counted().map(|part| match counter.count(part.name) {
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

pub(crate) const NO_VALGRIND: &str = "valgrind is not installed";

/// Counts what this program does when it is executed anew.
#[derive(Clone, Debug)]
pub(crate) struct Counter {
    valgrind: PathBuf,
    /// Where it keeps compiled guests.
    cache: PathBuf,
}

impl Counter {
    /// `None` if there is no valgrind.
    pub(crate) fn find(folder: &Path) -> Option<Self> {
        Some(Self {
            valgrind: installed(&["valgrind"])?,
            cache: compiled(folder),
        })
    }

    /// Instructions of one repetition of the part.
    pub(crate) fn count(&self, part: &str) -> Result<u64, String> {
        let (mut few, many) = (self.run(part, FEW)?, self.run(part, MANY)?);
        // The first run had to compile the guest, for the processor that valgrind
        // pretends to be, which takes far more than to run it.
        if few > many {
            few = self.run(part, FEW)?;
        }
        Ok(many.saturating_sub(few) / (MANY - FEW))
    }

    /// Instructions of the whole run.
    fn run(&self, part: &str, count: u64) -> Result<u64, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        // Of all of valgrind's tools the fastest that counts.
        let output = Command::new(&self.valgrind)
            .args(["--tool=cachegrind", "--cache-sim=no"])
            .arg("--cachegrind-out-file=/dev/null")
            .arg(program)
            .args(["work", part, &count.to_string()])
            .arg(&self.cache)
            .output()
            .map_err(|error| error.to_string())?;
        let words = String::from_utf8_lossy(&output.stderr);
        let lines = words.lines();
        let sum = lines
            .filter_map(|line| line.split_once("I   refs:"))
            .find_map(|(_, sum)| sum.trim().replace(',', "").parse().ok());
        match sum {
            Some(sum) if output.status.success() => Ok(sum),
            _ => Err(words.into_owned()),
        }
    }
}
