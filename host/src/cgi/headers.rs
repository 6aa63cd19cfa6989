//! Header fields: which params are the client's, and which fields may pass.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName};
use memchr::memchr3;

use super::request::content_length;
use crate::message::Params;

/// Fields of one connection (RFC 9110 §7.6.1), `Expect`, which the web server
/// has dealt with, and `Status`, which CGI takes for its own.
const CONNECTION_FIELDS: &[&str] = &[
    "connection",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "status",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Fields by which a response commands the web server: to send a file, to
/// redirect inside of it, to set variables. A guest that may set them reads
/// the server's files.
const COMMAND_FIELDS: &[&str] = &[
    "x-sendfile",
    "x-sendfile2",
    "x-sendfile-temporary",
    "x-reproxy-url",
];
const COMMAND_PREFIXES: &[&str] = &["x-accel-", "x-lighttpd-", "variable-"];

/// How many fields there is room for at once: browsers send ten to fifteen.
const HEADERS_EXPECTED: usize = 16;

/// How the params of header fields begin (RFC 3875 §4.1.18).
pub(super) const PARAM_PREFIX: &str = "HTTP_";

/// Whether a param is what the *client* said; all others are the web server's.
pub(crate) fn is_client_header(param: &[u8]) -> bool {
    param.starts_with(PARAM_PREFIX.as_bytes())
        || param == b"CONTENT_TYPE"
        || param == b"CONTENT_LENGTH"
}

/// The client's header fields under their lower-case names.
///
/// Repeated ones stay apart, except that cookies are joined (RFC 6265 §5.4).
/// Left out are fields of the connection to the web server, `Proxy` (which
/// CGI programs take for a setting: httpoxy), fields that are no HTTP, and
/// the empty CONTENT_TYPE and CONTENT_LENGTH that web servers send for none.
pub(crate) fn request_headers(params: &Params) -> Vec<(String, Cow<'_, [u8]>)> {
    let mut headers: Vec<(String, Cow<[u8]>)> = Vec::with_capacity(HEADERS_EXPECTED);
    if let Some(media_type) = params.get("CONTENT_TYPE").and_then(field_value)
        && !media_type.is_empty()
    {
        headers.push(("content-type".to_owned(), media_type.into()));
    }
    if let Some(bytes) = content_length(params) {
        let digits = bytes.to_string().into_bytes();
        headers.push(("content-length".to_owned(), digits.into()));
    }
    let mut has_cookie = false;
    for (param, value) in params.iter() {
        if param == b"HTTP_COOKIE" && std::mem::replace(&mut has_cookie, true) {
            continue;
        }
        let (Some(name), Some(value)) = (header_name(param), field_value(value)) else {
            continue;
        };
        let value = match name.as_str() {
            "cookie" => cookies(params).into(),
            _ => value.into(),
        };
        headers.push((name, value));
    }
    headers
}

/// All cookies as one field's value.
fn cookies(params: &Params) -> Vec<u8> {
    let values: Vec<&[u8]> = params
        .iter()
        .filter(|(param, _)| *param == b"HTTP_COOKIE")
        .filter_map(|(_, value)| field_value(value))
        .collect();
    values.join(b"; ".as_slice())
}

/// One header field as text, by its name in any case: repeated values joined
/// by `, ` (RFC 9110 §5.2), bytes that are not UTF-8 replaced.
pub(crate) fn request_header(params: &Params, name: &str) -> Option<String> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    match name.to_ascii_lowercase().as_str() {
        "content-type" => {
            let media_type = params.get("CONTENT_TYPE").and_then(field_value)?;
            (!media_type.is_empty()).then(|| text(media_type))
        }
        "content-length" => content_length(params).map(|bytes| bytes.to_string()),
        "cookie" => params.get("HTTP_COOKIE").map(|_| text(&cookies(params))),
        wanted => {
            let named = params
                .iter()
                .filter(|(param, _)| header_name(param).is_some_and(|name| name == wanted));
            let values: Vec<String> = named
                .filter_map(|(_, value)| field_value(value))
                .map(text)
                .collect();
            (!values.is_empty()).then(|| values.join(", "))
        }
    }
}

