//! The conformance list: each item has a test that carries its number, and the
//! manual's table of them is what the sources say.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::Outcome;

tests![
    every_item_has_a_test,
    the_manuals_table_is_what_the_sources_say,
];

/// How many items the list has.
const ITEMS: u32 = 98;

/// Where tests are looked for.
const FOLDERS: &[&str] = &["guest-sdk/src", "host/src", "tests"];

fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// An item of the list, as `tests/conformance.items` has it.
struct Item {
    number: u32,
    what: String,
    /// The section that begins with it.
    section: Option<String>,
}

fn items() -> Vec<Item> {
    let mut items = Vec::new();
    let mut section = None;
    for line in include_str!("conformance.items").lines() {
        if line.starts_with('#') {
            continue;
        }
        let (first, what) = line.split_once(' ').expect("two parts");
        match first.parse() {
            Err(_) => section = Some(format!("{first}. {what}")),
            Ok(number) => items.push(Item {
                number,
                what: what.to_owned(),
                section: section.take(),
            }),
        }
    }
    items
}

/// The tests of each item: their files, and their names without the number.
type Tests = BTreeMap<u32, BTreeSet<(String, String)>>;

fn tests_of_items() -> Tests {
    let mut found = Tests::new();
    for folder in FOLDERS {
        read(&project().join(folder), folder, &mut found);
    }
    found
}

fn read(folder: &Path, shown: &str, found: &mut Tests) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        let shown = format!("{shown}/{name}");
        if path.is_dir() && name != "target" {
            read(&path, &shown, found);
        }
        if path.extension().is_none_or(|end| end != "rs") {
            continue;
        }
        for line in fs::read_to_string(&path).expect("text").lines() {
            let Some(test) = line.trim_start().strip_prefix("fn conformance_") else {
                continue;
            };
            let name = test.split('(').next().unwrap_or_default();
            let (number, name) = name.split_once('_').expect("a number and a name");
            let number = number.parse().expect("a number");
            found
                .entry(number)
                .or_default()
                .insert((shown.clone(), name.replace('_', " ")));
        }
    }
}

fn every_item_has_a_test() -> Outcome {
    let numbers: Vec<_> = items().iter().map(|item| item.number).collect();
    assert_eq!(numbers, (1..=ITEMS).collect::<Vec<_>>());
    let tests = tests_of_items();
    let without: Vec<_> = numbers
        .iter()
        .filter(|number| !tests.contains_key(number))
        .collect();
    assert!(
        without.is_empty(),
        "no test carries the numbers {without:?}"
    );
    let beyond: Vec<_> = tests
        .keys()
        .filter(|number| !numbers.contains(number))
        .collect();
    assert!(beyond.is_empty(), "there are no items {beyond:?}");
    Ok(())
}

fn table() -> String {
    let mut text = "# Conformance\n\nWhat a FastCGI server has to do to stand its ground behind \
                    real web servers: the FastCGI\nspecification (its sections are named by §), \
                    RFC 3875, and what web servers were seen to\nsend and to refuse. Each item \
                    has tests that carry its number, `conformance_NN_…`; this page\nis made from \
                    them (`tests/conformance.rs`).\n"
        .to_owned();
    let tests = tests_of_items();
    for item in items() {
        if let Some(section) = &item.section {
            text += &format!("\n## {section}\n\n| | what | shown by |\n| --- | --- | --- |\n");
        }
        let number = item.number;
        let names: Vec<_> = tests.get(&number).into_iter().flatten().collect();
        let mut shown: Vec<String> = Vec::new();
        let mut last = "";
        for (file, name) in names {
            match file == last {
                true => shown.push(name.clone()),
                false => shown.push(format!("`{file}`: {name}")),
            }
            last = file;
        }
        text += &format!("| {number} | {} | {} |\n", item.what, shown.join("; "));
    }
    text
}

fn the_manuals_table_is_what_the_sources_say() -> Outcome {
    let page = project().join("host/docs/conformance.md");
    let table = table();
    if std::env::var_os("FCGI_WASM_BLESS").is_some() {
        fs::write(&page, &table).expect("written");
    }
    let written = fs::read_to_string(&page).unwrap_or_default();
    assert!(
        written == table,
        "host/docs/conformance.md is not what the tests are named: refresh it by\n    \
         FCGI_WASM_BLESS=1 cargo test --package fcgi-wasm --test end_to_end -- conformance::"
    );
    Ok(())
}
