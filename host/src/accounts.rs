//! What users and groups of this machine are called, for sentences.
//!
//! By the files alone (passwd(5), group(5)): of those that are kept elsewhere
//! only the number is said.

use std::fs;
use std::io::{BufRead, BufReader};

/// `alice (1001)`, or the number alone.
pub(crate) fn user(id: u32) -> String {
    shown("/etc/passwd", id)
}

/// `www-data (33)`, or the number alone.
pub(crate) fn group(id: u32) -> String {
    shown("/etc/group", id)
}

fn shown(file: &str, id: u32) -> String {
    match name(file, id) {
        Some(name) => format!("{name} ({id})"),
        None => id.to_string(),
    }
}

/// The first field of the line whose third one is this number.
fn name(file: &str, id: u32) -> Option<String> {
    let lines = BufReader::new(fs::File::open(file).ok()?).lines();
    lines.map_while(Result::ok).find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_known_has_a_name() {
        assert_eq!(user(0), "root (0)");
        assert_eq!(group(0), "root (0)");
        assert_eq!(user(4_000_000_000), "4000000000");
    }
}
