//! The mistakes of nginx's configurations.

use super::directive::{Directive, all};
use super::findings::Check;
use super::place::{Address, bytes, seconds};
use crate::conf::print::HEAD_KIB;

/// What `fastcgi_buffer_size` is unless set, bytes: a page of memory.
const BUFFER_BYTES: u64 = 4096;

/// What `fastcgi_read_timeout` is unless set, seconds.
const READ_TIMEOUT: u64 = 60;

/// The files of distributions that set all params but PATH_INFO.
const PARAM_FILES: &[&str] = &["fastcgi_params", "fastcgi.conf"];

pub(super) fn check(check: &mut Check, tree: &[Directive]) {
    let upstreams = all(tree).into_iter().filter(|one| one.is("upstream"));
    let upstreams: Vec<_> = upstreams.collect();
    if let Some(user) = all(tree).into_iter().find(|one| one.is("user")) {
        // The file's own word, unless the command line has one that exists.
        if let Ok(Some(visitor)) = crate::reach::Visitor::find(Some(user.word(1))) {
            check.visitor = Some(visitor);
        }
    }
    walk(check, &upstreams, &mut vec![tree], false);
}

/// Looks into each block, with those that it inherits from.
fn walk(
    check: &mut Check,
    upstreams: &[&Directive],
    blocks: &mut Vec<&[Directive]>,
    is_for_files: bool,
) {
    let Some(&block) = blocks.last() else {
        return;
    };
    for directive in block {
        if directive.is("fastcgi_pass") {
            check.places += 1;
            Pass {
                directive,
                upstreams,
                blocks,
                is_for_files,
            }
            .check(check);
        }
        if !directive.children.is_empty() {
            blocks.push(&directive.children);
            let is_for_files = is_for_files || directive.is_for_files();
            walk(check, upstreams, blocks, is_for_files);
            blocks.pop();
        }
    }
}

/// A `fastcgi_pass`, and all that holds where it stands.
struct Pass<'a, 't> {
    directive: &'t Directive,
    upstreams: &'a [&'t Directive],
    blocks: &'a [&'t [Directive]],
    /// Whether it asks for files of a document root.
    is_for_files: bool,
}

/// A param, as far as it is known.
struct Param {
    line: usize,
    value: String,
}

