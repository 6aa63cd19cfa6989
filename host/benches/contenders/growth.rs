//! How cost grows with the number of applications, and with the size of a
//! guest: how long a start takes when all is compiled, what the first request
//! to an application costs, and how many there are then.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::figures::{Percentiles, cell, median};
use crate::guests::guest_file;
use crate::load::{Closed, closed};
use crate::peer::Place;
use crate::picture::Panel;
use crate::process::Process;
use crate::question::Question;
use crate::sized::{CODE_BYTES, DATA_BYTES, sized_guest};

const APPS: &[usize] = &[1, 100, 1000];

/// How often a server is started when all is compiled.
const STARTS: usize = 3;

/// As many connections as there are without nginx elsewhere.
const CONNECTIONS: usize = 16;

type Points = Vec<(f64, f64)>;

/// What is known of one server.
struct Grown {
    /// From the start until it can be connected to, and until it has answered.
    ready: Duration,
    answered: Duration,
    /// What the first request to an application takes, the mean of all.
    first: Duration,
    rate: f64,
    delays: Option<Percentiles>,
}

impl Grown {
    fn print(&self, name: &str) {
        println!(
            "{name:<34} {:>8.0} {:>9.0} {:>8.2} {:>10.0} {:>8} {:>8}",
            self.ready.as_secs_f64() * 1e3,
            self.answered.as_secs_f64() * 1e3,
            self.first.as_secs_f64() * 1e3,
            self.rate,
            cell(self.delays.map(|known| known.p50), 0),
            cell(self.delays.map(|known| known.p99), 0),
        );
    }

    fn json(&self) -> Value {
        json!({
            "ready_ms": self.ready.as_secs_f64() * 1e3,
            "answered_ms": self.answered.as_secs_f64() * 1e3,
            "first_ms": self.first.as_secs_f64() * 1e3,
            "requests_per_second": self.rate,
            "latency": self.delays.map(|known| known.json()),
        })
    }
}

/// Measures both, and prints them.
pub(crate) fn run(folder: &Path, turn: Duration) -> (Value, Value, Vec<Panel>) {
    let folder = folder.join("growth");
    if let Err(error) = fs::create_dir(&folder) {
        println!("left out: applications and sizes: {error}");
        return (Value::Null, Value::Null, Vec::new());
    }
    let heading = || {
        println!(
            "{:<34} {:>8} {:>9} {:>8} {:>10} {:>8} {:>8}",
            "", "ready ms", "answer ms", "first ms", "requests/s", "p50 us", "p99 us"
        );
    };
    println!("\nBy applications that are asked in turn, {CONNECTIONS} connections");
    heading();
    let (apps, mut panels) = by_apps(&folder, turn);
    println!("\nBy bytes of the guest, {CONNECTIONS} connections");
    heading();
    let (sizes, more) = by_size(&folder, turn);
    panels.extend(more);
    (apps, sizes, panels)
}

fn by_apps(folder: &Path, turn: Duration) -> (Value, Vec<Panel>) {
    let (mut rows, mut rates, mut starts) = (Vec::new(), Points::new(), Points::new());
    for &apps in APPS {
        let name = format!("{apps} applications");
        match many(&folder.join(apps.to_string()), apps, turn) {
            Ok(grown) => {
                grown.print(&name);
                rates.push((apps as f64, grown.rate));
                starts.push((apps as f64, grown.answered.as_secs_f64() * 1e3));
                rows.push(with(grown.json(), json!({ "apps": apps })));
            }
            Err(complaint) => println!("{name:<34} {complaint}"),
        }
    }
    let panels = panels(
        "applications",
        vec![("wasi:http 0.2".to_owned(), rates, starts)],
    );
    (rows.into(), panels)
}

fn by_size(folder: &Path, turn: Duration) -> (Value, Vec<Panel>) {
    let (mut rows, mut lines) = (Vec::new(), Vec::new());
    for (kind, sizes) in [("data", DATA_BYTES), ("code", CODE_BYTES)] {
        let (mut rates, mut starts) = (Points::new(), Points::new());
        for &bytes in sizes {
            let name = format!("{kind}, {bytes} B");
            match one(&folder.join(format!("{kind}-{bytes}")), kind, bytes, turn) {
                Ok(grown) => {
                    grown.print(&name);
                    rates.push((bytes as f64, grown.rate));
                    starts.push((bytes as f64, grown.answered.as_secs_f64() * 1e3));
                    rows.push(with(grown.json(), json!({ "name": kind, "bytes": bytes })));
                }
                Err(complaint) => println!("{name:<34} {complaint}"),
            }
        }
        lines.push((kind.to_owned(), rates, starts));
    }
    (rows.into(), panels("bytes of the guest", lines))
}

fn with(mut row: Value, more: Value) -> Value {
    if let (Value::Object(row), Value::Object(more)) = (&mut row, more) {
        row.extend(more);
    }
    row
}

