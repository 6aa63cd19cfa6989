//! `SCRIPT_FILENAME`, by which web servers name the file that answers.
//!
//! It is no variable of CGI's (RFC 3875), but all of them send it, because it
//! is what php-fpm goes by.

use std::borrow::Cow;

use crate::cgi;
use crate::message::Params;

/// What the names of files that are served end in.
const EXTENSION: &[u8] = b".wasm";

/// The longest path of a file, bytes: the system's `PATH_MAX`.
const PATH_BYTES_MAX: usize = 4096;

/// The path that the web server names, which may go on behind the file's.
///
/// mod_proxy_fcgi puts the whole of its target there,
/// `proxy:fcgi://localhost:9000/srv/www/app.wasm/x`, percent-encoded and with
/// the query of a rewrite.
pub(super) fn path(params: &Params) -> Result<Cow<'_, [u8]>, String> {
    let sent = params.get("SCRIPT_FILENAME").unwrap_or_default();
    let path = match without_target(sent) {
        Some(path) => cgi::decode(path.split(|&byte| byte == b'?').next().unwrap_or_default()),
        None => sent.into(),
    };
    let shown = String::from_utf8_lossy(&path);
    if path.is_empty() {
        return Err("a request without SCRIPT_FILENAME".to_owned());
    }
    if path.len() > PATH_BYTES_MAX || path.contains(&0) || path[0] != b'/' {
        let start: String = shown.chars().take(100).collect();
        return Err(format!(
            "SCRIPT_FILENAME {start:?}, which is no path of a file"
        ));
    }
    Ok(path)
}

/// The path behind mod_proxy's scheme and host; `None` if it is no target.
fn without_target(sent: &[u8]) -> Option<&[u8]> {
    let target = sent.strip_prefix(b"proxy:")?;
    let host = target.windows(3).position(|three| three == b"://")? + 3;
    let slash = target[host..].iter().position(|&byte| byte == b'/')?;
    let path = &target[host + slash..];
    // `SetHandler proxy:unix:…|fcgi://localhost/` makes two slashes.
    Some(match path {
        [b'/', rest @ ..] if rest.starts_with(b"/") => rest,
        path => path,
    })
}

/// The names below a root: of folders, and last of a file. `None` if the path
/// is not below it.
pub(super) fn names<'p>(path: &'p [u8], root: &[u8]) -> Option<Vec<&'p [u8]>> {
    let below = path.strip_prefix(root)?.strip_prefix(b"/")?;
    let names = below.split(|&byte| byte == b'/');
    Some(names.collect())
}

/// How many of these names may be the path of a file that is served, the
/// shortest first: what follows is PATH_INFO.
pub(super) fn candidates(names: &[&[u8]]) -> impl Iterator<Item = usize> {
    let ends = names.iter().enumerate();
    let ends = ends.filter(|(_, name)| name.len() > EXTENSION.len() && name.ends_with(EXTENSION));
    ends.map(|(index, _)| index + 1)
}

/// Tells the application where it stands: the file alone in SCRIPT_FILENAME,
/// and what follows it in PATH_INFO and not in SCRIPT_NAME.
pub(super) fn split(params: &mut Params, path: &[u8], rest: &[u8]) {
    if let Some(file) = path.strip_suffix(rest) {
        params.set("SCRIPT_FILENAME", file);
    }
    if rest.is_empty() {
        return; // the web server has split it, or there is nothing to split
    }
    let script_name = params.get("SCRIPT_NAME").unwrap_or_default();
    if let Some(script_name) = script_name.strip_suffix(rest).map(<[u8]>::to_vec) {
        params.set("SCRIPT_NAME", &script_name);
    }
    params.set("PATH_INFO", rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_web_servers_send_them() {
        for (sent, expected) in [
            ("/srv/www/app.wasm", "/srv/www/app.wasm"),
            ("/srv/a%20b.wasm", "/srv/a%20b.wasm"),
            (
                "proxy:fcgi://localhost/srv/a%20b.wasm/x?q=1",
                "/srv/a b.wasm/x",
            ),
            ("proxy:fcgi://127.0.0.1:9000/srv/app.wasm", "/srv/app.wasm"),
            ("proxy:fcgi://localhost//srv/app.wasm", "/srv/app.wasm"),
            ("proxy:balancer://apps/srv/app.wasm", "/srv/app.wasm"),
        ] {
            let params: Params = [("SCRIPT_FILENAME", sent)].into_iter().collect();
            assert_eq!(path(&params).as_deref(), Ok(expected.as_bytes()), "{sent}");
        }
        for sent in ["", "app.wasm", "/srv/\0.wasm", "proxy:fcgi://localhost"] {
            let params: Params = [("SCRIPT_FILENAME", sent)].into_iter().collect();
            assert!(path(&params).is_err(), "{sent:?}");
        }
    }

    #[test]
    fn only_what_is_below_the_root_has_names() {
        let root = b"/srv/www".as_slice();
        let expected: Vec<&[u8]> = vec![b"a", b"b.wasm", b"", b"x"];
        assert_eq!(names(b"/srv/www/a/b.wasm//x", root), Some(expected));
        for path in ["/srv/www", "/srv/wwwevil/b.wasm", "/srv", "/etc/x.wasm"] {
            assert_eq!(names(path.as_bytes(), root), None, "{path}");
        }
        let names: Vec<&[u8]> = vec![b"a.wasm", b".wasm", b"b.wasm", b"x.wasmer"];
        assert_eq!(candidates(&names).collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn conformance_36_path_info_is_split_off_behind_the_file() {
        let check = |pairs: &[(&str, &str)], path: &str, rest: &str, expected: [&str; 3]| {
            let mut params: Params = pairs.iter().copied().collect();
            split(&mut params, path.as_bytes(), rest.as_bytes());
            let get = |name| params.text(name).unwrap_or_default().into_owned();
            let actual = ["SCRIPT_FILENAME", "SCRIPT_NAME", "PATH_INFO"].map(get);
            assert_eq!(actual, expected, "{pairs:?}");
        };
        let whole = [
            ("SCRIPT_FILENAME", "/srv/app.wasm/x/y"),
            ("SCRIPT_NAME", "/app.wasm/x/y"),
        ];
        let expected = ["/srv/app.wasm", "/app.wasm", "/x/y"];
        check(&whole, "/srv/app.wasm/x/y", "/x/y", expected);
        let split = [
            ("SCRIPT_FILENAME", "/srv/app.wasm"),
            ("SCRIPT_NAME", "/app.wasm"),
            ("PATH_INFO", "/x/y"),
        ];
        check(&split, "/srv/app.wasm", "", expected);
        let rewritten = [("SCRIPT_NAME", "/pretty")];
        let expected = ["/srv/app.wasm", "/pretty", "/x"];
        check(&rewritten, "/srv/app.wasm/x", "/x", expected);
    }
}
