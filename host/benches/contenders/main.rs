//! How fast this is, next to what one would take instead.
//!
//! Everything is taken in turns in one run on one machine, so the ratios are
//! what counts; host/docs/performance.md says what each figure means.
//!
//! ```text
//! cargo bench --bench contenders                all but the curves, some eight minutes
//! cargo bench --bench contenders -- --quick     the same in a minute, less certain
//! cargo bench --bench contenders -- --curves    how cost grows
//! cargo bench --bench contenders -- --parts     what one request is made of, and no more
//! cargo test --bench contenders                 that its instructions are not more than before
//! ```

#![expect(clippy::print_stdout, reason = "the tables are the result")]
#![expect(clippy::print_stderr, reason = "it is a program")]

mod bounds;
mod contest;
mod curves;
mod entrants;
mod figures;
mod growth;
#[path = "../../../tests/support/guest_build.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod guest_build;
mod guests;
mod handler;
mod instructions;
mod load;
mod markdown;
mod nginx;
mod others;
mod parts;
mod peer;
mod picture;
mod process;
mod question;
mod sized;
mod streams;
mod syscalls;
mod targets;
mod threads;
mod work;

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

use contest::Extent;
use guest_build::target_folder;
use nginx::Nginx;
use picture::Panel;

/// The one that the program has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const FULL: Extent = Extent {
    rounds: 5,
    turn: Duration::from_millis(800),
    paced_turn: Duration::from_millis(1000),
};

const QUICK: Extent = Extent {
    rounds: 1,
    turn: Duration::from_millis(300),
    paced_turn: Duration::from_millis(200),
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        // What this program executes itself as.
        ["serve", socket] => handler::serve(Path::new(socket)),
        ["child", program, arguments @ ..] => process::become_child(program, arguments),
        ["work", part, count, cache] => match count.parse() {
            Ok(count) => parts::work(part, count, cache),
            Err(_) => Err(format!("{count:?} is no number")),
        },
        ["side-by-side", guest, threads, cache] => match threads.parse() {
            Ok(threads) => threads::side_by_side(guest, threads, cache),
            Err(_) => Err(format!("{threads:?} is no number")),
        },
        // Cargo says so, unless it tests.
        arguments if !arguments.contains(&"--bench") => return bounds::test(),
        arguments => measure(arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaint) => {
            eprintln!("{complaint}");
            ExitCode::FAILURE
        }
    }
}

/// Why a guest is not there; this is what its builder says.
#[derive(Clone, Debug)]
struct Skip(String);

fn measure(arguments: &[&str]) -> Result<(), String> {
    let known = ["--bench", "--quick", "--curves", "--parts"];
    if let Some(unknown) = arguments.iter().find(|given| !known.contains(given)) {
        return Err(format!(
            "there is no {unknown}: there is {}",
            known[1..].join(", ")
        ));
    }
    let is_given = |name| arguments.contains(&name);
    let is_quick = is_given("--quick");
    let results = target_folder().join("bench");
    fs::create_dir_all(&results).map_err(|error| error.to_string())?;
    let mut sections = vec![("machine", machine())];
    let mut panels = Vec::new();
    if !is_given("--parts") {
        let (more, pictured) = contend(is_quick, is_given("--curves"))?;
        sections.extend(more);
        panels.extend(pictured);
    }
    if !is_given("--curves") {
        sections.push(("parts", parts::run(is_quick, &results)));
        if !is_quick {
            sections.push(("instructions", instructions::run(&results)));
        }
    }
    let sections = sections
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value));
    let mut sections = Value::Object(sections.collect());
    if !is_given("--curves") {
        sections["targets"] = targets::run(&sections);
    }
    // What only a part of the program found does not replace all the rest.
    let stem = match (is_given("--curves"), is_given("--parts")) {
        (true, _) => "curves",
        (false, true) => "parts",
        (false, false) => "results",
    };
    let write = |end: &str, content: String| {
        let path = results.join(format!("{stem}.{end}"));
        println!("written: {}", path.display());
        fs::write(path, content).map_err(|error| error.to_string())
    };
    println!();
    write("json", format!("{sections:#}\n"))?;
    write("md", markdown::write(&sections))?;
    if !panels.is_empty() {
        write("svg", picture::draw(&panels))?;
    }
    Ok(())
}

type Sections = Vec<(&'static str, Value)>;

/// Starts everybody, and measures one after the other.
fn contend(is_quick: bool, has_curves: bool) -> Result<(Sections, Vec<Panel>), String> {
    allow_files();
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let folder = folder.path();
    let (contenders, left_out) = entrants::start(folder);
    for (name, reason) in &left_out {
        println!("left out: {name}: {reason}");
    }
    let left_out = left_out.iter();
    let left_out = left_out.map(|(name, reason)| json!({ "name": name, "reason": reason }));
    let mut sections = vec![("left_out", left_out.collect())];
    let extent = if is_quick { QUICK } else { FULL };
    if has_curves {
        let (curves, panels) = curves::run(&contenders, folder, extent.turn);
        sections.push(("curves", curves));
        return Ok((sections, panels));
    }
    let nginx = Nginx::start(folder, &contenders);
    if let Err(reason) = &nginx {
        println!("left out: all that is behind nginx: {reason}");
    }
    let (contest, panels) = contest::run(&contenders, nginx.as_ref().ok(), extent);
    sections.push(("contest", contest));
    let streams = streams::run(&contenders, extent.rounds, extent.turn);
    sections.push(("streams", streams));
    sections.push(("system_calls", syscalls::run(&contenders, folder)));
    Ok((sections, panels))
}

/// A thousand connections are a thousand files.
fn allow_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        println!("no more files can be open at a time: {error}");
    }
}

/// What the figures depend on.
fn machine() -> Value {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.map(|line| line.trim_start_matches([' ', '\t', ':']).to_owned());
    json!({
        "processor": model,
        "processors": std::thread::available_parallelism().map_or(1, usize::from),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "load_before": read("/proc/loadavg").trim(),
    })
}
