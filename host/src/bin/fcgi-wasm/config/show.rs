//! What is in effect, and where it comes from.

use std::fmt::Write;

use super::complaint::Place;
use super::document::{Document, Section};
use super::keys::{Key, TABLES, Table};

/// How wide a setting is before the note of where it comes from.
const WIDTH: usize = 40;

/// The configuration as one file, with everything that is not said filled in.
/// Values of `env` may be secrets: only their names are shown.
pub(super) fn show(document: &Document) -> String {
    let mut text = String::new();
    for section in &document.sections {
        // Writing to a `String` does not fail.
        let _ = writeln!(text, "[{}]  # {}", section.path(), section.place);
        for key in section.table.keys() {
            let Some(effective) = document.effective(section, key) else {
                continue;
            };
            let written = match (key.name, effective.place) {
                ("env" | "setting", _) => names_only(document, section, key.name),
                (_, Some(_)) => effective
                    .written
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" "),
                (_, None) => default(key),
            };
            line(&mut text, key, &written, effective.place);
        }
        text.push('\n');
    }
    // What is of the process holds without being written, too.
    let is_missing = |table: &&Table| !table.is_named() && document.section(table.name).is_none();
    for table in TABLES.iter().filter(is_missing) {
        let _ = writeln!(text, "[{}]", table.name);
        for key in table.keys().filter(|key| !key.default.is_empty()) {
            line(&mut text, key, &default(key), None);
        }
        text.push('\n');
    }
    text
}

fn line(text: &mut String, key: &Key, written: &str, place: Option<&Place>) {
    let setting = format!("{} = {written}", key.name);
    let origin = match place {
        Some(place) => place.to_string(),
        None => "default".to_owned(),
    };
    let _ = writeln!(text, "{setting:WIDTH$}  # {origin}");
}

/// A default, as it would stand in a file.
fn default(key: &Key) -> String {
    match key.kind.is_written_bare() {
        true => key.default.to_owned(),
        false => format!("{:?}", key.default),
    }
}

fn names_only(document: &Document, section: &Section, key: &str) -> String {
    let pairs: Vec<(String, String)> = document.value(section, key).unwrap_or_default();
    let pairs = pairs.iter().map(|(name, _)| format!("{name} = \"…\""));
    format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
}