/// The name of the header field that a param stands for (RFC 3875 §4.1.18), if
/// it stands for one that may reach the guest.
fn header_name(param: &[u8]) -> Option<String> {
    let name = param.strip_prefix(PARAM_PREFIX.as_bytes())?;
    let bytes: Vec<u8> = name
        .iter()
        .map(|&byte| FIELD_BYTES[usize::from(byte)])
        .collect();
    if bytes.is_empty() || bytes.contains(&NOT_IN_FIELD) {
        return None;
    }
    let name = String::from_utf8(bytes).ok()?;
    let is_left_out = matches!(name.as_str(), "proxy" | "content-type" | "content-length")
        || CONNECTION_FIELDS.contains(&name.as_str());
    (!is_left_out).then_some(name)
}

/// What each byte of a param's name is in the name of its field. Every request
/// has some hundred such bytes.
const FIELD_BYTES: [u8; 256] = {
    let mut bytes = [NOT_IN_FIELD; 256];
    let mut byte = 0;
    while byte < 128 {
        if is_of_token(byte) {
            bytes[byte as usize] = byte.to_ascii_lowercase();
        }
        byte += 1;
    }
    bytes[b'_' as usize] = b'-';
    bytes
};
const NOT_IN_FIELD: u8 = 0;

/// Whether names of fields may contain this (RFC 9110 §5.6.2).
const fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// A field's value without the white space around it, if it is one: no CR, LF
/// or NUL (RFC 9110 §5.5). Any other byte may be there.
fn field_value(value: &[u8]) -> Option<&[u8]> {
    let is_legal = memchr3(b'\r', b'\n', 0, value).is_none();
    is_legal.then(|| value.trim_ascii())
}

/// Removes the fields that belong to one connection, whoever sets them.
pub(crate) fn drop_connection_fields(headers: &mut HeaderMap) {
    // Mostly there are none, and few fields: to look at those costs less than to
    // look for each of these.
    let mut names = headers.keys();
    if !names.any(|name| CONNECTION_FIELDS.contains(&name.as_str())) {
        return;
    }
    for name in CONNECTION_FIELDS {
        headers.remove(*name);
    }
}

