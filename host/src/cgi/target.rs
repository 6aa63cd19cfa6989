//! The request's target: path and query as the client wrote them, where that
//! can be known.

use std::borrow::Cow;
use std::fmt::Write;

use http::StatusCode;

use crate::message::{Fault, Params};

/// The longest target, bytes: the `http` crate's limit for a URI, less a byte.
const TARGET_BYTES_MAX: usize = 65_533;

/// Path and query, a valid URI reference in ASCII, or `*`.
///
/// `REQUEST_URI` is what the client wrote and keeps `%2F` apart from `/`, but
/// it may be of an *outer* request (nginx's auth_request), or of before a
/// rewrite. So it counts only where its path decodes to SCRIPT_NAME +
/// PATH_INFO; else the target is rebuilt from those (RFC 3875 §3.3).
///
/// # Errors
///
/// `BadRequest` if a path contains a NUL; `RequestTooLarge` over 64 KiB.
pub fn target(params: &Params) -> Result<String, Fault> {
    let names = ["SCRIPT_NAME", "PATH_INFO", "REQUEST_URI", "QUERY_STRING"];
    let values = names.map(|name| params.get(name));
    for (name, value) in names.iter().zip(values) {
        if value.unwrap_or_default().contains(&0) {
            return Err(Fault::BadRequest(format!("{name} contains a NUL byte")));
        }
    }
    let [script_name, path_info, uri, query] = values;
    let path = [script_name, path_info].map(Option::unwrap_or_default);
    let path = path.concat();
    // Whether the web server says more of the path than REQUEST_URI: an
    // authorizer gets neither (FastCGI §6.3).
    let says_path = script_name.or(path_info).is_some();
    let target = match uri.map(origin_form) {
        Some(b"*") => "*".to_owned(),
        Some(uri) if !says_path || has_path(uri, &path) => keep(uri, query),
        _ => rebuild(&path, without_fragment(query.unwrap_or_default())),
    };
    if target.len() > TARGET_BYTES_MAX {
        return Err(Fault::RequestTooLarge {
            status: StatusCode::URI_TOO_LONG,
            what: format!("the URL has over {TARGET_BYTES_MAX} bytes"),
        });
    }
    Ok(target)
}

/// Path and query without scheme, authority and fragment: Apache, h2o and
/// Cherokee pass the absolute form on, nginx and lighttpd a fragment.
pub(super) fn origin_form(uri: &[u8]) -> &[u8] {
    let uri = without_fragment(uri);
    let schemes: [&[u8]; 2] = [b"http://", b"https://"];
    let scheme = schemes.into_iter().find(|scheme| {
        let start = uri.get(..scheme.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    let Some(scheme) = scheme else {
        return uri;
    };
    let rest = &uri[scheme.len()..];
    match rest.iter().position(|byte| matches!(byte, b'/' | b'?')) {
        Some(start) => &rest[start..],
        None => b"/",
    }
}

fn without_fragment(uri: &[u8]) -> &[u8] {
    uri.split(|&byte| byte == b'#').next().unwrap_or_default()
}

/// Whether the path of `uri` is `path`, which the web server has decoded:
/// completely, or all but `%2F` as Apache does.
fn has_path(uri: &[u8], path: &[u8]) -> bool {
    let raw = uri.split(|&byte| byte == b'?').next().unwrap_or_default();
    let raw = if raw.is_empty() { b"/" } else { raw };
    let path = if path.is_empty() { b"/" } else { path };
    let decoded = decode(raw);
    decoded == path || decoded == decode_slashes(path).as_slice()
}

/// The bytes that a percent-encoded text stands for (RFC 3986 §2.1). A `%`
/// without two hexadecimal digits stands for itself.
pub fn decode(raw: &[u8]) -> Cow<'_, [u8]> {
    if !raw.contains(&b'%') {
        return raw.into();
    }
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = match (byte, after) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                decoded.push(high << 4 | low);
                rest = &after[2..];
            }
            None => {
                decoded.push(byte);
                rest = after;
            }
        }
    }
    decoded.into()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

pub(super) fn decode_slashes(path: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, after)) = rest.split_first() {
        match rest {
            [b'%', b'2', b'f' | b'F', after @ ..] => {
                decoded.push(b'/');
                rest = after;
            }
            _ => {
                decoded.push(byte);
                rest = after;
            }
        }
    }
    decoded
}

