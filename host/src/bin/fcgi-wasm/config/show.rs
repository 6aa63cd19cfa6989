//! What is in effect, and where it comes from.

use std::fmt::Write;

use super::document::Document;

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
            let is_bare = effective.place.is_some() || key.kind.is_written_bare();
            let written = match (key.name, is_bare) {
                ("env" | "setting", _) => names_only(document, section, key.name),
                (_, true) => effective
                    .written
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" "),
                (_, false) => format!("{:?}", effective.written),
            };
            let setting = format!("{} = {written}", key.name);
            let origin = match effective.place {
                Some(place) => place.to_string(),
                None => "default".to_owned(),
            };
            let _ = writeln!(text, "{setting:WIDTH$}  # {origin}");
        }
        text.push('\n');
    }
    text
}

fn names_only(document: &Document, section: &super::document::Section, key: &str) -> String {
    let pairs: Vec<(String, String)> = document.value(section, key).unwrap_or_default();
    let pairs = pairs.iter().map(|(name, _)| format!("{name} = \"…\""));
    format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
}
