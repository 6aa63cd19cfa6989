//! The command line before it is read.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::CommandFactory;

use super::Args;

/// `fcgi-wasm app.wasm …` is short for `fcgi-wasm serve app.wasm …`: what
/// starts FastCGI servers has room for a program and little more. And settings
/// may be called `--config`.
pub(crate) fn with_command(line: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut line: Vec<_> = line.collect();
    let is_flag = |word: &OsString| word.as_encoded_bytes().starts_with(b"-");
    let first = line.iter().skip(1).position(|word| !is_flag(word));
    if let Some(index) = first.map(|index| index + 1)
        && is_app(&line[index])
    {
        line.insert(index, "serve".into());
    }
    match first.and_then(|index| line[index + 1].to_str()) {
        Some("serve") => name_settings(&mut line, false),
        // It reads no configuration: what is no setting is told so.
        Some("request") => name_settings(&mut line, true),
        _ => {}
    }
    line
}

/// `--config KEY=VALUE` is another way to write `--setting KEY=VALUE`, while
/// `--config FILE` names a configuration: the equals sign tells them apart.
fn name_settings(line: &mut [OsString], are_all: bool) {
    let is_setting = |value: &OsStr| are_all || value.as_encoded_bytes().contains(&b'=');
    let end = line
        .iter()
        .position(|word| word == "--")
        .unwrap_or(line.len());
    let mut words = line[..end].iter_mut().peekable();
    while let Some(word) = words.next() {
        if word == "--config" && words.peek().is_some_and(|value| is_setting(value)) {
            *word = "--setting".into();
        }
        let joined = word
            .to_str()
            .and_then(|word| word.strip_prefix("--config="));
        if let Some(value) = joined.filter(|value| is_setting(OsStr::new(value))) {
            *word = format!("--setting={value}").into();
        }
    }
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
    fn a_config_with_an_equals_sign_is_a_setting() {
        for (line, expected) in [
            (
                &["f", "serve", "a.wasm", "--config", "k=v", "--config=l=w=x"] as &[&str],
                &[
                    "f",
                    "serve",
                    "a.wasm",
                    "--setting",
                    "k=v",
                    "--setting=l=w=x",
                ] as &[&str],
            ),
            (
                &["f", "a.wasm", "--config", "k="],
                &["f", "serve", "a.wasm", "--setting", "k="],
            ),
            (
                &["f", "request", "a.wasm", "--config", "k=v"],
                &["f", "request", "a.wasm", "--setting", "k=v"],
            ),
            // Which is refused, with a sentence about settings.
            (
                &["f", "request", "a.wasm", "--config", "main.toml"],
                &["f", "request", "a.wasm", "--setting", "main.toml"],
            ),
        ] {
            check(line, expected);
        }
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
            &["f", "serve", "--config", "main.toml"],
            &["f", "serve", "--config=main.toml"],
            &["f", "serve", "--config"],
            &["f", "serve", "--", "--config", "k=v"],
            &["f", "reload", "--config", "a=b.toml"],
        ] {
            check(line, line);
        }
    }
}