/// `uri` as it is, but with the query that the web server made of it, where it
/// says that there is another.
fn keep(uri: &[u8], query_string: Option<&[u8]>) -> String {
    let (path, query) = match uri.iter().position(|&byte| byte == b'?') {
        Some(mark) => (&uri[..mark], Some(&uri[mark + 1..])),
        None => (uri, None),
    };
    let query = match query_string.map(without_fragment) {
        Some(changed) if changed != query.unwrap_or_default() => Some(changed),
        _ => query,
    };
    let mut target = String::with_capacity(uri.len());
    if !path.starts_with(b"/") {
        target.push('/');
    }
    encode_into(path, b"", &mut target);
    if let Some(query) = query {
        target.push('?');
        encode_into(query, b"", &mut target);
    }
    target
}

fn rebuild(path: &[u8], query: &[u8]) -> String {
    let mut target = String::with_capacity(path.len() + query.len() + 2);
    if !path.starts_with(b"/") {
        target.push('/');
    }
    encode_into(path, b"%?#", &mut target);
    if !query.is_empty() {
        target.push('?');
        encode_into(query, b"", &mut target);
    }
    target
}

/// A path as it stands in a URL, what it consists of percent-encoded where that
/// has to be (RFC 3986 §3.3).
pub(crate) fn encode_path(path: &[u8]) -> String {
    let mut encoded = String::with_capacity(path.len());
    encode_into(path, b"%?#", &mut encoded);
    encoded
}

/// Escapes what may not stand in a URI (RFC 3986 §2) and what is in `also`.
fn encode_into(bytes: &[u8], also: &[u8], out: &mut String) {
    let is_kept = |byte: &u8| MAY_STAND_IN_URI[usize::from(*byte)] && !also.contains(byte);
    let mut rest = bytes;
    loop {
        let kept = rest.iter().position(|byte| !is_kept(byte));
        let (kept, after) = rest.split_at(kept.unwrap_or(rest.len()));
        // All of it is ASCII.
        out.push_str(str::from_utf8(kept).unwrap_or_default());
        let Some((&byte, after)) = after.split_first() else {
            return;
        };
        // Writing to a string does not fail.
        let _ = write!(out, "%{byte:02X}");
        rest = after;
    }
}

