//! The status page, as one text.

use std::fmt::Write;
use std::time::Duration;

use crate::message::printable;
use crate::observe::counts::HISTORY_SECONDS;
use crate::observe::snapshot::{App, Running, Snapshot};

/// Keeps the page up to date.
pub(super) const SCRIPT: &str = include_str!("page.js");

const STYLE: &str = include_str!("page.css");

/// How many applications are shown, the busiest first.
const APPS_SHOWN_MAX: usize = 200;

/// How high a curve is, in its own units.
const CURVE_HEIGHT: u64 = 24;

pub(super) fn html(snapshot: &Snapshot) -> String {
    let mut html = String::with_capacity(16 * 1024);
    html.push_str("<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n");
    html.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    html.push_str("<noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript>\n");
    html.push_str("<title>fcgi-wasm</title>\n<style>\n");
    html.push_str(STYLE);
    html.push_str("</style>\n<script src=\"/page.js\" defer></script>\n<main>\n");
    write_head(snapshot, &mut html);
    write_apps(&snapshot.apps, &mut html);
    write_running(snapshot, &mut html);
    write_faults(&snapshot.apps, &mut html);
    html.push_str(
        "<footer><a href=\"/status.json\">status.json</a> <a href=\"/metrics\">metrics</a> \
         <a href=\"/healthz\">healthz</a> <a href=\"/readyz\">readyz</a></footer>\n</main>\n",
    );
    html
}

fn write_head(snapshot: &Snapshot, html: &mut String) {
    let state = snapshot.readiness_name();
    let uptime = age(snapshot.uptime);
    let version = env!("CARGO_PKG_VERSION");
    // Writing to a string does not fail.
    let _ = write!(
        html,
        "<header><h1>fcgi-wasm <small>{version}</small></h1><span class=\"state {state}\">{state}\
         </span><span class=\"dim\">for {uptime}</span></header>\n<section class=\"tiles\">\n"
    );
    let sum = |part: fn(&App) -> u64| snapshot.apps.iter().map(part).sum::<u64>();
    let queued = sum(|app| app.now.queued);
    let cpu = Duration::from_millis(sum(App::cpu_share)).as_secs_f64();
    let server = &snapshot.server;
    let dropped = server.log_lines_dropped + sum(|app| app.counts.lines_dropped);
    let tiles = [
        (
            "requests a second",
            sum(App::rate).to_string(),
            format!("{} in all", sum(|app| app.counts.requests())),
        ),
        (
            "under way",
            (snapshot.running_count as u64).to_string(),
            format!("{queued} of them queued"),
        ),
        (
            "processors in use",
            format!("{cpu:.2}"),
            format!(
                "by guests; {} in all by the process",
                age(snapshot.process.cpu_time)
            ),
        ),
        (
            "memory",
            bytes(snapshot.process.resident_bytes),
            format!(
                "resident; {} in instances",
                bytes(sum(|app| app.now.memory_bytes))
            ),
        ),
        (
            "connections",
            server.connections_open.to_string(),
            format!(
                "{} accepted, {} open files",
                server.connections, snapshot.process.open_files
            ),
        ),
        (
            "failures",
            sum(App::faults).to_string(),
            format!(
                "{} protocol errors, {dropped} log lines dropped",
                server.protocol_errors
            ),
        ),
    ];
    for (name, value, detail) in tiles {
        let _ = writeln!(
            html,
            "<div class=\"tile\"><h2>{name}</h2><b>{value}</b><span class=\"dim\">{detail}</span></div>"
        );
    }
    html.push_str("</section>\n");
}

fn write_apps(apps: &[App], html: &mut String) {
    let mut shown: Vec<_> = apps.iter().collect();
    shown.sort_by_key(|app| {
        let busy = (app.now.in_flight, app.cpu_share(), app.rate());
        std::cmp::Reverse((busy, app.counts.requests()))
    });
    let left_out = shown.len().saturating_sub(APPS_SHOWN_MAX);
    shown.truncate(APPS_SHOWN_MAX);
    html.push_str(
        "<section><h2>Applications</h2><div class=\"scroll\"><table>\n<thead><tr><th>tenant<th>\
         application<th class=\"number\">requests/s<th>last minute<th class=\"number\">cpu<th>last \
         minute<th class=\"number\">under way<th class=\"number\">queued<th class=\"number\">memory\
         <th class=\"number\">answers<th>of them<th class=\"number\">mean</tr></thead>\n<tbody>\n",
    );
    if shown.is_empty() {
        html.push_str("<tr><td colspan=\"12\" class=\"dim\">no request has come yet\n");
    }
    for app in shown {
        write_app(app, html);
    }
    html.push_str("</tbody></table></div>\n");
    if left_out > 0 {
        let _ = writeln!(
            html,
            "<p class=\"dim\">and {left_out} less busy ones: see status.json</p>"
        );
    }
    html.push_str("</section>\n");
}

