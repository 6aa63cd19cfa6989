//! Metrics, in the text format of Prometheus (version 0.0.4).
//!
//! Written by hand: what is counted stands in the [`Board`](super::Board) in
//! any case, as the status page shows it, and the format is a line a value.

use std::fmt::{Display, Write};
use std::time::Duration;

use super::board::Readiness;
use super::counts::{BOUNDS, CLASSES, Histogram};
use super::snapshot::{App, Snapshot};

/// Each metric: its name, its type, and what it is.
pub const METRICS: &[(&str, &str, &str)] = &[
    (
        "fcgi_wasm_build_info",
        "gauge",
        "1, for the version that runs",
    ),
    (
        "fcgi_wasm_ready",
        "gauge",
        "1 while requests are served, 0 while starting or stopping",
    ),
    (
        "fcgi_wasm_requests_total",
        "counter",
        "Requests whose answer is over, by class of status",
    ),
    (
        "fcgi_wasm_faults_total",
        "counter",
        "Requests that failed, by cause",
    ),
    (
        "fcgi_wasm_requests_in_flight",
        "gauge",
        "Requests of which something is left, queued ones and work after answers included",
    ),
    (
        "fcgi_wasm_requests_queued",
        "gauge",
        "Requests that wait for a place",
    ),
    (
        "fcgi_wasm_request_duration_seconds",
        "histogram",
        "Time from the request to the end of its answer",
    ),
    (
        "fcgi_wasm_app_cpu_seconds_total",
        "counter",
        "Processor time of guests, work after answers included",
    ),
    (
        "fcgi_wasm_app_paused_seconds_total",
        "counter",
        "Time that requests were paused because cpu_share was used up",
    ),
    (
        "fcgi_wasm_app_queue_seconds_total",
        "counter",
        "Time that requests waited for a place",
    ),
    (
        "fcgi_wasm_app_memory_bytes",
        "gauge",
        "Memory of the instances that live",
    ),
    (
        "fcgi_wasm_app_memory_peak_bytes",
        "gauge",
        "The most memory that one instance had",
    ),
    (
        "fcgi_wasm_received_bytes_total",
        "counter",
        "Bytes of request bodies",
    ),
    (
        "fcgi_wasm_sent_bytes_total",
        "counter",
        "Bytes of response bodies",
    ),
    (
        "fcgi_wasm_app_lines_dropped_total",
        "counter",
        "Lines of applications that were dropped: over a request's limit",
    ),
    (
        "fcgi_wasm_app_refused_version",
        "gauge",
        "1 while an older version serves because the file's was refused",
    ),
    (
        "fcgi_wasm_app_compilations_total",
        "counter",
        "Versions of an application that were compiled or could not be",
    ),
    (
        "fcgi_wasm_app_compilation_seconds_total",
        "counter",
        "Time that compiling an application's versions took",
    ),
    (
        "fcgi_wasm_queue_wait_seconds",
        "histogram",
        "What a request waited for a place",
    ),
    (
        "fcgi_wasm_cpu_seconds",
        "histogram",
        "What a request took of a processor",
    ),
    (
        "fcgi_wasm_connections",
        "gauge",
        "Connections that are open",
    ),
    (
        "fcgi_wasm_connections_total",
        "counter",
        "Connections that were accepted",
    ),
    (
        "fcgi_wasm_accept_failures_total",
        "counter",
        "Connections that could not be accepted",
    ),
    (
        "fcgi_wasm_protocol_errors_total",
        "counter",
        "Connections whose peer broke the protocol",
    ),
    (
        "fcgi_wasm_compilations_total",
        "counter",
        "Components that were compiled or could not be",
    ),
    (
        "fcgi_wasm_compilation_seconds_total",
        "counter",
        "Time that compiling took",
    ),
    (
        "fcgi_wasm_cache_hits_total",
        "counter",
        "Components whose compiled code was found in the cache",
    ),
    (
        "fcgi_wasm_apps_loaded",
        "gauge",
        "Applications that are loaded",
    ),
    (
        "fcgi_wasm_apps_loaded_max",
        "gauge",
        "Applications that may be loaded at a time",
    ),
    (
        "fcgi_wasm_apps_loaded_bytes",
        "gauge",
        "What the loaded applications take",
    ),
    (
        "fcgi_wasm_apps_evicted_total",
        "counter",
        "Applications that were unloaded because others needed the room",
    ),
    (
        "fcgi_wasm_log_lines_dropped_total",
        "counter",
        "Lines of the access log and of tenants' logs that were dropped",
    ),
    (
        "process_start_time_seconds",
        "gauge",
        "When the process started, since 1970",
    ),
    (
        "process_cpu_seconds_total",
        "counter",
        "Processor time of the process",
    ),
    (
        "process_resident_memory_bytes",
        "gauge",
        "Memory of the process that is resident",
    ),
    ("process_open_fds", "gauge", "Open file descriptors"),
    ("process_threads", "gauge", "Threads"),
];