/// Which bytes need no escape in a URI. A request has up to thousands of them.
const MAY_STAND_IN_URI: [bool; 256] = {
    let mut may_stand = [false; 256];
    let mut byte = 0x21;
    while byte < 0x7f {
        may_stand[byte as usize] = !matches!(
            byte,
            b'"' | b'#' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}'
        );
        byte += 1;
    }
    may_stand
};

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pairs: &[(&str, &[u8])], expected: &str) {
        let params: Params = pairs.iter().copied().collect();
        assert_eq!(target(&params).as_deref(), Ok(expected), "{pairs:?}");
        let uri: http::Uri = expected.parse().expect("a valid URI");
        assert_eq!(uri.to_string(), expected);
    }

    #[test]
    fn conformance_31_request_uri_is_kept_where_it_fits() {
        let uri: &[u8] = b"/app.fcgi/foo%20bar/%C3%A9t%c3%a9/a%2Fb%3Bc?q=1%202&x=%26+y";
        let kept = "/app.fcgi/foo%20bar/%C3%A9t%c3%a9/a%2Fb%3Bc?q=1%202&x=%26+y";
        let query = ("QUERY_STRING", b"q=1%202&x=%26+y".as_slice());
        let nginx = "/foo bar/été/a/b;c".as_bytes();
        check(
            &[
                ("REQUEST_URI", uri),
                ("SCRIPT_NAME", b"/app.fcgi"),
                ("PATH_INFO", nginx),
                query,
            ],
            kept,
        );
        let apache = "/foo bar/été/a%2Fb;c".as_bytes();
        check(
            &[
                ("REQUEST_URI", uri),
                ("SCRIPT_NAME", b"/app.fcgi"),
                ("PATH_INFO", apache),
                query,
            ],
            kept,
        );
        check(
            &[
                ("REQUEST_URI", b"/x?"),
                ("SCRIPT_NAME", b"/x"),
                ("QUERY_STRING", b""),
            ],
            "/x?",
        );
        check(&[("REQUEST_URI", b"/x"), ("PATH_INFO", b"/x")], "/x");
        check(
            &[("REQUEST_URI", b"/%252F"), ("PATH_INFO", b"/%2F")],
            "/%252F",
        );
    }

    #[test]
    fn conformance_32_another_request_uri_is_rebuilt() {
        let outer = ("REQUEST_URI", b"/private?x".as_slice());
        check(
            &[outer, ("SCRIPT_NAME", b"/authz"), ("QUERY_STRING", b"")],
            "/authz",
        );
        check(
            &[
                ("SCRIPT_NAME", b"/a b"),
                ("PATH_INFO", b"/50%?#"),
                ("QUERY_STRING", b"q=1"),
            ],
            "/a%20b/50%25%3F%23?q=1",
        );
        check(
            &[
                ("REQUEST_URI", b"/x?a"),
                ("SCRIPT_NAME", b"/x"),
                ("QUERY_STRING", b"a&b"),
            ],
            "/x?a&b",
        );
        check(
            &[("REQUEST_URI", b"/a//b/../c"), ("PATH_INFO", b"/a/c")],
            "/a/c",
        );
        check(&[("PATH_INFO", b"no-slash")], "/no-slash");
    }

    #[test]
    fn conformance_33_odd_request_uris_become_valid() {
        check(
            &[
                ("REQUEST_URI", b"http://h:8080/x?y"),
                ("SCRIPT_NAME", b"/x"),
            ],
            "/x?y",
        );
        check(&[("REQUEST_URI", b"HTTPS://h"), ("PATH_INFO", b"/")], "/");
        check(
            &[("REQUEST_URI", b"http://h?q"), ("PATH_INFO", b"/")],
            "/?q",
        );
        check(&[("REQUEST_URI", b"*")], "*");
        check(&[("REQUEST_URI", b"/x#frag"), ("SCRIPT_NAME", b"/x")], "/x");
        check(
            &[
                ("REQUEST_URI", b"/x"),
                ("SCRIPT_NAME", b"/x"),
                ("QUERY_STRING", b"q#frag"),
            ],
            "/x?q",
        );
        check(
            &[
                ("REQUEST_URI", "/é x\n".as_bytes()),
                ("PATH_INFO", "/é x\n".as_bytes()),
            ],
            "/%C3%A9%20x%0A",
        );
        check(
            &[("REQUEST_URI", b"/%zz%"), ("PATH_INFO", b"/%zz%")],
            "/%zz%",
        );
        check(
            &[
                ("REQUEST_URI", b"/\"<>\\^`{|}"),
                ("PATH_INFO", b"/\"<>\\^`{|}"),
            ],
            "/%22%3C%3E%5C%5E%60%7B%7C%7D",
        );
    }

    #[test]
    fn conformance_33_a_nul_is_refused() {
        for name in ["SCRIPT_NAME", "PATH_INFO", "REQUEST_URI", "QUERY_STRING"] {
            let params: Params = [(name, b"/a\0b")].into_iter().collect();
            let fault = target(&params).expect_err(name);
            assert_eq!(fault.status(), 400);
        }
    }

    #[test]
    fn conformance_34_missing_names_are_empty_and_no_path_is_the_root() {
        check(&[], "/");
        check(&[("SCRIPT_NAME", b""), ("PATH_INFO", b"")], "/");
        check(&[("QUERY_STRING", b"q")], "/?q");
        check(&[("REQUEST_URI", b"/?q"), ("SCRIPT_NAME", b"")], "/?q");
    }

    #[test]
    fn conformance_29_request_uri_alone_is_enough() {
        check(&[("REQUEST_URI", b"/a%2Fb?q")], "/a%2Fb?q");
        check(&[("REQUEST_URI", b"/x"), ("PATH_INFO", b"")], "/");
    }

    #[test]
    fn conformance_36_script_filename_is_not_used() {
        check(
            &[
                ("SCRIPT_FILENAME", b"proxy:fcgi://localhost/x/y"),
                ("SCRIPT_NAME", b"/z"),
            ],
            "/z",
        );
    }

    #[test]
    fn conformance_91_a_long_target_is_414() {
        let long = [b"/".as_slice(), &[b'x'; 70_000]].concat();
        let params: Params = [("PATH_INFO", long)].into_iter().collect();
        assert_eq!(target(&params).expect_err("too long").status(), 414);
    }
}