fn write_app(app: &App, html: &mut String) {
    let counts = &app.counts;
    let history = &counts.history;
    let refused = match app.is_refused {
        true => " <span class=\"dim\">(new version refused)</span>",
        false => "",
    };
    let (requests, cpu) = match history.is_idle() {
        true => (String::new(), String::new()),
        false => (
            curve(history.requests.iter().copied(), "requests"),
            curve(history.cpu_ms.iter().copied(), "ms of processor time"),
        ),
    };
    let _ = writeln!(
        html,
        "<tr><td>{}<td><b>{}</b>{refused}<td class=\"number\">{}<td>{requests}<td class=\"number\">{}&thinsp;%\
         <td class=\"cpu\">{cpu}<td class=\"number\">{}<td class=\"number\">{}<td class=\"number\">{}\
         <td class=\"number\">{}<td>{}<td class=\"number\">{}</tr>",
        escaped(&app.owner.tenant),
        escaped(&app.owner.app),
        app.rate(),
        app.cpu_share() / 10,
        dim_zero(app.now.in_flight),
        dim_zero(app.now.queued),
        bytes(app.now.memory_bytes),
        counts.requests(),
        bar(counts.by_class),
        time(app.mean_duration()),
    );
}

fn write_running(snapshot: &Snapshot, html: &mut String) {
    html.push_str(
        "<section><h2>Running requests</h2><div class=\"scroll\"><table>\n<thead><tr><th \
         class=\"number\">request<th class=\"number\">age<th>state<th>application<th>asked for<th>\
         client<th class=\"number\">cpu<th class=\"number\">memory<th class=\"number\">queued for\
         </tr></thead>\n<tbody>\n",
    );
    if snapshot.running.is_empty() {
        html.push_str("<tr><td colspan=\"9\" class=\"dim\">none at this moment\n");
    }
    for running in &snapshot.running {
        write_one_running(running, html);
    }
    html.push_str("</tbody></table></div>\n");
    let left_out = snapshot.running_count - snapshot.running.len();
    if left_out > 0 {
        let _ = writeln!(
            html,
            "<p class=\"dim\">and {left_out} more, which computed less</p>"
        );
    }
    html.push_str("</section>\n");
}

fn write_one_running(running: &Running, html: &mut String) {
    let owner = match &running.owner {
        Some(owner) => format!(
            "{} / <b>{}</b>",
            escaped(&owner.tenant),
            escaped(&owner.app)
        ),
        None => String::new(),
    };
    let class = running.state.split(' ').next().unwrap_or_default();
    let _ = writeln!(
        html,
        "<tr><td class=\"number\">{}<td class=\"number\">{}<td><span class=\"state {class}\">{}</span>\
         <td>{owner}<td class=\"path\">{} <span class=\"dim\">{}</span>{}<td>{}\
         <td class=\"number\">{}<td class=\"number\">{}<td class=\"number\">{}</tr>",
        running.id,
        age(running.age),
        running.state,
        escaped(&running.method),
        escaped(&running.host),
        escaped(&running.path),
        escaped(&running.remote),
        time(running.cpu_time),
        bytes(running.memory_bytes),
        time(running.queue_wait),
    );
}

