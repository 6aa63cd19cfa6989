//! The mistakes of HAProxy's configurations.

use fcgi_wasm::cgi::HEAD_BYTES_MAX;

use super::super::HAPROXY_BYTES;
use super::directive::Directive;
use super::findings::Check;
use super::place::{Address, seconds};

/// What `tune.bufsize` is unless set, bytes.
const BUFFER_BYTES: u64 = 16_384;

/// With more HAProxy (2.6) fills records with more than the 65535 bytes whose
/// length they can tell (FastCGI 1.0 §3.3), and their header of 8 bytes.
const BUFFER_BYTES_MAX: u64 = 65_543;

pub(super) fn check(check: &mut Check, tree: &[Directive]) {
    for app in tree.iter().filter(|section| section.is("fcgi-app")) {
        check_app(check, app);
    }
    for backend in tree
        .iter()
        .filter(|section| section.is("backend") || section.is("listen"))
    {
        check_backend(check, backend, tree);
    }
}

fn find<'t>(section: &'t Directive, name: &str) -> Option<&'t Directive> {
    section.children.iter().find(|one| one.is(name))
}

fn check_app(check: &mut Check, app: &Directive) {
    let line = app.line;
    if find(app, "log-stderr").is_none() {
        let what = "no log-stderr: what the application says of its failures is dropped";
        let seen = "502 and 500 with no cause in any log of HAProxy's";
        check.mistake(line, what, seen, "log-stderr global");
    }
    match find(app, "path-info") {
        None => {
            let what = "no path-info: all of the path goes as SCRIPT_NAME";
            let seen = "the same page, or 404, for every path (unless serve has --mount)";
            check.mistake(
                line,
                what,
                seen,
                "path-info ^()(/.*)$   # or ^(/app)(/.*)?$",
            );
        }
        Some(split) if split.word(1).contains("\\.php") => {
            let what = "the path is split behind a PHP script's name";
            let seen = "the same page, or 404, for every path";
            check.mistake(split.line, what, seen, "path-info ^()(/.*)$");
        }
        Some(_) => {}
    }
    let passes = |one: &Directive| {
        one.is("pass-header") && one.word(1).eq_ignore_ascii_case("authorization")
    };
    if !app.children.iter().any(passes) {
        let what = "no pass-header authorization";
        let seen = "the application sees no Authorization: logins by it fail";
        check.note(line, what, seen, "pass-header authorization");
    }
    if find(app, "docroot").is_none() {
        let what = "no docroot, which HAProxy demands";
        let seen = "HAProxy does not start";
        check.mistake(line, what, seen, "docroot /   # whatever it is");
    }
    let multiplexes = |one: &&Directive| one.is("option") && one.word(1) == "mpxs-conns";
    if let Some(option) = app.children.iter().find(multiplexes) {
        let what = "mpxs-conns: FastCGI has no flow control by request";
        let seen = "one client that reads slowly stops all others on its connection";
        check.mistake(option.line, what, seen, "no option mpxs-conns");
    }
}

fn check_backend(check: &mut Check, backend: &Directive, tree: &[Directive]) {
    let servers = backend.children.iter().filter(|one| one.is("server"));
    let uses = find(backend, "use-fcgi-app");
    for server in servers {
        let words = &server.words;
        let speaks = words
            .windows(2)
            .any(|pair| pair[0] == "proto" && pair[1] == "fcgi");
        match (uses, speaks) {
            (None, false) => continue,
            (Some(_), false) => {
                let what = "no proto fcgi: HAProxy speaks HTTP with the server";
                let seen = "502 for every request";
                check.mistake(
                    server.line,
                    what,
                    seen,
                    "proto fcgi   # at the end of the line",
                );
            }
            (None, true) => {
                let what = "proto fcgi without use-fcgi-app: there is no script, no docroot";
                let seen = "HAProxy does not start";
                check.mistake(
                    server.line,
                    what,
                    seen,
                    "use-fcgi-app APP   # in the backend",
                );
            }
            (Some(_), true) => {}
        }
        check.places += 1;
        let address = server.word(2);
        let address = match address.trim_start_matches("unix@").starts_with('/') {
            true => Address::Unix(address.trim_start_matches("unix@").into()),
            false => Address::Tcp(address.to_owned()),
        };
        check.address(server.line, &address);
    }
    let Some(uses) = uses else {
        return;
    };
    let defaults = tree.iter().filter(|section| section.is("defaults"));
    let timeout = std::iter::once(backend)
        .chain(defaults)
        .flat_map(|section| &section.children)
        .find(|one| one.is("timeout") && one.word(1) == "server");
    if let Some(timeout) = timeout {
        let is = milliseconds(timeout.word(2));
        check.patience(timeout.line, "timeout server", is, "timeout server {}s");
    }
    let globals = tree.iter().filter(|section| section.is("global"));
    let buffer = globals
        .filter_map(|section| find(section, "tune.bufsize"))
        .next_back();
    let is = buffer.map_or(Some(BUFFER_BYTES), |found| found.word(1).parse().ok());
    if let Some(is) = is.filter(|&is| is < HEAD_BYTES_MAX as u64) {
        let line = buffer.map_or(uses.line, |found| found.line);
        let what =
            format!("tune.bufsize is {is} bytes; the server allows heads of {HEAD_BYTES_MAX}");
        let seen = "502 for answers with large cookies, of some 15 KB by default";
        let cure = format!("tune.bufsize {HAPROXY_BYTES}   # in `global`");
        check.mistake(line, &what, seen, &cure);
    }
    if let (Some(buffer), Some(is)) = (buffer, is.filter(|&is| is > BUFFER_BYTES_MAX)) {
        let what = format!("tune.bufsize is {is} bytes, over what a FastCGI record can hold");
        let seen = "uploads over 64 KiB that break off, with HAProxy 2.6";
        let cure = format!("tune.bufsize {HAPROXY_BYTES}   # in `global`");
        check.mistake(buffer.line, &what, seen, &cure);
    }
}

/// HAProxy's plain numbers are milliseconds.
fn milliseconds(text: &str) -> Option<u64> {
    match text.parse::<u64>() {
        Ok(number) => Some(number / 1000),
        Err(_) => seconds(text),
    }
}
