//! The mistakes of Caddy's configurations.

use super::directive::{Directive, all};
use super::findings::Check;
use super::place::{Address, seconds};

pub(super) fn check(check: &mut Check, tree: &[Directive]) {
    let has_no_proxy = all(tree)
        .iter()
        .any(|one| one.is("request_header") && one.word(1).eq_ignore_ascii_case("-proxy"));
    let mut rest: Vec<(&Directive, bool)> = tree.iter().map(|one| (one, false)).collect();
    while let Some((directive, is_stripped)) = rest.pop() {
        let strips = is_stripped || directive.is("handle_path");
        rest.extend(directive.children.iter().map(|one| (one, strips)));
        if directive.is("php_fastcgi") {
            check.places += 1;
            let what = "php_fastcgi looks for an index.php that is a file";
            let seen = "404 for every path of the application";
            let cure =
                "reverse_proxy unix//run/app.sock { transport fastcgi }   # in lines of their own";
            check.mistake(directive.line, what, seen, cure);
        } else if directive.is("reverse_proxy") {
            check_proxy(check, directive, is_stripped, has_no_proxy);
        }
    }
}

fn check_proxy(check: &mut Check, proxy: &Directive, is_stripped: bool, has_no_proxy: bool) {
    let line = proxy.line;
    let transports = proxy.children.iter();
    let transport = transports
        .clone()
        .find(|one| one.is("transport") && one.word(1) == "fastcgi");
    let Some(target) = target(proxy) else {
        return;
    };
    let Some(transport) = transport else {
        if let Address::Unix(_) = target {
            check.places += 1;
            let what = "no `transport fastcgi`: Caddy speaks HTTP with the socket";
            let seen = "502 for every request (and the server logs that it was sent HTTP)";
            check.mistake(
                line,
                what,
                seen,
                "transport fastcgi   # in the block of reverse_proxy",
            );
        }
        return;
    };
    check.places += 1;
    let find = |name: &str| transport.children.iter().find(|one| one.is(name));
    let mount = matched_path(proxy);
    let sets_script = transport
        .children
        .iter()
        .any(|one| one.is("env") && one.word(1) == "SCRIPT_NAME");
    if is_stripped && !sets_script {
        let what = "handle_path takes the mount's path away, and nothing says it again";
        let seen = "links and redirects without the path that the application is mounted at";
        check.mistake(
            line,
            what,
            seen,
            "handle instead of handle_path, and split /app in transport fastcgi",
        );
    } else if let Some(mount) = mount.filter(|_| find("split").is_none() && !sets_script) {
        let what = format!("no split: the path of the mount, {mount}, is part of PATH_INFO");
        let seen = "404 for every path (unless serve has --mount)";
        check.mistake(
            line,
            &what,
            seen,
            &format!("split {mount}   # in transport fastcgi"),
        );
    }
    if let Some(split) = find("split").filter(|split| split.word(1).ends_with(".php")) {
        let what = "the path is split behind a PHP script's name";
        let seen = "the same page, or 404, for every path";
        check.mistake(
            split.line,
            what,
            seen,
            "split /app   # or no split, at the root",
        );
    }
    if let Some(wait) = find("read_timeout") {
        check.patience(
            wait.line,
            "read_timeout",
            seconds(wait.word(1)),
            "read_timeout {}s",
        );
    }
    if !has_no_proxy {
        let what = "a client's header field Proxy is passed on as HTTP_PROXY";
        let seen = "nothing here, where it is dropped; other FastCGI servers take it for a setting";
        check.note(line, what, seen, "request_header -Proxy");
    }
    check.address(line, &target);
}

/// Where it passes requests to: the first word that is no matcher.
fn target(proxy: &Directive) -> Option<Address> {
    let mut words = proxy.words.iter().skip(1);
    let word = words.find(|word| !word.starts_with(['/', '@', '*', '{']))?;
    Some(match word.strip_prefix("unix/") {
        Some(path) => Address::Unix(path.into()),
        None => Address::Tcp(word.trim_start_matches("tcp/").to_owned()),
    })
}

/// The path that a matcher on the line itself asks for.
fn matched_path(proxy: &Directive) -> Option<&str> {
    let word = proxy.words.get(1).filter(|word| word.starts_with('/'))?;
    Some(word.trim_end_matches(['*', '/'])).filter(|path| !path.is_empty())
}
