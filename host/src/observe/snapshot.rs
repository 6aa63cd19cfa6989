//! The board at one moment, as plain data: what the status page, its JSON and
//! the metrics are written from.

use std::collections::HashMap;
use std::sync::PoisonError;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::board::{Board, Live, Readiness, Times, lock};
use super::counts::{CLASSES, Counts};
use super::json::Json;
use super::process::Process;
use crate::message::{Deployed, Owner, Stage};

/// How many running requests are shown, those first that computed most: a
/// person reads some, and a page of all could have thousands.
const RUNNING_SHOWN_MAX: usize = 200;

pub(super) struct Snapshot {
    pub(super) readiness: Readiness,
    pub(super) silence: Duration,
    pub(super) uptime: Duration,
    pub(super) started_at: Duration,
    pub(super) process: Process,
    pub(super) server: Server,
    pub(super) deployed: Deployed,
    pub(super) times: Times,
    /// Ordered by tenant and name.
    pub(super) apps: Vec<App>,
    /// Those that computed most first.
    pub(super) running: Vec<Running>,
    /// All of them, of which `running` may be only a part.
    pub(super) running_count: usize,
}

pub(super) struct Server {
    pub(super) connections_open: u64,
    pub(super) connections: u64,
    pub(super) accept_failures: u64,
    pub(super) protocol_errors: u64,
    pub(super) compilations: u64,
    pub(super) compilation_ms: u64,
    pub(super) cache_hits: u64,
    pub(super) log_lines_dropped: u64,
}

pub(super) struct App {
    pub(super) owner: Owner,
    pub(super) counts: Counts,
    pub(super) now: Now,
    /// Whether its file has a version that was refused, while an older one serves.
    pub(super) is_refused: bool,
}

/// The requests of an application of which something is left.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Now {
    pub(super) in_flight: u64,
    pub(super) queued: u64,
    pub(super) cpu_time: Duration,
    pub(super) paused: Duration,
    pub(super) memory_bytes: u64,
}

pub(super) struct Running {
    pub(super) id: u64,
    pub(super) age: Duration,
    pub(super) state: &'static str,
    pub(super) method: String,
    pub(super) host: String,
    pub(super) path: String,
    pub(super) remote: String,
    pub(super) owner: Option<Owner>,
    pub(super) cpu_time: Duration,
    pub(super) memory_bytes: u64,
    pub(super) queue_wait: Duration,
}

impl Snapshot {
    pub(super) fn of(board: &Board) -> Self {
        let uptime = board.started.elapsed();
        let live = board.live();
        let mut now: HashMap<Owner, Now> = HashMap::new();
        for live in &live {
            if let Some(owner) = live.journal.owner() {
                now.entry((**owner).clone()).or_default().add(live);
            }
        }
        let deployed = board.deployed();
        for owner in &deployed.refused {
            now.entry(owner.clone()).or_default();
        }
        let known = board.apps.read().unwrap_or_else(PoisonError::into_inner);
        let mut apps: Vec<_> = known
            .iter()
            .map(|(owner, counts)| App {
                owner: owner.clone(),
                counts: lock(counts).clone(),
                now: now.remove(owner).unwrap_or_default(),
                is_refused: deployed.refused.contains(owner),
            })
            .collect();
        drop(known);
        // Those whose first request is still under way, or who had none.
        apps.extend(now.into_iter().map(|(owner, now)| App {
            is_refused: deployed.refused.contains(&owner),
            owner,
            counts: Counts::default(),
            now,
        }));
        apps.sort_by(|one, other| one.owner.cmp(&other.owner));
        let running_count = live.len();
        let since_1970 = board.started_at + uptime;
        let mut running: Vec<_> = live
            .iter()
            .map(|live| Running::of(live, since_1970))
            .collect();
        running.sort_by_key(|running| std::cmp::Reverse((running.cpu_time, running.age)));
        running.truncate(RUNNING_SHOWN_MAX);
        let server = &board.server;
        let connections = server.connections.load(Relaxed);
        let closed = server.connections_closed.load(Relaxed);
        Self {
            readiness: board.readiness(),
            silence: board.silence(),
            uptime,
            started_at: board.started_at,
            process: Process::now(),
            server: Server {
                connections_open: connections.saturating_sub(closed),
                connections,
                accept_failures: server.accept_failures.load(Relaxed),
                protocol_errors: server.protocol_errors.load(Relaxed),
                compilations: server.compilations.load(Relaxed),
                compilation_ms: server.compilation_ms.load(Relaxed),
                cache_hits: server.cache_hits.load(Relaxed),
                log_lines_dropped: board.log_lines_dropped(),
            },
            deployed,
            times: lock(&board.times).clone(),
            apps,
            running,
            running_count,
        }
    }

    pub(super) fn readiness_name(&self) -> &'static str {
        match self.readiness {
            Readiness::Starting => "starting",
            Readiness::Ready => "ready",
            Readiness::Stopping => "stopping",
        }
    }

    /// All of it as JSON.
    pub(super) fn json(&self) -> String {
        Json::object(|json| {
            json.text("version", env!("CARGO_PKG_VERSION"));
            json.text("state", self.readiness_name());
            json.number("uptime_s", self.uptime.as_secs());
            json.number("silence_ms", self.silence.as_millis());
            json.nested("process", |json| {
                json.number("cpu_ms", self.process.cpu_time.as_millis());
                json.number("memory_bytes", self.process.resident_bytes);
                json.number("open_files", self.process.open_files);
                json.number("threads", self.process.threads);
            });
            json.nested("server", |json| {
                json.number("connections_open", self.server.connections_open);
                json.number("connections", self.server.connections);
                json.number("accept_failures", self.server.accept_failures);
                json.number("protocol_errors", self.server.protocol_errors);
                json.number("compilations", self.server.compilations);
                json.number("compilation_ms", self.server.compilation_ms);
                json.number("cache_hits", self.server.cache_hits);
                json.number("log_lines_dropped", self.server.log_lines_dropped);
                json.number("apps_loaded", self.deployed.loaded);
                json.number("apps_loaded_max", self.deployed.loaded_max);
                json.number("apps_loaded_bytes", self.deployed.loaded_bytes);
                json.number("apps_evicted", self.deployed.evicted);
            });
            json.objects("apps", &self.apps, |json, app| app.json(json));
            json.number("running_count", self.running_count);
            json.objects("running", &self.running, |json, running| running.json(json));
        })
    }
}