fn panels(across: &str, lines: Vec<(String, Points, Points)>) -> Vec<Panel> {
    let panel = |what: &str, lines| Panel::Lines {
        title: format!("{what} by {across}"),
        across: across.to_owned(),
        lines,
    };
    let (mut rates, mut starts) = (Vec::new(), Vec::new());
    for (name, rate, start) in lines {
        rates.push((name.clone(), rate));
        starts.push((name, start));
    }
    vec![
        panel("Requests/s", rates),
        panel("From the start to the first answer, ms,", starts),
    ]
}

/// So many applications, of which each is a file of its own.
fn many(folder: &Path, apps: usize, turn: Duration) -> Result<Grown, String> {
    let told = |error: std::io::Error| error.to_string();
    fs::create_dir(folder).map_err(told)?;
    let guest = fs::read(guest_file("hello-http")?).map_err(told)?;
    let cache = folder.join("cache");
    let mut config = format!(
        "[server]\ncache = {cache:?}\nloaded_apps = {apps}\n\
         [socket.s]\nunix = \"socket\"\nchoose_by_param = true\n"
    );
    let mut compile = Command::new(env!("CARGO_BIN_EXE_fcgi-wasm"));
    compile.args(["--quiet", "compile", "--cache"]).arg(&cache);
    let mut names = Vec::new();
    for index in 0..apps {
        let path = folder.join(format!("{index}.wasm"));
        fs::write(&path, [&guest[..], &section(index)].concat()).map_err(told)?;
        compile.arg(path);
        let _ = write!(
            config,
            "[app.a{index}]\nfile = \"{index}.wasm\"\nroutes = [\"a{index}.example/\"]\n"
        );
        names.push(format!("a{index}"));
    }
    let file = folder.join("main.toml");
    fs::write(&file, config).map_err(told)?;
    let compiled = compile.output().map_err(told)?;
    if !compiled.status.success() {
        let words = String::from_utf8_lossy(&compiled.stderr).into_owned();
        return Err(words);
    }
    let mut serve = Command::new(env!("CARGO_BIN_EXE_fcgi-wasm"));
    serve.args(["--quiet", "serve", "--config"]).arg(file);
    let question = Question {
        apps: names,
        ..Question::hello("hello\n")
    };
    measure(&serve, folder, &question, turn)
}

/// A custom section (core specification §5.5.3), which makes a component another
/// one and does nothing.
fn section(index: usize) -> Vec<u8> {
    let name = format!("app-{index}");
    let name_bytes = u8::try_from(name.len()).unwrap_or(u8::MAX);
    [&[0, name_bytes + 1, name_bytes], name.as_bytes()].concat()
}

/// One application of so many bytes.
fn one(folder: &Path, kind: &str, bytes: usize, turn: Duration) -> Result<Grown, String> {
    let told = |error: std::io::Error| error.to_string();
    fs::create_dir(folder).map_err(told)?;
    let file = folder.join("guest.wasm");
    fs::write(&file, sized_guest(kind, bytes)?).map_err(told)?;
    let mut serve = Command::new(env!("CARGO_BIN_EXE_fcgi-wasm"));
    serve.args(["--quiet", "serve"]).arg(file);
    serve.arg("--socket").arg(folder.join("socket"));
    serve.arg("--cache").arg(folder.join("cache"));
    measure(&serve, folder, &Question::hello("hello\n"), turn)
}

/// Starts it several times, the first time to have all compiled, and asks the
/// last one.
fn measure(
    serve: &Command,
    folder: &Path,
    question: &Question,
    time: Duration,
) -> Result<Grown, String> {
    let socket = folder.join("socket");
    let place = Place::FastCgi(socket.clone());
    let start = || {
        let mut process = Process::start(serve, folder)?;
        process.wait(|| UnixStream::connect(&socket).is_ok())?;
        Ok::<_, String>(process)
    };
    let ask = |question: &Question, connections, time| {
        let how = Closed {
            connections,
            depth: 1,
            threads: 2,
            time,
        };
        closed(&place, question, how)
    };
    // Each application once.
    let ask_all = || ask(question, 1, Duration::ZERO);
    let process = start()?;
    ask_all()?;
    drop(process);
    let one_of_them = Question {
        apps: question.apps.first().cloned().into_iter().collect(),
        ..question.clone()
    };
    let (mut ready, mut answered) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let began = Instant::now();
        let _process = start()?;
        ready.push(began.elapsed().as_secs_f64());
        ask(&one_of_them, 1, Duration::ZERO)?;
        answered.push(began.elapsed().as_secs_f64());
    }
    let _process = start()?;
    let first = ask_all()?;
    let turn = ask(question, CONNECTIONS, time)?;
    let middle = |times| Duration::from_secs_f64(median(times).unwrap_or_default());
    Ok(Grown {
        ready: middle(ready),
        answered: middle(answered),
        first: Duration::from_secs_f64(first.seconds / first.answered as f64),
        rate: turn.answered as f64 / turn.seconds,
        delays: Percentiles::of(turn.latencies),
    })
}
