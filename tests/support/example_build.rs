//! Builds the examples in other languages, each with its own Makefile.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::Skip;
use super::guest_build::target_folder;
use super::process::{Program, run};

/// The file that an example is built to. Toolchains and what is built stay
/// between runs; make decides what is built anew.
pub(crate) fn example(name: &str) -> Result<PathBuf, Skip> {
    type Built = Arc<OnceLock<Result<PathBuf, String>>>;
    static EXAMPLES: Mutex<Option<HashMap<String, Built>>> = Mutex::new(None);

    let built = {
        let mut examples = EXAMPLES.lock().unwrap_or_else(PoisonError::into_inner);
        let known = examples.get_or_insert_default();
        known.entry(name.to_owned()).or_default().clone()
    };
    built.get_or_init(|| build(name)).clone().map_err(Skip)
}

/// Serves an example, with the flags that it needs.
pub(crate) fn serve_example(name: &str) -> Result<Program, Skip> {
    let app = example(name)?;
    let flags = serve_flags(name);
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    Ok(Program::serve(&app, &flags))
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../examples")
        .join(name)
}

/// What `serve` has to be told: the lines of a file of the example's.
fn serve_flags(name: &str) -> Vec<String> {
    let folder = folder(name);
    let flags = fs::read_to_string(folder.join("serve-flags")).unwrap_or_default();
    let folder = folder.display().to_string();
    let lines = flags.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| line.replace("{example}", &folder))
        .collect()
}

fn build(name: &str) -> Result<PathBuf, String> {
    let target = target_folder();
    let examples = target.join("examples");
    let mut make = Command::new("make");
    make.arg("-C").arg(folder(name));
    make.arg(format!("BUILD={}", examples.display()));
    make.arg(format!("TOOLS={}", target.join("tools").display()));
    // As in a shell of its own: cargo's and make's own settings are not meant
    // for what is built here.
    for (variable, _) in std::env::vars_os() {
        let text = variable.to_string_lossy();
        if text.starts_with("CARGO") || text.starts_with("MAKE") || text == "MFLAGS" {
            make.env_remove(&variable);
        }
    }
    let made = make.output();
    let made = made.map_err(|error| format!("there is no make: {error}"))?;
    if made.status.success() {
        let app = examples.join(format!("{name}.wasm"));
        compile(&app);
        return Ok(app);
    }
    let complaint = String::from_utf8_lossy(&made.stderr).into_owned();
    let missing = complaint.lines().find(|line| line.contains("is needed"));
    match missing {
        Some(tool) => Err(tool.to_owned()),
        None => panic!("the example {name} can not be built:\n{complaint}"),
    }
}

/// Fills the cache: what compiles for as long as an interpreter does must not
/// be compiled by each test anew, nor while a web server waits for it.
fn compile(app: &Path) {
    let compiled = run(&["compile", app.to_str().expect("text")]);
    let complaint = String::from_utf8_lossy(&compiled.stderr).into_owned();
    assert!(compiled.status.success(), "{complaint}");
}
