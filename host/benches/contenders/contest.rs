//! All contenders in turn (ABAB…): throughput, processor time and latency, and
//! what each is of the handler without a guest.

use std::thread::available_parallelism;
use std::time::Duration;

use serde_json::{Value, json};

use crate::entrants::{CEILING, Contender, LIMIT};
use crate::figures::{Percentiles, cell, median};
use crate::load::{Closed, closed, paced};
use crate::nginx::Nginx;
use crate::peer::Place;
use crate::picture::Panel;

/// How much of everything there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub(crate) rounds: usize,
    pub(crate) turn: Duration,
    /// How long requests are sent at a fixed rate, in one turn.
    pub(crate) paced_turn: Duration,
}

/// The rate that all contenders get alike, requests per second.
const RATE: f64 = 1000.0;

/// Connections at a time behind nginx, and without it.
const HTTP_CONNECTIONS: usize = 32;
const FASTCGI_CONNECTIONS: usize = 16;

/// How many requests at a time there are on each connection that is shared,
/// and how many such connections.
const DEPTH: usize = 8;
const SHARED_CONNECTIONS: usize = FASTCGI_CONNECTIONS / DEPTH;

/// How a contender is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    BehindNginx,
    Alone,
    Multiplexed,
}

impl Way {
    fn title(self) -> String {
        match self {
            Self::BehindNginx => {
                format!("Behind nginx (one worker), {HTTP_CONNECTIONS} kept connections")
            }
            Self::Alone => format!("Without nginx, {FASTCGI_CONNECTIONS} connections"),
            Self::Multiplexed => format!(
                "Without nginx, {DEPTH} requests at a time on {SHARED_CONNECTIONS} connections"
            ),
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::BehindNginx => "behind_nginx",
            Self::Alone => "alone",
            Self::Multiplexed => "multiplexed",
        }
    }

    fn connections(self) -> usize {
        match self {
            Self::BehindNginx => HTTP_CONNECTIONS,
            Self::Alone => FASTCGI_CONNECTIONS,
            Self::Multiplexed => SHARED_CONNECTIONS,
        }
    }

    fn load(self, time: Duration) -> Closed {
        Closed {
            connections: self.connections(),
            depth: if self == Self::Multiplexed { DEPTH } else { 1 },
            // One of wrk's threads is enough for nginx's one worker; without
            // it client and server share all processors.
            threads: match self {
                Self::BehindNginx => 1,
                Self::Alone | Self::Multiplexed => available_parallelism().map_or(1, usize::from),
            },
            time,
        }
    }
}

/// What is known of one contender that is asked in one way.
struct Standing<'a> {
    contender: &'a Contender,
    place: Place,
    rates: Vec<f64>,
    processor_us: Vec<f64>,
    /// At the rate that is the same for all, and at half of its own.
    latencies: [Vec<Duration>; 2],
    /// How late we asked then.
    delays: [Vec<Duration>; 2],
    /// Why there is no more.
    complaint: Option<String>,
}

/// Measures everybody; what came of it for programs, and for the eye.
pub(crate) fn run(
    contenders: &[Contender],
    nginx: Option<&Nginx>,
    extent: Extent,
) -> (Value, Vec<Panel>) {
    let (mut sections, mut panels) = (serde_json::Map::new(), Vec::new());
    for way in [Way::BehindNginx, Way::Alone, Way::Multiplexed] {
        let standings = contenders
            .iter()
            .enumerate()
            .filter_map(|(index, contender)| {
                let place = match (way, nginx) {
                    (Way::BehindNginx, Some(nginx)) => Place::Http(nginx.socket(index)),
                    (Way::BehindNginx, None) => return None,
                    (Way::Multiplexed, _) if !contender.multiplexes => return None,
                    (Way::Alone | Way::Multiplexed, _) => contender.place()?,
                };
                Some(Standing {
                    contender,
                    place,
                    rates: Vec::new(),
                    processor_us: Vec::new(),
                    latencies: Default::default(),
                    delays: Default::default(),
                    complaint: None,
                })
            });
        let mut standings: Vec<_> = standings.collect();
        for _ in 0..extent.rounds {
            for standing in &mut standings {
                standing.turn(way, extent.turn, nginx);
            }
        }
        if way != Way::Multiplexed {
            for _ in 0..extent.rounds.div_ceil(2) {
                for standing in &mut standings {
                    standing.paced_turn(way, extent.paced_turn);
                }
            }
        }
        panels.push(bars(way, &standings));
        sections.insert(way.key().to_owned(), report(way, &standings));
    }
    (Value::Object(sections), panels)
}

