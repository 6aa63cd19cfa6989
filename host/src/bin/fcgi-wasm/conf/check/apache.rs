//! The mistakes of Apache's configurations, with mod_proxy_fcgi and mod_fcgid.

use super::directive::{Directive, all};
use super::findings::Check;
use super::place::{Address, seconds};

/// What `ProxyTimeout` is unless set, seconds: Apache's Timeout.
const TIMEOUT: u64 = 60;

/// What `FcgidIOTimeout` is unless set, seconds.
const SCRIPT_TIMEOUT: u64 = 40;

/// A place that passes requests on.
struct Pass<'t> {
    line: usize,
    /// The URL path that it is for; empty if it is a handler of files.
    mount: String,
    /// Whether it asks for files of a document root.
    is_for_files: bool,
    target: &'t str,
    options: &'t [String],
}

pub(super) fn check(check: &mut Check, tree: &[Directive]) {
    let passes = passes(tree);
    let directives = all(tree);
    let find = |name: &str| directives.iter().find(|one| one.is(name));
    let mut workers: Vec<(&str, &str)> = Vec::new();
    for pass in &passes {
        check.places += 1;
        check_worker(check, pass, &mut workers);
        check_recipe(check, pass, tree);
        check_address(check, pass);
        let option = |name: &str| {
            let mut options = pass.options.iter();
            options.find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
        };
        let global = find("ProxyTimeout").or_else(|| find("Timeout"));
        let timeout = option("timeout").or_else(|| global.map(|found| found.word(1)));
        let timeout = timeout.map_or(Some(TIMEOUT), seconds);
        check.patience(
            pass.line,
            "the time to wait for an answer",
            timeout,
            "timeout={}   # on the ProxyPass line",
        );
    }
    let scripts = directives.iter().filter(|one| starts_script(one));
    let scripts: Vec<usize> = scripts.map(|one| one.line).collect();
    check.places += scripts.len();
    if let Some(&line) = scripts.first() {
        check_scripts(check, line, &directives);
    }
    let first = passes.first().map(|pass| pass.line);
    let Some(first) = first.into_iter().chain(scripts).min() else {
        return;
    };
    if find("AllowEncodedSlashes").is_none_or(|set| set.word(1).eq_ignore_ascii_case("off")) {
        let what = "no AllowEncodedSlashes";
        let seen = "404 from Apache for every path with %2F in it";
        let cure = match passes.is_empty() {
            true => "AllowEncodedSlashes On   # inside of the VirtualHost",
            false => "AllowEncodedSlashes NoDecode   # inside of the VirtualHost",
        };
        check.note(first, what, seen, cure);
    }
    if find("CGIPassAuth").is_none() {
        let what = "no CGIPassAuth";
        let seen = "the application sees no Authorization: logins by it fail";
        let cure = match passes.is_empty() {
            true => "CGIPassAuth On   # in the script's <Directory>",
            false => "CGIPassAuth On   # in the <Location>",
        };
        check.note(first, what, seen, cure);
    }
}

/// Whether mod_fcgid starts a script by it.
fn starts_script(directive: &Directive) -> bool {
    let handles = directive.is("SetHandler") || directive.is("AddHandler");
    handles && directive.word(1) == "fcgid-script"
}

fn check_scripts(check: &mut Check, line: usize, directives: &[&Directive]) {
    let mut options = directives.iter().filter(|one| one.is("Options"));
    let may_run = |one: &&Directive| {
        let mut words = one.words.iter().map(|word| word.trim_start_matches('+'));
        words.any(|word| word.eq_ignore_ascii_case("ExecCGI"))
    };
    if !options.any(may_run) {
        let what = "no Options +ExecCGI: the script may not be run";
        let cure = "Options +ExecCGI   # in the script's <Directory>";
        check.mistake(line, what, "403 for every request", cure);
    }
    if !directives.iter().any(|one| one.is("FcgidMaxRequestLen")) {
        let what = "no FcgidMaxRequestLen: mod_fcgid takes uploads of up to 128 KiB";
        let cure = "FcgidMaxRequestLen 1073741824";
        check.mistake(line, what, "500 for all larger ones", cure);
    }
    let timeout = directives.iter().find(|one| one.is("FcgidIOTimeout"));
    let is = timeout.map_or(Some(SCRIPT_TIMEOUT), |found| seconds(found.word(1)));
    let line = timeout.map_or(line, |found| found.line);
    check.patience(line, "FcgidIOTimeout", is, "FcgidIOTimeout {}");
}

