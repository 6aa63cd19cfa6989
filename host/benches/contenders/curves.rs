//! How cost grows: with connections at a time, and with the length of bodies;
//! what else it grows with is in `growth`.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::entrants::{Contender, LIMIT};
use crate::figures::{Percentiles, cell};
use crate::growth;
use crate::load::{Closed, Turn, closed};
use crate::picture::Panel;
use crate::question::Question;

const CONNECTIONS: &[usize] = &[1, 10, 100, 1000];

/// Lengths of bodies, bytes: 0 B to 1 GiB.
const BODIES: &[usize] = &[
    0,
    1024,
    16 * 1024,
    256 * 1024,
    4 * 1024 * 1024,
    64 * 1024 * 1024,
    1024 * 1024 * 1024,
];

/// Connections over which bodies go at a time: with more, those of a gigabyte
/// would take half a minute.
const BODY_CONNECTIONS: usize = 2;

type Line = (String, Vec<(f64, f64)>);

/// Measures all curves, without nginx, and prints them.
pub(crate) fn run(contenders: &[Contender], folder: &Path, turn: Duration) -> (Value, Vec<Panel>) {
    let (by_connections, mut panels) = connections(contenders, turn);
    let (down, down_panel) = bodies(contenders, turn, "down", Question::download);
    let (up, up_panel) = bodies(contenders, turn, "up", Question::upload);
    panels.extend([down_panel, up_panel]);
    let (apps, sizes, more) = growth::run(folder, turn);
    panels.extend(more);
    let curves = json!({
        "connections": by_connections, "down": down, "up": up, "apps": apps, "sizes": sizes,
    });
    (curves, panels)
}

fn ask(
    contender: &Contender,
    question: Question,
    connections: usize,
    time: Duration,
) -> Result<Turn, String> {
    let place = contender.place().ok_or("it has no socket of its own")?;
    let how = Closed {
        connections,
        depth: 1,
        threads: 2,
        time,
    };
    closed(&place, &contender.with_extra(question), how)
}

fn connections(contenders: &[Contender], turn: Duration) -> (Value, Vec<Panel>) {
    println!("\nBy connections: requests/s, p50 and p99 in us");
    let (mut rates, mut delays): (Vec<Line>, Vec<Line>) = (Vec::new(), Vec::new());
    let mut rows = Vec::new();
    // Those with bodies are there for them, but for the one without a guest.
    let is_asked = |contender: &&Contender| !contender.has_bodies || contender.name == LIMIT;
    for contender in contenders
        .iter()
        .filter(is_asked)
        .filter(|contender| contender.place().is_some())
    {
        let (mut rate_line, mut delay_line) = (Vec::new(), Vec::new());
        let counts = CONNECTIONS.iter().copied();
        for connections in counts.filter(|count| *count <= contender.connections_max) {
            let name = contender.name;
            let hello = Question::hello(contender.answer);
            let asked = ask(contender, hello, connections, turn);
            let turn = match asked {
                Ok(turn) => turn,
                Err(complaint) => {
                    println!("{name:<34} {connections:>5}: {complaint}");
                    break;
                }
            };
            let rate = turn.answered as f64 / turn.seconds;
            let delays = Percentiles::of(turn.latencies);
            let p99 = delays.map(|known| known.p99);
            println!(
                "{name:<34} {connections:>5} {rate:>10.0} {:>9} {:>9}",
                cell(delays.map(|known| known.p50), 0),
                cell(p99, 0)
            );
            rate_line.push((connections as f64, rate));
            delay_line.extend(p99.map(|p99| (connections as f64, p99)));
            rows.push(json!({
                "name": name, "connections": connections, "requests_per_second": rate,
                "latency": delays.map(|known| known.json()),
            }));
        }
        rates.push((contender.name.to_owned(), rate_line));
        delays.push((contender.name.to_owned(), delay_line));
    }
    let panel = |title: &str, lines| Panel::Lines {
        title: title.to_owned(),
        across: "connections".to_owned(),
        lines,
    };
    let panels = vec![
        panel("Requests/s by connections", rates),
        panel("p99 by connections, us", delays),
    ];
    (rows.into(), panels)
}

fn bodies(
    contenders: &[Contender],
    turn: Duration,
    direction: &str,
    question: fn(usize) -> Question,
) -> (Value, Panel) {
    println!("\nBodies {direction}, {BODY_CONNECTIONS} connections: requests/s and MB/s");
    let (mut lines, mut rows) = (Vec::new(), Vec::new());
    for contender in contenders.iter().filter(|contender| contender.has_bodies) {
        let mut line = Vec::new();
        for &bytes in BODIES {
            let name = contender.name;
            match ask(contender, question(bytes), BODY_CONNECTIONS, turn) {
                Ok(turn) => {
                    let rate = turn.answered as f64 / turn.seconds;
                    let megabytes = rate * bytes as f64 / 1e6;
                    println!("{name:<34} {bytes:>10} B {rate:>10.1} {megabytes:>10.0}");
                    line.push((bytes as f64, rate));
                    rows.push(json!({
                        "name": name, "bytes": bytes, "requests_per_second": rate,
                        "megabytes_per_second": megabytes,
                    }));
                }
                Err(complaint) => println!("{name:<34} {bytes:>10} B: {complaint}"),
            }
        }
        lines.push((contender.name.to_owned(), line));
    }
    let panel = Panel::Lines {
        title: format!("Requests/s by length of the body, {direction}"),
        across: "bytes".to_owned(),
        lines,
    };
    (rows.into(), panel)
}
