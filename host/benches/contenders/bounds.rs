//! What `cargo test` makes of this program: no part may cost more instructions
//! than is checked in, so that nothing gets slower unseen.
//!
//! They are counted in the profile of the tests, in which our own code is not
//! optimised: a figure here says nothing but whether something has changed.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::{env, fs};

use libtest_mimic::{Arguments, Completion, Trial};

use crate::guest_build::target_folder;
use crate::instructions::{Counter, NO_VALGRIND};
use crate::parts::counted;

/// How far a count may be from its bound, per cent, in either direction: one
/// that is much lower has to become the bound, or what was won can get lost.
/// Where nothing has changed, counts were seen to differ by less than 0.2 %;
/// another C library copies memory in another way.
const ROOM: u64 = 3;

const REFRESH: &str = "FCGI_WASM_BLESS=1 cargo test --locked --workspace --bench contenders";

/// Tests each part.
pub(crate) fn test() -> ExitCode {
    let trials = counted().map(|part| {
        let name = format!("instructions::{}", part.name);
        Trial::ignorable_test(name, || {
            let Some(counter) = Counter::find(&target_folder().join("bench")) else {
                return match env::var_os("FCGI_WASM_TESTS_REQUIRE_ALL") {
                    Some(_) => Err(NO_VALGRIND.into()),
                    None => Ok(Completion::ignored_with(NO_VALGRIND)),
                };
            };
            let count = counter.count(part.name)?;
            match env::var_os("FCGI_WASM_BLESS") {
                Some(_) => refresh(part.name, count)?,
                None => compare(count, bound(part.name)?)?,
            }
            Ok(Completion::Completed)
        })
    });
    let trials = trials.collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn compare(count: u64, bound: u64) -> Result<(), String> {
    let change = count.abs_diff(bound) * 100;
    if change <= bound * ROOM {
        return Ok(());
    }
    let per_cent = change / bound.max(1);
    Err(match count > bound {
        true => format!(
            "{count} instructions are {per_cent} % more than the {bound} that it cost before. \
             If they are worth it: {REFRESH}"
        ),
        false => format!(
            "{count} instructions are {per_cent} % less than the {bound} that it cost before. \
             To keep it so: {REFRESH}"
        ),
    })
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/contenders/instructions.bounds")
}

/// All bounds, by the part's name.
fn bounds() -> Result<Vec<(String, u64)>, String> {
    let text = fs::read_to_string(file()).map_err(|error| error.to_string())?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let bounds = lines.map(|line| {
        let (name, bound) = line.split_once(' ')?;
        Some((name.to_owned(), bound.trim().parse().ok()?))
    });
    let bounds: Option<_> = bounds.collect();
    bounds.ok_or_else(|| format!("{} is not read", file().display()))
}

fn bound(part: &str) -> Result<u64, String> {
    let known = bounds()?.into_iter().find(|(name, _)| name == part);
    let known = known.ok_or_else(|| format!("it has no bound yet: {REFRESH}"))?;
    Ok(known.1)
}

/// Writes a bound anew; tests run at a time.
fn refresh(part: &str, count: u64) -> Result<(), String> {
    static WRITING: Mutex<()> = Mutex::new(());
    let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut known = bounds().unwrap_or_default();
    known.retain(|(name, _)| name != part);
    known.push((part.to_owned(), count));
    let place = |name: &str| counted().position(|part| part.name == name);
    known.retain(|(name, _)| place(name).is_some());
    known.sort_by_key(|(name, _)| place(name));
    let mut text = format!("# Written by `{REFRESH}`: see bounds.rs.\n");
    for (name, bound) in known {
        // Writing to a string can not fail.
        let _ = writeln!(text, "{name:<22} {bound:>9}");
    }
    fs::write(file(), text).map_err(|error| error.to_string())
}
