//! The guests that are measured.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::guest_build::{guest, target_folder};

/// The component of one of the tests' guests or examples, built from source.
pub(crate) fn guest_file(package: &str) -> Result<PathBuf, String> {
    guest(package).map_err(|skip| skip.0)
}

/// The smallest program in another language, built with the toolchain that the
/// tests of the examples in it have installed.
pub(crate) fn foreign_guest(name: &str, test: &str) -> Result<PathBuf, String> {
    let built = target_folder().join("bench/hello");
    let file = built.join(format!("{name}.wasm"));
    let made = Command::new("make")
        .args(["--silent", "-C"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/hello"))
        .arg(format!("BUILD={}", built.display()))
        .arg(format!("TOOLS={}", target_folder().join("tools").display()))
        .arg(&file)
        .output();
    match made {
        Ok(made) if made.status.success() => Ok(file),
        _ => Err(format!(
            "it can not be built; its toolchain is installed by \
             `cargo test --workspace --test end_to_end -- {test}::`"
        )),
    }
}