/// All metrics of this moment.
pub(super) fn write(snapshot: &Snapshot) -> String {
    let mut metrics = Metrics::default();
    let server = &snapshot.server;
    let process = &snapshot.process;
    let deployed = &snapshot.deployed;
    let version = label("version", env!("CARGO_PKG_VERSION"));
    metrics.family("fcgi_wasm_build_info").value(&version, 1);
    let is_ready = u8::from(snapshot.readiness == Readiness::Ready);
    metrics.family("fcgi_wasm_ready").value("", is_ready);
    write_apps(&mut metrics, &snapshot.apps);
    let times = &snapshot.times;
    metrics
        .family("fcgi_wasm_queue_wait_seconds")
        .histogram("", &times.queue_wait);
    metrics
        .family("fcgi_wasm_cpu_seconds")
        .histogram("", &times.cpu_time);
    for (name, value) in [
        ("fcgi_wasm_connections", server.connections_open as f64),
        ("fcgi_wasm_connections_total", server.connections as f64),
        (
            "fcgi_wasm_accept_failures_total",
            server.accept_failures as f64,
        ),
        (
            "fcgi_wasm_protocol_errors_total",
            server.protocol_errors as f64,
        ),
        ("fcgi_wasm_compilations_total", server.compilations as f64),
        (
            "fcgi_wasm_compilation_seconds_total",
            Duration::from_millis(server.compilation_ms).as_secs_f64(),
        ),
        ("fcgi_wasm_cache_hits_total", server.cache_hits as f64),
        ("fcgi_wasm_apps_loaded", deployed.loaded as f64),
        ("fcgi_wasm_apps_loaded_max", deployed.loaded_max as f64),
        ("fcgi_wasm_apps_loaded_bytes", deployed.loaded_bytes as f64),
        ("fcgi_wasm_apps_evicted_total", deployed.evicted as f64),
        (
            "fcgi_wasm_log_lines_dropped_total",
            server.log_lines_dropped as f64,
        ),
        (
            "process_start_time_seconds",
            snapshot.started_at.as_secs_f64(),
        ),
        ("process_cpu_seconds_total", process.cpu_time.as_secs_f64()),
        (
            "process_resident_memory_bytes",
            process.resident_bytes as f64,
        ),
        ("process_open_fds", process.open_files as f64),
        ("process_threads", process.threads as f64),
    ] {
        metrics.family(name).value("", value);
    }
    metrics.0
}