fn write_faults(apps: &[App], html: &mut String) {
    if apps.iter().all(|app| app.counts.faults.is_empty()) {
        return;
    }
    html.push_str("<section><h2>Failures by cause</h2><div class=\"scroll\"><table class=\"causes\">\n<tbody>\n");
    for app in apps.iter().filter(|app| !app.counts.faults.is_empty()) {
        let (tenant, name) = (escaped(&app.owner.tenant), escaped(&app.owner.app));
        let _ = write!(html, "<tr><td>{tenant}<td><b>{name}</b><td>");
        for (cause, count) in &app.counts.faults {
            let _ = write!(html, "<span class=\"cause\">{cause} <b>{count}</b></span> ");
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div></section>\n");
}

/// A curve of the last minute, with its highest value for who points at it.
fn curve(values: impl DoubleEndedIterator<Item = u64> + Clone, what: &str) -> String {
    let highest = values.clone().max().unwrap_or(0);
    let mut path = String::new();
    for (index, value) in values.rev().enumerate() {
        let x = HISTORY_SECONDS - 1 - index;
        let height = value * CURVE_HEIGHT / highest.max(1);
        let _ = write!(path, "L{x} {}", CURVE_HEIGHT - height);
    }
    let (right, left) = (
        HISTORY_SECONDS - 1,
        HISTORY_SECONDS - path.matches('L').count(),
    );
    format!(
        "<svg viewBox=\"0 0 {right} {CURVE_HEIGHT}\" preserveAspectRatio=\"none\"><title>at most \
         {highest} {what} in a second of the last minute</title><path d=\"M{right} {CURVE_HEIGHT}\
         {path}L{left} {CURVE_HEIGHT}Z\"/></svg>"
    )
}

/// The classes of status, as parts of a bar.
fn bar(by_class: [u64; 5]) -> String {
    let all: u64 = by_class.iter().sum();
    if all == 0 {
        return String::new();
    }
    let classes = ["ok", "moved", "refused", "failed", "aborted"];
    let mut bar = String::from("<span class=\"bar\">");
    for (class, count) in classes.iter().zip(by_class) {
        if count > 0 {
            let _ = write!(bar, "<i class=\"{class}\" style=\"flex-grow:{count}\"></i>");
        }
    }
    let [ok, moved, refused, failed, aborted] = by_class;
    let _ = write!(
        bar,
        "<em>2xx {ok} · 3xx {moved} · 4xx {refused} · 5xx {failed} · aborted {aborted}</em></span>"
    );
    bar
}

fn dim_zero(value: u64) -> String {
    match value {
        0 => "<span class=\"dim\">0</span>".to_owned(),
        value => value.to_string(),
    }
}

fn escaped(text: &str) -> String {
    let text = printable(text).replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}

/// A time as people say it, in one unit or two.
fn age(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// A short time.
fn time(time: Duration) -> String {
    match time.as_micros() {
        0 => "<span class=\"dim\">0</span>".to_owned(),
        micros @ 1..1000 => format!("{micros} µs"),
        micros @ 1000..100_000 => format!("{:.1} ms", micros as f64 / 1e3),
        micros @ 100_000..1_000_000 => format!("{} ms", micros / 1000),
        _ => age(time),
    }
}

fn bytes(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    match (bytes, unit) {
        (0, _) => "<span class=\"dim\">0</span>".to_owned(),
        (_, 0) => format!("{bytes} B"),
        _ if value < 10.0 => format!("{value:.1} {}", units[unit]),
        _ => format!("{value:.0} {}", units[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_visitors_choose_is_text_and_nothing_else() {
        assert_eq!(
            escaped("<a href=\"x\">&\u{202e}"),
            "&lt;a href=&quot;x&quot;&gt;&amp;\\u{202e}"
        );
    }

    #[test]
    fn values_are_readable() {
        for (value, expected) in [(5, "5 B"), (1536, "1.5 KiB"), (100 << 20, "100 MiB")] {
            assert_eq!(bytes(value), expected);
        }
        for (ms, expected) in [
            (1500, "1.5 s"),
            (61_000, "1 min 1 s"),
            (90_000_000, "1 d 1 h"),
        ] {
            assert_eq!(age(Duration::from_millis(ms)), expected);
        }
        assert_eq!(time(Duration::from_micros(1234)), "1.2 ms");
    }

    #[test]
    fn a_curve_ends_at_the_right_and_is_as_high_as_its_highest() {
        let curve = curve([0_u64, 5, 10].into_iter(), "requests");
        let path = format!("M59 {0}L59 0L58 12L57 {0}L57 {0}Z", CURVE_HEIGHT);
        assert!(curve.contains(&path), "{curve}");
        assert!(curve.contains("at most 10 requests"));
    }
}