/// Removes the fields by which a response commands the web server, and says
/// which those were.
pub(crate) fn drop_commands(headers: &mut HeaderMap) -> Vec<HeaderName> {
    let is_command = |name: &HeaderName| {
        let name = name.as_str();
        COMMAND_FIELDS.contains(&name)
            || COMMAND_PREFIXES
                .iter()
                .any(|prefix| name.starts_with(prefix))
    };
    let commands: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_command(name))
        .cloned()
        .collect();
    for name in &commands {
        headers.remove(name);
    }
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &[u8])]) -> Vec<(String, String)> {
        let params: Params = pairs.iter().copied().collect();
        request_headers(&params)
            .into_iter()
            .map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()))
            .collect()
    }

    fn check(pairs: &[(&str, &[u8])], expected: &[(&str, &str)]) {
        let expected: Vec<(String, String)> = expected
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        assert_eq!(headers(pairs), expected, "{pairs:?}");
    }

    #[test]
    fn conformance_08_repeated_fields_stay_apart_and_cookies_are_joined() {
        check(
            &[
                ("HTTP_X", b"1"),
                ("HTTP_COOKIE", b"a=1"),
                ("HTTP_X", b"2"),
                ("HTTP_COOKIE", b"b=2"),
            ],
            &[("x", "1"), ("cookie", "a=1; b=2"), ("x", "2")],
        );
    }

    #[test]
    fn one_field_is_found_by_its_name() {
        let params: Params = [
            ("HTTP_X_A", "1"),
            ("HTTP_COOKIE", "a=1"),
            ("HTTP_X_A", "2"),
            ("HTTP_COOKIE", "b=2"),
            ("CONTENT_TYPE", "a/b"),
            ("CONTENT_LENGTH", "7"),
            ("HTTP_PROXY", "evil"),
        ]
        .into_iter()
        .collect();
        for (name, expected) in [
            ("X-A", Some("1, 2")),
            ("cookie", Some("a=1; b=2")),
            ("Content-Type", Some("a/b")),
            ("content-length", Some("7")),
            ("proxy", None),
            ("x_a", None),
        ] {
            assert_eq!(request_header(&params, name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn conformance_09_names_that_are_no_token_are_dropped() {
        check(
            &[
                ("HTTP_X.B", b"1"),
                ("HTTP_X_SP: ", b"2"),
                ("HTTP_", b"3"),
                ("HTTP_X_\0", b"4"),
            ],
            &[("x.b", "1")],
        );
    }

    #[test]
    fn conformance_38_content_fields_appear_once() {
        check(
            &[
                ("HTTP_CONTENT_LENGTH", b"9"),
                ("CONTENT_LENGTH", b"5"),
                ("CONTENT_TYPE", b"a/b"),
                ("HTTP_CONTENT_TYPE", b"c/d"),
            ],
            &[("content-type", "a/b"), ("content-length", "5")],
        );
        check(
            &[
                ("CONTENT_LENGTH", b""),
                ("CONTENT_TYPE", b""),
                ("HTTP_CONTENT_TYPE", b""),
            ],
            &[],
        );
        check(&[("CONTENT_LENGTH", b"-1")], &[]);
        check(
            &[("CONTENT_TYPE", b"a/b"), ("CONTENT_TYPE", b"c/d")],
            &[("content-type", "c/d")],
        );
    }

    #[test]
    fn conformance_43_fields_of_the_connection_and_proxy_are_dropped() {
        for name in [
            "PROXY",
            "CONNECTION",
            "KEEP_ALIVE",
            "TE",
            "TRANSFER_ENCODING",
            "UPGRADE",
            "EXPECT",
            "PROXY_AUTHORIZATION",
            "TRAILER",
            "PROXY_CONNECTION",
        ] {
            check(
                &[(&format!("HTTP_{name}"), b"x"), ("HTTP_A", b"y")],
                &[("a", "y")],
            );
        }
    }

    #[test]
    fn conformance_44_values_are_bytes_trimmed_and_without_line_ends() {
        check(&[("HTTP_A", b" \tx y\t ")], &[("a", "x y")]);
        check(
            &[
                ("HTTP_A", b"x\r\nSet-Cookie: y"),
                ("HTTP_B", b"a\0b"),
                ("HTTP_C", b"a\nb"),
            ],
            &[],
        );
        let params: Params = [("HTTP_A", b"\xc3\xa9\xff")].into_iter().collect();
        assert_eq!(request_headers(&params)[0].1.as_ref(), b"\xc3\xa9\xff");
    }

    #[test]
    fn conformance_45_variables_of_the_web_server_are_no_headers() {
        check(
            &[
                ("REMOTE_USER", b"alice"),
                ("REMOTE_ADDR", b"unix:"),
                ("HTTPS", b"on"),
            ],
            &[],
        );
    }

    #[test]
    fn conformance_56_commands_to_the_web_server_are_dropped() {
        let mut headers = HeaderMap::new();
        for name in [
            "x-accel-redirect",
            "x-accel-buffering",
            "x-sendfile",
            "x-lighttpd-send-file",
            "x-sendfile2",
            "variable-remote_user",
            "x-accelerate",
            "content-type",
        ] {
            headers.insert(name, http::HeaderValue::from_static("v"));
        }
        assert_eq!(drop_commands(&mut headers).len(), 6);
        assert_eq!(headers.len(), 2);
    }

    #[test]
    fn conformance_49_fields_of_the_connection_are_stripped() {
        let mut headers = HeaderMap::new();
        for name in CONNECTION_FIELDS.iter().chain(&["content-length"]) {
            headers.append(*name, http::HeaderValue::from_static("v"));
            headers.append(*name, http::HeaderValue::from_static("w"));
        }
        drop_connection_fields(&mut headers);
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["content-length"]);
    }
}