impl Now {
    fn add(&mut self, live: &Live) {
        self.in_flight += 1;
        self.queued += u64::from(live.journal.stage() == Stage::Queued);
        let usage = live.journal.usage();
        self.cpu_time += usage.cpu_time;
        self.paused += usage.paused;
        // Memory of WebAssembly only grows, so the peak is what it has.
        self.memory_bytes += usage.memory_bytes_peak;
    }
}

impl App {
    /// Processor time of all of its requests, those under way included.
    pub(super) fn cpu_time(&self) -> Duration {
        self.counts.cpu_time + self.now.cpu_time
    }

    /// The time in which its requests were paused, those under way included.
    pub(super) fn paused(&self) -> Duration {
        self.counts.paused + self.now.paused
    }

    /// The times of its answers, on average.
    pub(super) fn mean_duration(&self) -> Duration {
        let count = u32::try_from(self.counts.duration.count()).unwrap_or(u32::MAX);
        self.counts
            .duration
            .sum
            .checked_div(count)
            .unwrap_or_default()
    }

    /// The part of a processor that it used in the last second, in thousandths.
    pub(super) fn cpu_share(&self) -> u64 {
        self.counts.history.cpu_ms.back().copied().unwrap_or(0)
    }

    /// Its answers in the last second.
    pub(super) fn rate(&self) -> u64 {
        self.counts.history.requests.back().copied().unwrap_or(0)
    }

    pub(super) fn faults(&self) -> u64 {
        self.counts.faults.values().sum()
    }

    fn json(&self, json: &mut Json) {
        let counts = &self.counts;
        json.text("tenant", &self.owner.tenant);
        json.text("app", &self.owner.app);
        json.number("requests", counts.requests());
        json.nested("by_class", |json| {
            for (class, count) in CLASSES.iter().zip(counts.by_class) {
                json.number(class, count);
            }
        });
        json.nested("faults", |json| {
            for (cause, count) in &counts.faults {
                json.number(cause, count);
            }
        });
        json.number("in_flight", self.now.in_flight);
        json.number("queued", self.now.queued);
        json.number("cpu_ms", self.cpu_time().as_millis());
        json.number("paused_ms", self.paused().as_millis());
        json.number("memory_bytes", self.now.memory_bytes);
        json.number("memory_bytes_peak", counts.memory_bytes_peak);
        json.number("mean_duration_us", self.mean_duration().as_micros());
        json.number("queue_ms", counts.queue_wait.as_millis());
        json.number("bytes_in", counts.bytes_in);
        json.number("bytes_out", counts.bytes_out);
        json.number("lines_dropped", counts.lines_dropped);
        json.number("refused_version", self.is_refused);
        json.number("compilations", counts.compilations);
        json.number("compilation_ms", counts.compilation_time.as_millis());
        json.numbers("requests_by_second", &counts.history.requests);
        json.numbers("cpu_ms_by_second", &counts.history.cpu_ms);
    }
}

impl Running {
    fn of(live: &Live, since_1970: Duration) -> Self {
        let (asked, journal) = (&live.asked, &live.journal);
        let usage = journal.usage();
        let age = since_1970.saturating_sub(asked.began);
        Self {
            id: asked.id,
            age,
            state: state(journal.stage(), live.is_answered),
            method: asked.method.clone(),
            host: asked.host.clone(),
            path: asked.path.clone(),
            remote: asked.remote.clone(),
            owner: journal.owner().map(|owner| (**owner).clone()),
            cpu_time: usage.cpu_time,
            memory_bytes: usage.memory_bytes_peak,
            queue_wait: match journal.stage() {
                Stage::Queued => age,
                _ => journal.queue_wait(),
            },
        }
    }

    fn json(&self, json: &mut Json) {
        json.number("id", self.id);
        json.number("age_ms", self.age.as_millis());
        json.text("state", self.state);
        json.text("method", &self.method);
        json.text("host", &self.host);
        json.text("path", &self.path);
        json.text("remote", &self.remote);
        let owner = self.owner.as_ref();
        json.text_or_null("tenant", owner.map(|owner| owner.tenant.as_str()));
        json.text_or_null("app", owner.map(|owner| owner.app.as_str()));
        json.number("cpu_ms", self.cpu_time.as_millis());
        json.number("memory_bytes", self.memory_bytes);
        json.number("queue_ms", self.queue_wait.as_millis());
    }
}

/// What a running request is at, in a word or two.
fn state(stage: Stage, is_answered: bool) -> &'static str {
    match (stage, is_answered) {
        (Stage::Computing, true) => "computing after its answer",
        (Stage::Paused, true) => "paused after its answer",
        (Stage::Waiting | Stage::WaitingForClient, true) => "waiting after its answer",
        (_, true) => "ending",
        (Stage::New, false) => "arriving",
        (Stage::Queued, false) => "queued",
        (Stage::Computing, false) => "computing",
        (Stage::Paused, false) => "paused",
        (Stage::Waiting, false) => "waiting",
        (Stage::WaitingForClient, false) => "waiting for the client",
        (Stage::Done, false) => "sending",
    }
}