impl Standing<'_> {
    fn turn(&mut self, way: Way, time: Duration, nginx: Option<&Nginx>) {
        if self.complaint.is_some() {
            return;
        }
        let processor_time = || match (&self.contender.process, nginx) {
            (Some(process), _) => process.processor_time(),
            (None, Some(nginx)) => nginx.process.processor_time(),
            (None, None) => Duration::ZERO,
        };
        let before = processor_time();
        match closed(&self.place, &self.contender.hello(), way.load(time)) {
            Ok(turn) => {
                let answered = turn.answered as f64;
                let spent = processor_time().saturating_sub(before);
                self.rates.push(answered / turn.seconds);
                self.processor_us.push(spent.as_secs_f64() * 1e6 / answered);
            }
            Err(complaint) => self.complaint = Some(complaint),
        }
    }

    fn paced_turn(&mut self, way: Way, time: Duration) {
        let half = median(self.rates.clone()).unwrap_or_default() / 2.0;
        for (index, rate) in [RATE, half].into_iter().enumerate() {
            if self.complaint.is_some() || rate < 1.0 {
                return;
            }
            let hello = self.contender.hello();
            match paced(&self.place, &hello, way.connections(), rate, time) {
                Ok(paced) => {
                    self.latencies[index].extend(paced.latencies);
                    self.delays[index].extend(paced.delays);
                }
                Err(complaint) => {
                    println!("{}: {complaint}", self.contender.name);
                }
            }
        }
    }

    fn rate(&self) -> Option<f64> {
        median(self.rates.clone())
    }

    fn percentiles(&self) -> [Option<Percentiles>; 2] {
        self.latencies.clone().map(Percentiles::of)
    }

    fn delays(&self) -> [Option<f64>; 2] {
        let delays = self.delays.clone().map(Percentiles::of);
        delays.map(|known| known.map(|known| known.p99))
    }
}

/// Prints the table, and gives it as JSON.
fn report(way: Way, standings: &[Standing<'_>]) -> Value {
    let limit = standings
        .iter()
        .find(|standing| standing.contender.name == LIMIT);
    let limit = limit.and_then(Standing::rate);
    println!("\n{}", way.title());
    println!(
        "{:<34} {:>11} {:>7} {:>10} | at {RATE:.0}/s: {:>7} {:>7} {:>7} {:>7} | \
         at half: {:>7} {:>7} {:>7} {:>7}",
        "",
        "requests/s",
        "ratio",
        "server us",
        "p50 us",
        "p99",
        "p99.9",
        "(late)",
        "p50 us",
        "p99",
        "p99.9",
        "(late)"
    );
    let rows = standings.iter().map(|standing| {
        let name = standing.contender.name;
        let rate = standing.rate();
        let ratio = rate.zip(limit).map(|(rate, limit)| rate / limit);
        let processor_us = median(standing.processor_us.clone());
        // fcgiwrap lets nobody know what its programs took.
        let processor_us = processor_us.filter(|micros| *micros > 0.0);
        let latencies = standing.percentiles();
        let delays = standing.delays();
        let cells = [0, 1].map(|index| {
            let known = latencies[index];
            let cells = [
                known.map(|known| known.p50),
                known.map(|known| known.p99),
                known.map(|known| known.p999),
                delays[index],
            ];
            cells
                .map(|figure| format!("{:>7}", cell(figure, 0)))
                .join(" ")
        });
        println!(
            "{name:<34} {:>11} {:>7} {:>10} | {:>10} {} | {:>8} {}",
            cell(rate, 0),
            cell(ratio, 2),
            cell(processor_us, 1),
            "",
            cells[0],
            "",
            cells[1],
        );
        if let Some(complaint) = &standing.complaint {
            println!("    {complaint}");
        }
        json!({
            "name": name,
            "requests_per_second": rate,
            "all_turns": standing.rates,
            "ratio_to_limit": ratio,
            "server_processor_us": processor_us,
            "our_own_delay_p99_us": delays,
            "at_fixed_rate": latencies[0].map(|known| known.json()),
            "at_half_of_its_rate": latencies[1].map(|known| known.json()),
            "complaint": standing.complaint,
        })
    });
    rows.collect()
}

fn bars(way: Way, standings: &[Standing<'_>]) -> Panel {
    let bars = standings.iter().filter_map(|standing| {
        let is_ceiling = standing.contender.name == CEILING;
        let name = standing.contender.name.to_owned();
        standing.rate().map(|rate| (name, rate, is_ceiling))
    });
    Panel::Bars {
        title: format!("{}: requests/s", way.title()),
        bars: bars.collect(),
    }
}
