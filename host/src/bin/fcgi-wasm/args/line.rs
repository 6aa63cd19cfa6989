//! The command line before it is read.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::CommandFactory;

use super::Args;

/// `fcgi-wasm app.wasm …` is short for `fcgi-wasm serve app.wasm …`: what
/// starts FastCGI servers has room for a program and little more.
pub(crate) fn with_command(line: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut line: Vec<_> = line.collect();
    let is_flag = |word: &OsString| word.as_encoded_bytes().starts_with(b"-");
    let first = line.iter().skip(1).position(|word| !is_flag(word));
    if let Some(index) = first.map(|index| index + 1)
        && is_app(&line[index])
    {
        line.insert(index, "serve".into());
    }
    line
}

/// Whether this is meant for an application: no command, and a file or called
/// like one. A slip of the pen in a command's name is left to be named as one.
fn is_app(word: &OsStr) -> bool {
    let mut known = Args::command();
    known.build();
    let path = Path::new(word);
    known.find_subcommand(word).is_none()
        && (path.extension() == Some("wasm".as_ref()) || path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &[&str], expected: &[&str]) {
        let read = with_command(line.iter().map(OsString::from));
        assert_eq!(read, expected, "{line:?}");
    }

    #[test]
    fn an_application_without_a_command_is_served() {
        check(&["f", "a.wasm"], &["f", "serve", "a.wasm"]);
        check(&["f", "/proc/self/exe"], &["f", "serve", "/proc/self/exe"]);
        check(
            &["f", "-v", "a.wasm", "--socket", "s"],
            &["f", "-v", "serve", "a.wasm", "--socket", "s"],
        );
    }

    #[test]
    fn whatever_else_is_left_as_it_is() {
        for line in [
            &["f"] as &[&str],
            &["f", "serve", "a.wasm"],
            &["f", "help", "serve"],
            &["f", "--help"],
            &["f", "sevre", "a.wasm"],
            &["f", "check", "a.wasm"],
            &["f", "/nonexistent"],
        ] {
            check(line, line);
        }
    }
}