/// Each ProxyPass to FastCGI, and each handler.
fn passes(tree: &[Directive]) -> Vec<Pass<'_>> {
    let mut passes = Vec::new();
    let mut rest: Vec<_> = tree.iter().map(|one| (one, "", false)).collect();
    while let Some((directive, location, is_for_files)) = rest.pop() {
        let inner = match directive.is("Location") {
            true => directive.word(1),
            false => location,
        };
        let is_for_files = is_for_files || directive.is_for_files();
        rest.extend(
            directive
                .children
                .iter()
                .map(|one| (one, inner, is_for_files)),
        );
        let words = &directive.words;
        let line = directive.line;
        if directive.is("ProxyPass") || directive.is("ProxyPassMatch") {
            let target = words.iter().position(|word| word.contains("fcgi://"));
            if let Some(target) = target.filter(|&at| at > 0) {
                let mount = if target == 1 {
                    location
                } else {
                    directive.word(1)
                };
                passes.push(Pass {
                    line,
                    mount: mount.to_owned(),
                    is_for_files,
                    target: &words[target],
                    options: &words[target + 1..],
                });
            }
        } else if directive.is("SetHandler") && directive.word(1).contains("fcgi://") {
            let target = directive.word(1).trim_start_matches("proxy:");
            passes.push(Pass {
                line,
                mount: String::new(),
                is_for_files,
                target,
                options: &[],
            });
        }
    }
    passes.sort_by_key(|pass| pass.line);
    passes
}

/// Apache takes places with the same host name after fcgi:// for one.
fn check_worker<'p>(check: &mut Check, pass: &Pass<'p>, workers: &mut Vec<(&'p str, &'p str)>) {
    let Some((socket, url)) = pass.target.split_once('|') else {
        return;
    };
    let host = url
        .trim_start_matches("fcgi://")
        .split('/')
        .next()
        .unwrap_or_default();
    if workers
        .iter()
        .any(|(known, at)| *known == host && *at != socket)
    {
        let what =
            format!("another socket has the name fcgi://{host} too, and Apache takes them for one");
        let seen = "one application's answers under another's paths";
        check.mistake(
            pass.line,
            &what,
            seen,
            "a name of its own after fcgi://, whatever it is",
        );
    }
    workers.push((host, socket));
}

fn check_recipe(check: &mut Check, pass: &Pass<'_>, tree: &[Directive]) {
    if pass.is_for_files {
        return;
    }
    if pass.mount.is_empty() {
        let what = "SetHandler passes on what are files here: it is how PHP is asked";
        let seen = "404 for every path of the application, which has no files";
        let cure = "ProxyPass \"/app\" \"unix:/run/app.sock|fcgi://app/app\"";
        check.mistake(pass.line, what, seen, cure);
        return;
    }
    let prefix = pass.mount.trim_start_matches('^').trim_end_matches('/');
    let holds = |directive: &&Directive| {
        let place = directive.word(1).trim_end_matches('/');
        !directive.is("Location") || place.is_empty() || prefix.starts_with(place)
    };
    let mut rest: Vec<_> = tree.iter().filter(holds).collect();
    let mut sets = Vec::new();
    while let Some(directive) = rest.pop() {
        rest.extend(directive.children.iter().filter(holds));
        if directive.is("ProxyFCGISetEnvIf") {
            sets.push(directive.word(2).trim_start_matches('!'));
        }
    }
    let rest = pass.target.split("fcgi://").nth(1).unwrap_or_default();
    let path = rest.split_once('/').map_or("", |(_, path)| path);
    if !sets.contains(&"PATH_INFO") && !path.trim_matches('/').is_empty() {
        // A target without a path is put right by the server itself.
        let what = "the target repeats the path of the mount: all of it goes as SCRIPT_NAME";
        let seen = "the same page, or 404, for every path (unless serve has --mount)";
        let cure = "no path behind fcgi://NAME, or the lines of ProxyFCGISetEnvIf that \
                    `fcgi-wasm conf apache` prints";
        check.mistake(pass.line, what, seen, cure);
    } else if sets.contains(&"PATH_INFO") && !sets.contains(&"SCRIPT_NAME") {
        let what = "ProxyFCGISetEnvIf for PATH_INFO alone: the whole path is SCRIPT_NAME still";
        let seen = "links and redirects with the path doubled (unless serve has --mount)";
        let cure = format!("ProxyFCGISetEnvIf \"true\" SCRIPT_NAME \"{prefix}\"   # below it");
        check.mistake(pass.line, what, seen, &cure);
    }
}

fn check_address(check: &mut Check, pass: &Pass<'_>) {
    let address = match pass.target.split_once('|') {
        Some((socket, _)) => Address::Unix(socket.trim_start_matches("unix:").into()),
        None => {
            let rest = pass.target.trim_start_matches("fcgi://");
            Address::Tcp(rest.split('/').next().unwrap_or_default().to_owned())
        }
    };
    check.address(pass.line, &address);
}
