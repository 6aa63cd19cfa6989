//! The results as the tables of host/docs/performance.md.

use std::fmt::Write;

use serde_json::Value;

use crate::figures::cell;

// Writing to a string can not fail, so what that says is left.

/// All tables of what was measured.
pub(crate) fn write(results: &Value) -> String {
    let mut text = String::new();
    let machine = &results["machine"];
    let _ = writeln!(
        text,
        "{} processors ({}), kernel {}, load before {}.",
        machine["processors"],
        machine["processor"].as_str().unwrap_or("?"),
        machine["kernel"].as_str().unwrap_or("?"),
        machine["load_before"].as_str().unwrap_or("?"),
    );
    for row in list(&results["left_out"]) {
        let _ = writeln!(
            text,
            "Left out: {}: {}.",
            word(row, "name"),
            word(row, "reason")
        );
    }
    for (title, header, rows) in tables(results) {
        if rows.is_empty() {
            continue;
        }
        let columns = header.split('|').count();
        let _ = writeln!(
            text,
            "\n### {title}\n\n| {header} |\n|{}",
            " --- |".repeat(columns)
        );
        for row in rows {
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
    }
    text
}

type Table = (&'static str, &'static str, Vec<Vec<String>>);

fn tables(results: &Value) -> Vec<Table> {
    let contest = &results["contest"];
    vec![
        (
            "Targets",
            "what | measured | target | verdict",
            rows(&results["targets"], |row| {
                ["what", "text", "target", "verdict"]
                    .map(|key| word(row, key))
                    .into()
            }),
        ),
        (
            "Who answers hello",
            "who | behind nginx: requests/s | ratio | server µs \
             | without nginx: requests/s | ratio | server µs",
            rows(&contest["behind_nginx"], |row| {
                let alone = find(&contest["alone"], &word(row, "name"));
                [vec![word(row, "name")], throughput(row), throughput(alone)].concat()
            }),
        ),
        (
            "Several requests at a time on a connection, without nginx",
            "who | requests/s | ratio | server µs",
            rows(&contest["multiplexed"], |row| {
                [vec![word(row, "name")], throughput(row)].concat()
            }),
        ),
        (
            "How long visitors wait, µs, behind nginx",
            LATENCIES,
            latencies(&contest["behind_nginx"]),
        ),
        (
            "How long visitors wait, µs, without nginx",
            LATENCIES,
            latencies(&contest["alone"]),
        ),
        (
            "64 MiB through the socket",
            "who | direction | MB/s | ratio",
            rows(&results["streams"], |row| {
                vec![
                    word(row, "name"),
                    word(row, "direction"),
                    number(row, "/megabytes_per_second", 0),
                    number(row, "/ratio_to_limit", 2),
                ]
            }),
        ),
        (
            "System calls of a request",
            "who | calls | which",
            rows(&results["system_calls"], |row| {
                let calls = row["calls"].as_object().into_iter().flatten();
                let mut calls: Vec<_> = calls
                    .map(|(name, count)| (name, count.as_f64().unwrap_or_default()))
                    .collect();
                calls.sort_by(|(_, one), (_, other)| other.total_cmp(one));
                let names = calls
                    .iter()
                    .map(|(name, count)| format!("`{name}` {count:.2}"));
                let names: Vec<_> = names.collect();
                vec![word(row, "name"), number(row, "/sum", 2), names.join(", ")]
            }),
        ),
        (
            "Parts of a request",
            "part | processor time | instructions",
            rows(&results["parts"]["alone"], |row| {
                let name = word(row, "name");
                let counted = find(&results["instructions"], &name);
                let time = match row.get("us") {
                    Some(_) => format!("{} µs", number(row, "/us", 2)),
                    None => format!("{} MB/s", number(row, "/megabytes_per_second", 0)),
                };
                vec![name, time, number(counted, "/instructions", 0)]
            }),
        ),
        (
            "Two threads",
            "guest | times what one does",
            rows(&results["parts"]["two_threads"], |row| {
                vec![word(row, "name"), number(row, "/factor", 2)]
            }),
        ),
        (
            "By connections",
            "who | connections | requests/s | p50 µs | p99 µs",
            {
                rows(&results["curves"]["connections"], |row| {
                    vec![
                        word(row, "name"),
                        number(row, "/connections", 0),
                        number(row, "/requests_per_second", 0),
                        number(row, "/latency/p50_us", 0),
                        number(row, "/latency/p99_us", 0),
                    ]
                })
            },
        ),
        ("Bodies down", BODIES, bodies(&results["curves"]["down"])),
        ("Bodies up", BODIES, bodies(&results["curves"]["up"])),
        (
            "By applications",
            "applications | ready after ms | first answer after ms | first request, mean ms | requests/s | p50 µs | p99 µs",
            rows(&results["curves"]["apps"], |row| {
                [vec![number(row, "/apps", 0)], grown(row)].concat()
            }),
        ),
        (
            "By size of the guest",
            "guest | bytes | ready after ms | first answer after ms | first request ms | requests/s | p50 µs | p99 µs",
            rows(&results["curves"]["sizes"], |row| {
                [
                    vec![word(row, "name"), number(row, "/bytes", 0)],
                    grown(row),
                ]
                .concat()
            }),
        ),
    ]
}

fn throughput(row: &Value) -> Vec<String> {
    vec![
        number(row, "/requests_per_second", 0),
        number(row, "/ratio_to_limit", 2),
        number(row, "/server_processor_us", 1),
    ]
}

const LATENCIES: &str = "who | at 1000/s: p50 | p99 | p99.9 | of these ours, p99 \
                         | at half of its rate: p50 | p99 | p99.9 | of these ours, p99";

fn latencies(standings: &Value) -> Vec<Vec<String>> {
    rows(standings, |row| {
        let mut cells = vec![word(row, "name")];
        for (index, rate) in ["at_fixed_rate", "at_half_of_its_rate"].iter().enumerate() {
            for percentile in ["p50", "p99", "p999"] {
                cells.push(number(row, &format!("/{rate}/{percentile}_us"), 0));
            }
            cells.push(number(row, &format!("/our_own_delay_p99_us/{index}"), 0));
        }
        cells
    })
}

const BODIES: &str = "who | bytes | requests/s | MB/s";

fn bodies(curve: &Value) -> Vec<Vec<String>> {
    rows(curve, |row| {
        vec![
            word(row, "name"),
            number(row, "/bytes", 0),
            number(row, "/requests_per_second", 1),
            number(row, "/megabytes_per_second", 0),
        ]
    })
}

fn grown(row: &Value) -> Vec<String> {
    vec![
        number(row, "/ready_ms", 0),
        number(row, "/answered_ms", 0),
        number(row, "/first_ms", 2),
        number(row, "/requests_per_second", 0),
        number(row, "/latency/p50_us", 0),
        number(row, "/latency/p99_us", 0),
    ]
}

fn rows(list_of: &Value, row: impl Fn(&Value) -> Vec<String>) -> Vec<Vec<String>> {
    list(list_of).iter().map(row).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The row of this name; nothing if there is none.
fn find<'v>(rows: &'v Value, name: &str) -> &'v Value {
    let found = list(rows).iter().find(|row| row["name"] == name);
    found.unwrap_or(&Value::Null)
}

fn word(row: &Value, key: &str) -> String {
    row[key].as_str().unwrap_or_default().to_owned()
}

fn number(row: &Value, at: &str, decimals: usize) -> String {
    cell(row.pointer(at).and_then(Value::as_f64), decimals)
}
