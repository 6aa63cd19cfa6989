//! The status as lines for a terminal.

use bytesize::ByteSize;
use fcgi_wasm::printable;
use serde_json::Value;

/// How wide the columns of names are: so that a path has room in 80 columns.
const NAME_WIDTH: usize = 13;

/// All of the status, what computes most first, in at most so many lines.
pub(crate) fn lines(status: &Value, lines_max: usize) -> Vec<String> {
    let mut lines = head(status);
    let mut apps = list(status, "apps");
    apps.sort_by_key(|app| {
        let busy = (last(app, "cpu_ms_by_second"), number(app, "cpu_ms"));
        std::cmp::Reverse((busy, number(app, "requests")))
    });
    let mut running = list(status, "running");
    running.sort_by_key(|one| std::cmp::Reverse((number(one, "cpu_ms"), number(one, "age_ms"))));
    // Two headings, an empty line before each; half for each table, and what
    // one does not need for the other.
    let room = lines_max.saturating_sub(lines.len() + 4);
    let for_apps = apps
        .len()
        .min((room / 2).max(room.saturating_sub(running.len())));
    lines.push(String::new());
    lines.push(format!(
        "{:>5} {:>6} {:>5} {:>5} {:>9} {:>8} {:>7}  {:NAME_WIDTH$} TENANT",
        "CPU%", "REQ/S", "NOW", "QUEUE", "MEMORY", "ANSWERS", "5XX", "APP"
    ));
    lines.extend(apps.iter().take(for_apps).map(|app| app_line(app)));
    lines.push(String::new());
    lines.push(format!(
        "{:>7} {:>7} {:>8} {:>9} {:9} {:NAME_WIDTH$} ASKED FOR",
        "REQUEST", "AGE", "CPU", "MEMORY", "STATE", "APP"
    ));
    let for_running = room.saturating_sub(for_apps);
    lines.extend(
        running
            .iter()
            .take(for_running)
            .map(|one| running_line(one)),
    );
    lines
}

fn head(status: &Value) -> Vec<String> {
    let (process, server) = (&status["process"], &status["server"]);
    let uptime = std::time::Duration::from_secs(number(status, "uptime_s"));
    let apps = list(status, "apps");
    let cpu: u64 = apps.iter().map(|app| last(app, "cpu_ms_by_second")).sum();
    let rate: u64 = apps.iter().map(|app| last(app, "requests_by_second")).sum();
    let queued: u64 = apps.iter().map(|app| number(app, "queued")).sum();
    vec![
        format!(
            "fcgi-wasm {}: {} for {}",
            text(status, "version"),
            text(status, "state"),
            humantime::format_duration(uptime)
        ),
        format!(
            "requests: {} under way, {queued} of them queued, {rate} a second",
            number(status, "running_count")
        ),
        format!(
            "guests: {}% of a processor; process: {}, {} connections, {} files",
            cpu / 10,
            size(number(process, "memory_bytes")),
            number(server, "connections_open"),
            number(process, "open_files")
        ),
    ]
}

fn app_line(app: &Value) -> String {
    format!(
        "{:>5} {:>6} {:>5} {:>5} {:>9} {:>8} {:>7}  {:NAME_WIDTH$} {}{}",
        last(app, "cpu_ms_by_second") / 10,
        last(app, "requests_by_second"),
        number(app, "in_flight"),
        number(app, "queued"),
        size(number(app, "memory_bytes")),
        number(app, "requests"),
        number(&app["by_class"], "5xx"),
        short(text(app, "app")),
        text(app, "tenant"),
        match app["refused_version"].as_bool() {
            Some(true) => "  (new version refused)",
            _ => "",
        }
    )
}

fn running_line(one: &Value) -> String {
    format!(
        "{:>7} {:>7} {:>8} {:>9} {:9} {:NAME_WIDTH$} {} {} {}",
        number(one, "id"),
        seconds(number(one, "age_ms")),
        format!("{} ms", number(one, "cpu_ms")),
        size(number(one, "memory_bytes")),
        text(one, "state").split(' ').next().unwrap_or_default(),
        short(text(one, "app")),
        text(one, "method"),
        text(one, "path"),
        text(one, "host")
    )
}

fn short(name: String) -> String {
    match name.chars().count() > NAME_WIDTH {
        true => name.chars().take(NAME_WIDTH - 1).chain(['…']).collect(),
        false => name,
    }
}

fn seconds(ms: u64) -> String {
    match ms {
        0..100_000 => format!("{}.{} s", ms / 1000, ms / 100 % 10),
        _ => format!("{} min", ms / 60_000),
    }
}

fn size(bytes: u64) -> String {
    ByteSize(bytes).to_string()
}

fn list<'a>(value: &'a Value, name: &str) -> Vec<&'a Value> {
    value[name].as_array().into_iter().flatten().collect()
}

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or(0)
}

/// The status is read on a terminal, and a client, or a server that is not ours, chose
/// these words.
fn text(value: &Value, name: &str) -> String {
    let text = value[name].as_str().unwrap_or_default();
    printable(text).replace('\t', " ")
}

/// What the last second brought.
fn last(value: &Value, name: &str) -> u64 {
    let values = value[name].as_array();
    let last = values.and_then(|values| values.last());
    last.and_then(Value::as_u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(apps: usize, running: usize) -> Value {
        let apps: Vec<_> = (0..apps)
            .map(|number| json!({"app": format!("app-{number}"), "tenant": "t", "cpu_ms": number}))
            .collect();
        let running: Vec<_> = (0..running)
            .map(|number| json!({"id": number, "cpu_ms": number, "path": "/\u{1b}[31m"}))
            .collect();
        json!({"version": "1", "state": "ready", "apps": apps, "running": running})
    }

    #[test]
    fn what_computes_most_comes_first_and_all_fits() {
        let lines = lines(&status(100, 100), 24);
        assert_eq!(lines.len(), 24);
        assert!(lines[5].contains(" app-99 "), "{lines:#?}");
        let first = lines.iter().position(|line| line.contains("REQUEST"));
        let first = &lines[first.expect("a heading") + 1];
        assert!(first.trim_start().starts_with("99 "), "{first}");
        assert!(first.ends_with(" /\\u{1b}[31m "), "{first}");
    }

    #[test]
    fn a_short_table_leaves_its_room_to_the_other() {
        let lines = lines(&status(1, 100), 40);
        assert_eq!(lines.len(), 40);
        assert!(super::lines(&status(100, 0), usize::MAX).len() > 100);
    }
}
