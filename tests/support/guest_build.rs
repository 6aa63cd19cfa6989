//! Builds the guests that the tests run, once.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::Skip;

/// The packages that are guests.
const GUESTS: &[&str] = &[
    "hello",
    "hello-cgi",
    "hello-http",
    "hello-http3",
    "axum-example",
    "naughty",
    "naughty-cgi",
    "naughty-http",
    "naughty-http3",
    "naughty-roles",
    "gate",
    "markdown",
];

/// Those that misbehave, one for each world that a Rust compiler makes guests
/// for. They have the same paths as far as their worlds have the same means.
pub(crate) const WORLDS: &[&str] = &["naughty", "naughty-http", "naughty-http3", "naughty-cgi"];

/// The component of a guest, built from source.
pub(crate) fn guest(package: &str) -> Result<PathBuf, Skip> {
    static BUILT: OnceLock<Result<(), String>> = OnceLock::new();
    BUILT.get_or_init(build).clone().map_err(Skip)?;
    let file = format!("{}.wasm", package.replace('-', "_"));
    Ok(target_folder().join("wasm32-wasip2/guest").join(file))
}

/// Where cargo puts what it builds, known by where it put the program.
pub(crate) fn target_folder() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_fcgi-wasm"));
    let folder = program.parent().and_then(Path::parent);
    folder.expect("a target folder").to_owned()
}

fn build() -> Result<(), String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.args([
        "build",
        "--locked",
        "--profile",
        "guest",
        "--target",
        "wasm32-wasip2",
    ]);
    cargo.arg("--target-dir").arg(target_folder());
    for package in GUESTS {
        cargo.args(["--package", package]);
    }
    let built = cargo
        .output()
        .map_err(|error| format!("no cargo: {error}"))?;
    if built.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&built.stderr).into_owned();
    if complaint.contains("target may not be installed") {
        return Err("`rustup target add wasm32-wasip2` was not done".to_owned());
    }
    panic!("the guests can not be built:\n{complaint}");
}
