//! The guests that are measured.

use std::path::PathBuf;

use crate::guest_build::{guest, target_folder};

/// The component of one of the tests' guests or examples, built from source.
pub(crate) fn guest_file(package: &str) -> Result<PathBuf, String> {
    guest(package).map_err(|skip| skip.0)
}

/// One in another language, as its test leaves it: building it takes minutes,
/// and the toolchain of that language.
pub(crate) fn foreign_guest(name: &str, test: &str) -> Result<PathBuf, String> {
    let file = target_folder().join(format!("examples/{name}.wasm"));
    match file.is_file() {
        true => Ok(file),
        false => Err(format!(
            "its test builds it: `cargo test --workspace --test end_to_end -- {test}::`"
        )),
    }
}