fn write_apps(metrics: &mut Metrics, apps: &[App]) {
    let labels: Vec<_> = apps
        .iter()
        .map(|app| {
            let tenant = label("tenant", &app.owner.tenant);
            format!("{tenant},{}", label("app", &app.owner.app))
        })
        .collect();
    let apps = || labels.iter().zip(apps);
    metrics.family("fcgi_wasm_requests_total");
    for (labels, app) in apps() {
        for (class, count) in CLASSES.iter().zip(app.counts.by_class) {
            metrics.value(&format!("{labels},{}", label("class", class)), count);
        }
    }
    metrics.family("fcgi_wasm_faults_total");
    for (labels, app) in apps() {
        for (cause, count) in &app.counts.faults {
            metrics.value(&format!("{labels},{}", label("cause", cause)), count);
        }
    }
    metrics.family("fcgi_wasm_request_duration_seconds");
    for (labels, app) in apps() {
        metrics.histogram(labels, &app.counts.duration);
    }
    let values: [(&str, Value); 13] = [
        ("fcgi_wasm_requests_in_flight", |app| {
            app.now.in_flight as f64
        }),
        ("fcgi_wasm_requests_queued", |app| app.now.queued as f64),
        ("fcgi_wasm_app_cpu_seconds_total", |app| {
            app.cpu_time().as_secs_f64()
        }),
        ("fcgi_wasm_app_paused_seconds_total", |app| {
            app.paused().as_secs_f64()
        }),
        ("fcgi_wasm_app_queue_seconds_total", |app| {
            app.counts.queue_wait.as_secs_f64()
        }),
        ("fcgi_wasm_app_memory_bytes", |app| {
            app.now.memory_bytes as f64
        }),
        ("fcgi_wasm_app_memory_peak_bytes", |app| {
            app.counts.memory_bytes_peak as f64
        }),
        ("fcgi_wasm_received_bytes_total", |app| {
            app.counts.bytes_in as f64
        }),
        ("fcgi_wasm_sent_bytes_total", |app| {
            app.counts.bytes_out as f64
        }),
        ("fcgi_wasm_app_lines_dropped_total", |app| {
            app.counts.lines_dropped as f64
        }),
        ("fcgi_wasm_app_refused_version", |app| {
            f64::from(u8::from(app.is_refused))
        }),
        ("fcgi_wasm_app_compilations_total", |app| {
            app.counts.compilations as f64
        }),
        ("fcgi_wasm_app_compilation_seconds_total", |app| {
            app.counts.compilation_time.as_secs_f64()
        }),
    ];
    for (name, value) in values {
        metrics.family(name);
        for (labels, app) in apps() {
            metrics.value(labels, value(app));
        }
    }
}

/// What a metric is of an application.
type Value = fn(&App) -> f64;

/// The text that is written, and which family comes at its end.
#[derive(Default)]
struct Metrics(String, &'static str);

impl Metrics {
    /// Begins a family of [`METRICS`].
    fn family(&mut self, name: &str) -> &mut Self {
        let known = METRICS.iter().find(|(known, ..)| *known == name);
        if let Some((name, kind, help)) = known {
            // Writing to a string does not fail.
            let _ = write!(self.0, "# HELP {name} {help}.\n# TYPE {name} {kind}\n");
            self.1 = name;
        }
        self
    }

    fn value(&mut self, labels: &str, value: impl Display) {
        self.line("", labels, value);
    }

    fn histogram(&mut self, labels: &str, histogram: &Histogram) {
        let before = if labels.is_empty() { "" } else { "," };
        let mut count = 0;
        for (index, more) in histogram.counts.iter().enumerate() {
            count += more;
            let bound = BOUNDS.get(index).copied().unwrap_or(f64::INFINITY);
            let bound = match bound.is_finite() {
                true => bound.to_string(),
                false => "+Inf".to_owned(),
            };
            self.line("_bucket", &format!("{labels}{before}le=\"{bound}\""), count);
        }
        self.line("_sum", labels, histogram.sum.as_secs_f64());
        self.line("_count", labels, count);
    }

    fn line(&mut self, suffix: &str, labels: &str, value: impl Display) {
        let name = self.1;
        let _ = match labels {
            "" => writeln!(self.0, "{name}{suffix} {value}"),
            labels => writeln!(self.0, "{name}{suffix}{{{labels}}} {value}"),
        };
    }
}

fn label(name: &str, value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"");
    format!("{name}=\"{}\"", value.replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::Board;

    #[test]
    fn every_metric_is_written() {
        let text = write(&Snapshot::of(&Board::new()));
        for (name, kind, _) in METRICS {
            assert!(text.contains(&format!("# TYPE {name} {kind}\n")), "{name}");
        }
        assert_eq!(text.matches("# TYPE").count(), METRICS.len());
    }

    #[test]
    fn a_name_can_not_end_its_quotes() {
        assert_eq!(label("app", "a\"b\\c\nd"), r#"app="a\"b\\c\nd""#);
    }
}
