//! The environment of a CGI program (RFC 3875 §4.1).

use std::cmp::Ordering;

use memchr::memchr2;

use super::headers::{PARAM_PREFIX, is_client_header, request_headers};
use super::request::content_length;
use crate::message::{Params, lossy};

/// Variables of the web server's own process that some pass on, and that would
/// mean something else to the program.
const FOREIGN: &[&[u8]] = &[
    b"PATH",
    b"LD_LIBRARY_PATH",
    b"LD_PRELOAD",
    b"HOME",
    b"PWD",
    b"SHLVL",
    b"_",
];

/// What a program expects to be there in any case (§4.1: `GATEWAY_INTERFACE`,
/// `QUERY_STRING`, `REMOTE_ADDR`, `REQUEST_METHOD`, `SCRIPT_NAME`,
/// `SERVER_NAME`, `SERVER_PORT`, `SERVER_PROTOCOL` and `SERVER_SOFTWARE` are
/// "MUST be set").
const ALWAYS: &[(&str, &str)] = &[
    ("GATEWAY_INTERFACE", "CGI/1.1"),
    ("QUERY_STRING", ""),
    ("REMOTE_ADDR", ""),
    ("REQUEST_METHOD", "GET"),
    ("SCRIPT_NAME", ""),
    ("SERVER_NAME", "localhost"),
    ("SERVER_PORT", "80"),
    ("SERVER_PROTOCOL", "HTTP/1.1"),
    ("SERVER_SOFTWARE", "fcgi-wasm"),
];

/// The request's params as environment variables, each name once.
///
/// Left out are what the web server's own process has, `HTTP_PROXY` (httpoxy)
/// and fields of its connection, names that are no variable's, and lengths and
/// types that are empty (§4.1.2, §4.1.3: "MUST be set if and only if").
/// Repeated header fields are joined (§4.1.18). Bytes that are not UTF-8 are
/// replaced, because WASI has strings.
pub fn environment(params: &Params) -> Vec<(String, String)> {
    let mut variables: Vec<(String, String)> = Vec::with_capacity(48);
    for (name, value) in params.iter() {
        if !is_client_header(name) && is_variable(name) && !FOREIGN.contains(&name) {
            variables.push((lossy(name).into_owned(), lossy(value).into_owned()));
        }
    }
    let media_type = params.get("CONTENT_TYPE").unwrap_or_default();
    if !media_type.is_empty() {
        variables.push(("CONTENT_TYPE".to_owned(), lossy(media_type).into_owned()));
    }
    if let Some(bytes) = content_length(params) {
        variables.push(("CONTENT_LENGTH".to_owned(), bytes.to_string()));
    }
    for (name, value) in request_headers(params) {
        if !matches!(name.as_str(), "content-type" | "content-length") {
            variables.push((header_variable(&name), lossy(&value).into_owned()));
        }
    }
    // Stable, so that those of a name are in their order still.
    variables.sort_by(|(one, _), (other, _)| order(one, other));
    variables.dedup_by(|later, earlier| {
        let is_same = later.0 == earlier.0;
        if is_same && later.0.starts_with(PARAM_PREFIX) {
            earlier.1.push_str(", ");
            earlier.1.push_str(&later.1);
        } else if is_same {
            std::mem::swap(later, earlier);
        }
        is_same
    });
    for (name, value) in ALWAYS {
        if let Err(place) = variables.binary_search_by(|(known, _)| order(known, name)) {
            variables.insert(place, ((*name).to_owned(), (*value).to_owned()));
        }
    }
    variables
}

/// Any order will do; most names differ in their lengths.
fn order(one: &str, other: &str) -> Ordering {
    (one.len(), one).cmp(&(other.len(), other))
}

/// What the variable of a header field is called (§4.1.18).
fn header_variable(name: &str) -> String {
    let name = name.bytes().map(|byte| match byte {
        b'-' => b'_',
        other => other.to_ascii_uppercase(),
    });
    let variable = PARAM_PREFIX.bytes().chain(name).collect();
    String::from_utf8(variable).unwrap_or_default()
}

fn is_variable(name: &[u8]) -> bool {
    !name.is_empty() && memchr2(b'=', 0, name).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(pairs: &[(&str, &[u8])], name: &str) -> Option<String> {
        let params: Params = pairs.iter().copied().collect();
        let found = environment(&params)
            .into_iter()
            .find(|(known, _)| known == name);
        found.map(|(_, value)| value)
    }

    #[test]
    fn params_become_variables_and_the_last_one_wins() {
        let pairs: &[(&str, &[u8])] = &[
            ("SCRIPT_NAME", b"/a"),
            ("SCRIPT_NAME", b"/b"),
            ("X", b"\xff"),
        ];
        assert_eq!(value(pairs, "SCRIPT_NAME").as_deref(), Some("/b"));
        assert_eq!(value(pairs, "X").as_deref(), Some("\u{fffd}"));
        assert_eq!(value(pairs, "SERVER_PROTOCOL").as_deref(), Some("HTTP/1.1"));
    }

    #[test]
    fn conformance_43_proxy_and_fields_of_the_connection_are_no_variables() {
        for name in [
            "HTTP_PROXY",
            "HTTP_CONNECTION",
            "HTTP_TRANSFER_ENCODING",
            "HTTP_EXPECT",
        ] {
            assert_eq!(value(&[(name, b"x")], name), None, "{name}");
        }
    }

    #[test]
    fn conformance_93_the_web_servers_own_variables_are_not_passed_on() {
        for name in ["PATH", "LD_PRELOAD", "HOME"] {
            assert_eq!(value(&[(name, b"x")], name), None, "{name}");
        }
        assert_eq!(value(&[("A=B", b"x")], "A=B"), None);
    }

    #[test]
    fn repeated_headers_are_joined_and_empty_content_fields_left_out() {
        let pairs: &[(&str, &[u8])] = &[
            ("HTTP_X", b"1"),
            ("HTTP_Y", b"y"),
            ("HTTP_X", b"2"),
            ("HTTP_COOKIE", b"a=1"),
            ("HTTP_X", b"3"),
            ("HTTP_COOKIE", b"b=2"),
            ("CONTENT_TYPE", b""),
            ("CONTENT_LENGTH", b""),
            ("HTTP_CONTENT_LENGTH", b"5"),
        ];
        assert_eq!(value(pairs, "HTTP_X").as_deref(), Some("1, 2, 3"));
        assert_eq!(value(pairs, "HTTP_COOKIE").as_deref(), Some("a=1; b=2"));
        for name in ["CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_CONTENT_LENGTH"] {
            assert_eq!(value(pairs, name), None, "{name}");
        }
    }
}
