//! Where an application is mounted, for web servers that split the URL's path
//! in another place.

use std::fmt;

use crate::message::Params;

use super::target::{decode, decode_slashes, origin_form};

/// The URL path under which the web server passes requests on, as the client
/// sees it. With it SCRIPT_NAME and PATH_INFO (RFC 3875 §4.1.13, §4.1.5) are
/// right behind every web server: lighttpd takes the first segment for the
/// script at the URL's root, mod_proxy_fcgi the whole path, and a rewrite puts
/// a script's name in front that no client wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Without the slash at its end, so empty for the root.
    prefix: String,
}

impl Mount {
    /// A mount at this path: `/` or `/some/path`, decoded.
    ///
    /// # Errors
    ///
    /// A sentence, if it is no such path.
    pub fn new(path: &str) -> Result<Self, String> {
        let prefix = path.strip_suffix('/').unwrap_or(path);
        if !path.starts_with('/') || path.contains(['?', '#', '\0']) || prefix.ends_with('/') {
            return Err(format!(
                "{path:?} is no path to mount at: write `/` for the root, or a path like `/app`"
            ));
        }
        Ok(Self {
            prefix: prefix.to_owned(),
        })
    }

    /// Splits the request's path here. A request from outside of the mount is
    /// left as it is.
    pub fn apply(&self, params: &mut Params) {
        let path = decode_slashes(&path_of(params));
        let Some(rest) = path.strip_prefix(self.prefix.as_bytes()) else {
            return;
        };
        if rest.is_empty() || rest.starts_with(b"/") {
            params.set("SCRIPT_NAME", self.prefix.as_bytes());
            params.set("PATH_INFO", rest);
        }
    }
}

impl fmt::Display for Mount {
    /// The path that a client asks for to be at the mount's root.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.prefix)
    }
}

/// The path that the client asked for, as the web server decoded it: the first
/// of its variables that says the same as REQUEST_URI.
fn path_of(params: &Params) -> Vec<u8> {
    let get = |name| params.get(name).unwrap_or_default();
    let (script_name, path_info) = (get("SCRIPT_NAME"), get("PATH_INFO"));
    let both = [script_name, path_info].concat();
    let Some(uri) = params.get("REQUEST_URI") else {
        return both;
    };
    let raw = origin_form(uri).split(|&byte| byte == b'?').next();
    let wanted = decode(raw.unwrap_or_default());
    let wanted = normalised(&wanted);
    let candidates = [both.as_slice(), path_info, script_name];
    let fitting = candidates
        .into_iter()
        .find(|candidate| normalised(&decode_slashes(candidate)) == wanted);
    fitting.map_or(both.clone(), <[u8]>::to_vec)
}

/// The path without empty and dot segments (RFC 3986 §5.2.4), which some web
/// servers remove from their variables and all keep in REQUEST_URI.
pub(super) fn normalised(path: &[u8]) -> Vec<&[u8]> {
    let mut segments: Vec<&[u8]> = Vec::new();
    for segment in path.split(|&byte| byte == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => {
                segments.pop();
            }
            name => segments.push(name),
        }
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: &str = "/foo%20bar/%C3%A9t%C3%A9/a%2Fb%3Bc?q=1";
    const DECODED: &str = "/foo bar/été/a/b;c";

    fn check(mount: &str, pairs: &[(&str, &str)], script_name: &str, path_info: &str) {
        let mut params: Params = pairs.iter().copied().collect();
        Mount::new(mount).expect(mount).apply(&mut params);
        let get = |name| params.text(name).unwrap_or_default().into_owned();
        let split = (get("SCRIPT_NAME"), get("PATH_INFO"));
        assert_eq!(split, (script_name.into(), path_info.into()), "{pairs:?}");
    }

    #[test]
    fn conformance_35_lighttpd_at_the_root_loses_no_segment() {
        let eaten = [
            ("REQUEST_URI", RAW),
            ("SCRIPT_NAME", "/foo bar"),
            ("PATH_INFO", "/été/a/b;c"),
        ];
        check("/", &eaten, "", DECODED);
        check(
            "/",
            &[("REQUEST_URI", "/p"), ("SCRIPT_NAME", "/p")],
            "",
            "/p",
        );
    }

    #[test]
    fn conformance_35_mod_proxy_fcgi_gets_a_path_info() {
        let raw = format!("/app.fcgi{RAW}");
        let whole = [
            ("REQUEST_URI", raw.as_str()),
            ("SCRIPT_NAME", "/app.fcgi/foo bar/été/a%2Fb;c"),
        ];
        check("/app.fcgi", &whole, "/app.fcgi", DECODED);
        let encoded = "/app.fcgi/foo%20bar/%C3%A9t%C3%A9/a%2Fb%3Bc";
        let twice = [whole[0], whole[1], ("PATH_INFO", encoded)];
        check("/app.fcgi", &twice, "/app.fcgi", DECODED);
    }

    #[test]
    fn conformance_35_a_rewrite_to_a_script_is_undone() {
        let rewritten = [
            ("REQUEST_URI", RAW),
            ("SCRIPT_NAME", "/root.fcgi"),
            ("PATH_INFO", DECODED),
        ];
        check("/", &rewritten, "", DECODED);
    }

    #[test]
    fn conformance_35_a_good_split_stays() {
        let raw = format!("/app{RAW}");
        let nginx = [
            ("REQUEST_URI", raw.as_str()),
            ("SCRIPT_NAME", "/app"),
            ("PATH_INFO", DECODED),
        ];
        check("/app", &nginx, "/app", DECODED);
        check("/app/", &nginx, "/app", DECODED);
        let normalised = [
            ("REQUEST_URI", "/app//x/../y"),
            ("SCRIPT_NAME", "/app"),
            ("PATH_INFO", "/y"),
        ];
        check("/app", &normalised, "/app", "/y");
    }

    #[test]
    fn a_request_from_outside_of_the_mount_is_left_alone() {
        let other = [
            ("REQUEST_URI", "/apple"),
            ("SCRIPT_NAME", "/apple"),
            ("PATH_INFO", ""),
        ];
        check("/app", &other, "/apple", "");
        check(
            "/app",
            &[("SCRIPT_NAME", "/x"), ("PATH_INFO", "/y")],
            "/x",
            "/y",
        );
    }

    #[test]
    fn only_paths_are_mounts() {
        for path in ["", "app", "//", "/a//", "/a?b", "/a#b"] {
            assert!(Mount::new(path).is_err(), "{path:?}");
        }
    }
}
