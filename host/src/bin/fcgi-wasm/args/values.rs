//! Values as they are typed.

use std::time::Duration;

use bytesize::ByteSize;
use fcgi_wasm::{Folder, Role};

/// Longer times are slips of the pen, and more than clocks can add.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if time.is_zero() => Err("a limit of no time lets nothing pass".to_owned()),
        Ok(time) if time > LONGEST => Err("that is over a year: write a limit".to_owned()),
        Ok(time) => Ok(time),
        Err(error) => Err(format!(
            "{error}; write a number and a unit, like 30s or 500ms"
        )),
    }
}

pub(crate) fn size(text: &str) -> Result<ByteSize, String> {
    match text.parse::<ByteSize>() {
        Ok(size) if size.as_u64() < 64 * 1024 => {
            Err("nothing runs with less than 64 KiB, a page of memory".to_owned())
        }
        Ok(size) => Ok(size),
        Err(_) => Err("write a number and a unit, like 64MiB".to_owned()),
    }
}

/// A size of which any part may be there, as of a body.
pub(crate) fn bytes(text: &str) -> Result<ByteSize, String> {
    match text.parse::<ByteSize>() {
        Ok(size) if size.as_u64() > 0 => Ok(size),
        _ => Err("write a number over 0 and a unit, like 64MiB".to_owned()),
    }
}

pub(crate) fn octal(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err("write up to three octal digits, like 0660".to_owned()),
    }
}

pub(crate) fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=1_000_000) => Ok(number),
        _ => Err("write a number from 1 to 1000000".to_owned()),
    }
}

/// A number that may be none.
pub(crate) fn number(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 0..=1_000_000) => Ok(number),
        _ => Err("write a number from 0 to 1000000".to_owned()),
    }
}

/// A granted folder: where its path leads now, whatever becomes of symbolic links in it.
pub(crate) fn granted(text: &str) -> Result<Folder, String> {
    let folder = Folder::parse(text)?;
    // What is not there is told of when the application is loaded.
    let path = std::fs::canonicalize(folder.host_path());
    Ok(match path {
        Ok(path) => folder.at(path),
        Err(_) => folder,
    })
}

pub(super) fn role(text: &str) -> Result<Role, String> {
    match text {
        "responder" => Ok(Role::Responder),
        "authorizer" => Ok(Role::Authorizer),
        "filter" => Ok(Role::Filter),
        _ => Err("write responder, authorizer or filter".to_owned()),
    }
}

pub(super) fn field(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or("write it with a colon, like 'Accept: text/html'")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("write it with an equals sign, like NAME=value")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use crate::args::{Args, Command};
    use fcgi_wasm::{Budget, MIB, Policy};

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_defaults_are_the_librarys() {
        let args = Args::parse_from(["fcgi-wasm", "serve", "app.wasm"]);
        let Command::Serve(serve) = args.command else {
            panic!("another command");
        };
        let budget = Budget::strict().memory_max(128 * 128 * MIB);
        assert_eq!(serve.about.policy(), Policy::strict().budget(budget));
        assert_eq!(serve.about.limits.memory.as_u64(), 128 * MIB);
    }

    #[test]
    fn wrong_values_are_refused() {
        for wrong in [
            &["--timeout", "0s"] as &[&str],
            &["--timeout", "ten"],
            &["--memory", "much"],
            &["--memory", "0"],
            &["--socket-mode", "999"],
            &["--max-body", "0"],
            &["--cache-size", "0B"],
            &["--max-concurrent", "0"],
            &["--queue", "1000001"],
            &["--mount", "app"],
            &["--listen", "9000"],
            &["--dir", "::/data"],
            &["--env", "NAME"],
            &["--allow-host", "http://example.com"],
            &["--allow-net", "localhost"],
            &["--allow-private-hosts"],
        ] {
            let line = ["fcgi-wasm", "serve", "app.wasm"].iter().chain(wrong);
            assert!(Args::try_parse_from(line).is_err(), "{wrong:?}");
        }
    }
}
