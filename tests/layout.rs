//! What the source tree has to look like (the house's rules as tests).

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::Outcome;

tests![
    rooms_import_only_what_they_may,
    only_the_sandbox_names_wasmtime,
    pure_rooms_know_no_runtime_and_no_clock,
    library_types_are_not_deserialised,
    files_are_short_and_have_telling_names,
    every_file_begins_with_its_job,
];

/// Who may import whom inside `host/src`; everything not listed is forbidden.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("fastcgi", &[]),
    ("message", &[]),
    ("policy", &[]),
    ("setup", &[]),
    ("accounts", &[]),
    ("folder", &[]),
    ("told", &[]),
    ("cgi", &["message"]),
    ("router", &["message"]),
    ("listen", &["accounts", "folder", "setup"]),
    ("observe", &["folder", "listen", "message", "setup"]),
    (
        "sandbox",
        &["cgi", "folder", "message", "policy", "setup", "told"],
    ),
    (
        "deploy",
        &[
            "accounts", "cgi", "message", "policy", "sandbox", "setup", "told",
        ],
    ),
    ("frontend", &["cgi", "fastcgi", "message", "told"]),
    ("server", &["frontend", "listen", "message", "told"]),
];

/// Rooms that are bytes in, data out.
const PURE: &[&str] = &["cgi", "fastcgi", "message", "policy", "setup"];

const LINES_MAX: usize = 400;

/// A `mod.rs` is a table of contents.
const TABLE_LINES_MAX: usize = 150;

/// A file is named by what it is about; these are about nothing.
const EMPTY_NAMES: &[&str] = &[
    "util", "utils", "common", "helpers", "types", "manager", "misc",
];

struct Source {
    path: PathBuf,
    /// The part of the path below `host/src`, as the name of a room.
    room: String,
    /// Without its unit tests, which may use what they like.
    code: String,
    lines: usize,
}

fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && path.file_name() != Some("target".as_ref()) {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

fn sources_below(folder: &str) -> Vec<Source> {
    let folder = project().join(folder);
    let mut paths = Vec::new();
    rust_files(&folder, &mut paths);
    assert!(!paths.is_empty(), "no sources in {}", folder.display());
    let source = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("text");
        let below = path.strip_prefix(&folder).expect("below");
        let room = below.components().next().expect("a name").as_os_str();
        let room = room.to_string_lossy().trim_end_matches(".rs").to_owned();
        let code = text.split("#[cfg(test)]\nmod tests").next();
        let code = code.unwrap_or_default().to_owned();
        let lines = text.lines().count();
        Source {
            path,
            room,
            code,
            lines,
        }
    };
    paths.into_iter().map(source).collect()
}

/// The rooms of the library.
fn library() -> Vec<Source> {
    let mut sources = sources_below("host/src");
    sources.retain(|source| source.room != "bin" && source.room != "lib");
    sources
}

/// The lines of code, without comments.
fn code_lines(source: &Source) -> impl Iterator<Item = &str> {
    let lines = source.code.lines().map(str::trim_start);
    lines.filter(|line| !line.starts_with("//"))
}

fn rooms_import_only_what_they_may() -> Outcome {
    for source in library() {
        let room = MAY_IMPORT.iter().find(|(room, _)| *room == source.room);
        let Some((_, allowed)) = room else {
            panic!("{} is in no room of MAY_IMPORT", source.path.display());
        };
        for line in code_lines(&source) {
            for import in line.split("crate::").skip(1) {
                let end = import.find(|character: char| !character.is_alphanumeric());
                let imported = &import[..end.unwrap_or(import.len())];
                let is_allowed = imported == source.room || allowed.contains(&imported);
                let path = source.path.display();
                assert!(is_allowed, "{path} may not import {imported:?}: {line}");
            }
        }
    }
    Ok(())
}

fn only_the_sandbox_names_wasmtime() -> Outcome {
    let mut sources = sources_below("host/src");
    sources.retain(|source| source.room != "sandbox");
    for source in sources {
        // The log's filter names the crate to keep it quiet.
        let is_filter = source.path.ends_with("bin/fcgi-wasm/log/mod.rs");
        let names_it = code_lines(&source).any(|line| line.contains("wasmtime"));
        assert!(!names_it || is_filter, "{}", source.path.display());
    }
    Ok(())
}

fn pure_rooms_know_no_runtime_and_no_clock() -> Outcome {
    let mut sources = library();
    sources.retain(|source| PURE.contains(&source.room.as_str()));
    assert!(sources.len() > 10);
    for source in sources {
        for line in code_lines(&source) {
            for word in [
                "tokio",
                "Instant",
                "SystemTime",
                "std::net",
                "std::os",
                "std::fs",
                "std::thread",
            ] {
                let path = source.path.display();
                assert!(!line.contains(word), "{path} names {word}: {line}");
            }
        }
    }
    Ok(())
}

fn library_types_are_not_deserialised() -> Outcome {
    for source in library() {
        let names_it = code_lines(&source).any(|line| line.contains("serde"));
        assert!(!names_it, "{}", source.path.display());
    }
    Ok(())
}

fn files_are_short_and_have_telling_names() -> Outcome {
    for folder in ["host", "guest-sdk", "examples", "tests"] {
        for source in sources_below(folder) {
            let path = source.path.display();
            let name = source.path.file_stem().expect("a name").to_string_lossy();
            let is_table = name == "mod" && folder == "host";
            let most = if is_table { TABLE_LINES_MAX } else { LINES_MAX };
            // A table of contents may carry its tests.
            let lines = if is_table {
                source.code.lines().count()
            } else {
                source.lines
            };
            assert!(lines <= most, "{path} has {lines} lines");
            assert!(
                !EMPTY_NAMES.contains(&name.as_ref()),
                "{path} is named for nothing"
            );
        }
    }
    Ok(())
}

fn every_file_begins_with_its_job() -> Outcome {
    for folder in ["host", "guest-sdk", "examples", "tests"] {
        for source in sources_below(folder) {
            let begins = source.code.starts_with("//! ");
            assert!(
                begins,
                "{} does not say what it is for",
                source.path.display()
            );
        }
    }
    Ok(())
}