impl<'t> Pass<'_, 't> {
    fn check(&self, check: &mut Check) {
        self.check_params(check);
        self.check_split(check);
        self.check_buffer(check);
        self.check_address(check);
        let timeout = self.find("fastcgi_read_timeout");
        let line = timeout.map_or(self.directive.line, |found| found.line);
        let is = timeout.map_or(Some(READ_TIMEOUT), |found| seconds(found.word(1)));
        check.patience(
            line,
            "fastcgi_read_timeout",
            is,
            "fastcgi_read_timeout {}s;",
        );
        let tries = self
            .blocks
            .last()
            .and_then(|block| block.iter().find(|one| one.is("try_files")));
        let is_before = |tries: &&Directive| tries.words.last().is_some_and(|last| last == "=404");
        if let Some(tries) = tries.filter(is_before).filter(|_| !self.is_for_files) {
            let what = "try_files looks for a file of that name before the application is asked";
            let seen = "404 from nginx for every path of the application";
            check.mistake(
                tries.line,
                what,
                seen,
                "try_files $uri @app;   # and fastcgi_pass in location @app",
            );
        }
    }

    /// The innermost directive of this name.
    fn find(&self, name: &str) -> Option<&'t Directive> {
        let mut blocks = self.blocks.iter().rev();
        blocks.find_map(|block| block.iter().rev().find(|one| one.is(name)))
    }

    /// The params of the innermost block that sets any: nginx inherits all of
    /// them or none.
    fn params(&self) -> Vec<&'t Directive> {
        let sets = |one: &&Directive| one.is("fastcgi_param") || includes_params(one);
        let mut blocks = self.blocks.iter().rev();
        let block = blocks.find(|block| block.iter().any(|one| sets(&one)));
        block
            .map(|block| block.iter().filter(sets).collect())
            .unwrap_or_default()
    }

    fn check_params(&self, check: &mut Check) {
        let line = self.directive.line;
        let has_file = self.params().iter().any(|one| includes_params(one));
        for block in self.blocks {
            for include in block.iter().filter(|one| one.is("include")) {
                if include.word(1).contains("php") {
                    let what = "this file is for PHP: it looks for a script that is a file";
                    let seen = "404 for every path of the application";
                    check.mistake(include.line, what, seen, "include fastcgi_params;");
                }
            }
        }
        let unread = self.unread();
        if let Some(include) = unread {
            check.note(include.line, "included files are not read", "", "");
        }
        if !has_file && self.param("REQUEST_METHOD").is_none() {
            if unread.is_some() {
                return;
            }
            let seen = "400 for every request: the application is not told what is asked";
            let what = "no `include fastcgi_params` holds here (nginx inherits all params or none)";
            check.mistake(line, what, seen, "include fastcgi_params;");
            return;
        }
        match self.is_for_files {
            true => self.check_file(check),
            false => self.check_path(check),
        }
        if !has_file && self.param("SCRIPT_NAME").is_none() {
            let what = "no SCRIPT_NAME";
            let seen = "links and redirects without the path that the application is mounted at";
            check.mistake(
                line,
                what,
                seen,
                "fastcgi_param SCRIPT_NAME $fastcgi_script_name;",
            );
        }
        if self.param("HTTP_PROXY").is_none() {
            let what = "a client's header field Proxy is passed on as HTTP_PROXY";
            let seen =
                "nothing here, where it is dropped; other FastCGI servers take it for a setting";
            check.note(line, what, seen, "fastcgi_param HTTP_PROXY \"\";");
        }
    }

    /// Whether the application is told the path in two parts, and rightly.
    fn check_path(&self, check: &mut Check) {
        let is_split = self.find("fastcgi_split_path_info").is_some();
        let path_info = self.param("PATH_INFO");
        match (&path_info, self.param("SCRIPT_FILENAME")) {
            (None, Some(file)) => {
                let what = "this is how PHP is asked: SCRIPT_FILENAME, and no PATH_INFO";
                let seen = "the same page, or 404, for every path: an application is no file";
                let cure = "fastcgi_param PATH_INFO $fastcgi_path_info;   # and no SCRIPT_FILENAME";
                check.mistake(file.line, what, seen, cure);
            }
            (None, None) if self.unread().is_some() => {}
            (None, None) => {
                let what = "no PATH_INFO: all of the path goes as SCRIPT_NAME";
                let seen = "the same page, or 404, for every path (unless serve has --mount)";
                let cure = match is_split {
                    true => "fastcgi_param PATH_INFO $fastcgi_path_info;",
                    false => {
                        "fastcgi_param PATH_INFO $fastcgi_script_name;   # at the root, with SCRIPT_NAME \"\""
                    }
                };
                check.mistake(self.directive.line, what, seen, cure);
            }
            (Some(info), _) if info.value == "$fastcgi_path_info" && !is_split => {
                let what = "$fastcgi_path_info is empty without fastcgi_split_path_info";
                let seen = "the same page, or 404, for every path";
                check.mistake(
                    info.line,
                    what,
                    seen,
                    "fastcgi_split_path_info \"^(/app)((?s).*)$\";",
                );
            }
            (Some(info), _) => {
                let script = self
                    .param("SCRIPT_NAME")
                    .map_or("$fastcgi_script_name".to_owned(), |set| set.value);
                let is_whole = |value: &str| {
                    matches!(value, "$fastcgi_script_name" | "$uri" | "$document_uri")
                };
                if is_whole(&info.value) && is_whole(&script) && !is_split {
                    let what = "the whole path goes as PATH_INFO and as SCRIPT_NAME, so twice";
                    let seen = "links and redirects with the path doubled, or 404";
                    check.mistake(info.line, what, seen, "fastcgi_param SCRIPT_NAME \"\";");
                }
            }
        }
    }

    /// Whether the server is told which file of a document root is asked for.
    fn check_file(&self, check: &mut Check) {
        let sets_it = |one: &&Directive| includes_params(one) && one.word(1).ends_with(".conf");
        let is_told = self.param("SCRIPT_FILENAME").is_some() || self.params().iter().any(sets_it);
        if !is_told && self.unread().is_none() {
            let what = "no SCRIPT_FILENAME: the server is not told which file is asked for";
            let cure = "fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;";
            check.mistake(self.directive.line, what, "404 for every file", cure);
        }
    }

    /// A param that is set here, the last one of its name.
    fn param(&self, name: &str) -> Option<Param> {
        let params = self.params();
        let mut set = params.iter().rev();
        let set = set.find(|one| one.is("fastcgi_param") && one.word(1) == name);
        set.map(|one| Param {
            line: one.line,
            value: one.word(2).to_owned(),
        })
    }

    /// A file that is included beside the `fastcgi_pass`, and may set what is
    /// missing here: of that nothing is said.
    fn unread(&self) -> Option<&'t Directive> {
        let own = self.blocks.last().copied().unwrap_or_default();
        let is_unread = |one: &&Directive| {
            one.is("include") && !includes_params(one) && !one.word(1).contains("php")
        };
        own.iter().find(is_unread)
    }

    fn check_split(&self, check: &mut Check) {
        let Some(split) = self.find("fastcgi_split_path_info") else {
            return;
        };
        let pattern = split.word(1);
        let cure = "fastcgi_split_path_info \"^(/app)((?s).*)$\";";
        if pattern.contains("\\.php") {
            let what = "the path is split behind a PHP script's name";
            let seen = "the same page, or 404, for every path";
            check.mistake(split.line, what, seen, cure);
        } else if !self.is_for_files
            && (pattern.contains(".*") || pattern.contains(".+"))
            && !pattern.contains("(?s)")
        {
            let what = "a plain `.` stops at a line end: a path with %0a is not split";
            let seen = "for /app/%0a the application is told another path than for all others";
            check.mistake(split.line, what, seen, cure);
        }
    }

    fn check_buffer(&self, check: &mut Check) {
        let buffer = self.find("fastcgi_buffer_size");
        if buffer.is_none() && self.unread().is_some() {
            return;
        }
        let line = buffer.map_or(self.directive.line, |found| found.line);
        let is = buffer.map_or(Some(BUFFER_BYTES), |found| bytes(found.word(1)));
        let Some(is) = is.filter(|&is| is < HEAD_KIB as u64 * 1024) else {
            return;
        };
        let what = format!(
            "fastcgi_buffer_size is {is} bytes; the longest head comes in {HEAD_KIB} KiB of records"
        );
        let seen = "502 for answers with many or large cookies: upstream sent too big header";
        check.mistake(
            line,
            &what,
            seen,
            &format!("fastcgi_buffer_size {HEAD_KIB}k; fastcgi_buffers 16 16k;"),
        );
    }

    fn check_address(&self, check: &mut Check) {
        let line = self.directive.line;
        let target = self.directive.word(1);
        let keeps = self
            .find("fastcgi_keep_conn")
            .filter(|found| found.word(1) == "on");
        let upstream = self
            .upstreams
            .iter()
            .find(|upstream| upstream.word(1) == target);
        let Some(upstream) = upstream else {
            if let Some(keeps) = keeps {
                let what = "fastcgi_keep_conn keeps connections only of an upstream with keepalive";
                let seen =
                    "nothing but a new connection for each request, and broken answers unseen";
                let cure = "upstream app { server …; keepalive 16; }   # and fastcgi_pass app;";
                check.mistake(keeps.line, what, seen, cure);
            }
            if !target.contains('$') {
                check.address(line, &address(target));
            }
            return;
        };
        let keepalive = upstream.children.iter().find(|one| one.is("keepalive"));
        match (keepalive, keeps) {
            (None, Some(keeps)) => {
                let what = format!("fastcgi_keep_conn, but upstream {target} has no keepalive");
                let seen =
                    "nothing but a new connection for each request, and broken answers unseen";
                check.mistake(
                    keeps.line,
                    &what,
                    seen,
                    "keepalive 16;   # in the upstream block",
                );
            }
            (Some(keepalive), None) => {
                let what =
                    format!("keepalive, but fastcgi_pass {target} is without fastcgi_keep_conn");
                let seen = "nothing but a new connection for each request";
                check.mistake(
                    keepalive.line,
                    &what,
                    seen,
                    "fastcgi_keep_conn on;   # beside fastcgi_pass",
                );
            }
            _ => {}
        }
        for server in upstream.children.iter().filter(|one| one.is("server")) {
            check.address(server.line, &address(server.word(1)));
        }
    }
}

/// Whether a directive includes a file of params that is known.
fn includes_params(directive: &Directive) -> bool {
    let name = directive.word(1).rsplit('/').next().unwrap_or_default();
    directive.is("include") && PARAM_FILES.contains(&name)
}

fn address(text: &str) -> Address {
    match text.strip_prefix("unix:") {
        Some(path) => Address::Unix(path.trim_end_matches(':').into()),
        None => Address::Tcp(text.to_owned()),
    }
}
