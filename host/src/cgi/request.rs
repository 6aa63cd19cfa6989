//! A request's params read as HTTP: method, authority, body length.

use http::{Method, Request as HttpRequest, Uri, Version, uri};

use super::filter::{data_last_modified, data_length};
use super::headers::request_headers;
use super::target::target;
use crate::message::{Fault, Params, Role};

/// The request's method (§4.1.12), any token.
///
/// # Errors
///
/// `BadRequest` if there is none, or what is there is no token.
pub(super) fn method(params: &Params) -> Result<Method, Fault> {
    let method = params.get("REQUEST_METHOD").unwrap_or_default();
    if method.is_empty() {
        let cure = "its configuration lacks `include fastcgi_params;` or the like";
        return Err(Fault::BadRequest(format!(
            "the web server sent no REQUEST_METHOD: {cure}"
        )));
    }
    Method::from_bytes(method).map_err(|_| {
        let method = String::from_utf8_lossy(method).into_owned();
        Fault::BadRequest(format!("REQUEST_METHOD is {method:?}, which is no token"))
    })
}

/// Whether the params are those of a request in this role at all, so that a
/// handler can rely on a method and a [`target`], and a filter on its file's length and age.
///
/// # Errors
///
/// [`Fault::BadRequest`], if one of them is missing or wrong.
pub fn check(role: Role, params: &Params) -> Result<(), Fault> {
    method(params)?;
    target(params)?;
    if role == Role::Filter {
        data_length(params)?;
        data_last_modified(params)?;
    }
    Ok(())
}

/// How many bytes of body the client announced (§4.1.2). An empty value, none,
/// or no number (Caddy sends `-1`) all mean that it is not known.
pub(crate) fn content_length(params: &Params) -> Option<u64> {
    let digits = str::from_utf8(params.get("CONTENT_LENGTH")?).ok()?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

/// Whether the client speaks HTTPS with the web server: `HTTPS` is `on`, `1` or `https`
/// (Cherokee sets it to `off`), or `REQUEST_SCHEME` is `https`.
pub(crate) fn is_https(params: &Params) -> bool {
    let value = |name| params.get(name).unwrap_or_default();
    let https = value("HTTPS");
    let is_on = ["on", "1", "https"]
        .iter()
        .any(|on| https.eq_ignore_ascii_case(on.as_bytes()));
    is_on || value("REQUEST_SCHEME").eq_ignore_ascii_case(b"https")
}

/// The host and port that the client asked for: `HTTP_HOST`, else
/// `SERVER_NAME` with `SERVER_PORT` where it has none and the port is not the
/// scheme's own (HAProxy's SERVER_NAME has the port), else `localhost`.
///
/// # Errors
///
/// `BadRequest` if what is there is no authority (RFC 3986 §3.2).
pub(super) fn authority(params: &Params) -> Result<uri::Authority, Fault> {
    let given = |name| params.text(name).filter(|value| !value.is_empty());
    let authority = match (given("HTTP_HOST"), given("SERVER_NAME")) {
        (Some(host), _) => host.into_owned(),
        (None, Some(name)) => with_port(&name, given("SERVER_PORT").as_deref(), is_https(params)),
        (None, None) => "localhost".to_owned(),
    };
    authority
        .parse()
        .map_err(|_| Fault::BadRequest(format!("the host {authority:?} is no valid authority")))
}

fn with_port(name: &str, port: Option<&str>, is_https: bool) -> String {
    let is_bare_ipv6 = name.matches(':').count() > 1 && !name.starts_with('[');
    let name = match is_bare_ipv6 {
        true => format!("[{name}]"),
        false => name.to_owned(),
    };
    let has_port = name.rsplit(']').next().unwrap_or(&name).contains(':');
    let own_port = if is_https { "443" } else { "80" };
    match port {
        Some(port) if !has_port && port != own_port => format!("{name}:{port}"),
        _ => name,
    }
}

/// The request as HTTP has it, with an absolute URI, and `body` as its body.
///
/// # Errors
///
/// [`Fault::BadRequest`]: there is no method, path or host, or what is there is none.
pub fn http_request<B>(params: &Params, body: B) -> Result<HttpRequest<B>, Fault> {
    let mut parts = uri::Parts::default();
    parts.scheme = Some(match is_https(params) {
        true => uri::Scheme::HTTPS,
        false => uri::Scheme::HTTP,
    });
    parts.authority = Some(authority(params)?);
    let target = target(params)?;
    let invalid = |_| Fault::BadRequest(format!("{target:?} is no valid URL"));
    parts.path_and_query = Some(target.parse().map_err(invalid)?);
    let mut request = HttpRequest::new(body);
    *request.method_mut() = method(params)?;
    *request.uri_mut() = Uri::from_parts(parts)
        .map_err(|_| Fault::BadRequest(format!("{target:?} is no valid URL")))?;
    *request.version_mut() = Version::HTTP_11;
    for (name, value) in request_headers(params) {
        let name = http::HeaderName::from_bytes(name.as_bytes());
        let value = http::HeaderValue::from_bytes(&value);
        if let (Ok(name), Ok(value)) = (name, value) {
            request.headers_mut().append(name, value);
        }
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pairs<'a> = &'a [(&'a str, &'a str)];

    fn params(pairs: Pairs) -> Params {
        pairs.iter().copied().collect()
    }

    #[test]
    fn conformance_37_content_length() {
        let cases: &[(&str, Option<u64>)] = &[
            ("", None),
            ("0", Some(0)),
            ("17", Some(17)),
            ("-1", None),
            ("+1", None),
            ("1e3", None),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
        ];
        for (value, expected) in cases {
            let params = params(&[("CONTENT_LENGTH", value)]);
            assert_eq!(content_length(&params), *expected, "{value:?}");
        }
        assert_eq!(content_length(&Params::default()), None);
    }

    #[test]
    fn conformance_39_https() {
        let cases: &[(Pairs, bool)] = &[
            (&[], false),
            (&[("HTTPS", "on")], true),
            (&[("HTTPS", "1")], true),
            (&[("HTTPS", "https")], true),
            (&[("HTTPS", "off")], false),
            (&[("HTTPS", "")], false),
            (&[("REQUEST_SCHEME", "https")], true),
            (&[("REQUEST_SCHEME", "http")], false),
        ];
        for (pairs, expected) in cases {
            assert_eq!(is_https(&params(pairs)), *expected, "{pairs:?}");
        }
    }

    #[test]
    fn conformance_40_authority() {
        let cases: &[(Pairs, Option<&str>)] = &[
            (
                &[("HTTP_HOST", "a.b:1"), ("SERVER_NAME", "c")],
                Some("a.b:1"),
            ),
            (
                &[("SERVER_NAME", "a.b"), ("SERVER_PORT", "80")],
                Some("a.b"),
            ),
            (
                &[("SERVER_NAME", "a.b"), ("SERVER_PORT", "8080")],
                Some("a.b:8080"),
            ),
            (
                &[("SERVER_NAME", "a.b:8080"), ("SERVER_PORT", "8080")],
                Some("a.b:8080"),
            ),
            (
                &[
                    ("HTTPS", "on"),
                    ("SERVER_NAME", "a"),
                    ("SERVER_PORT", "443"),
                ],
                Some("a"),
            ),
            (
                &[("HTTPS", "on"), ("SERVER_NAME", "a"), ("SERVER_PORT", "80")],
                Some("a:80"),
            ),
            (
                &[("SERVER_NAME", "::1"), ("SERVER_PORT", "81")],
                Some("[::1]:81"),
            ),
            (
                &[("SERVER_NAME", "[::1]"), ("SERVER_PORT", "80")],
                Some("[::1]"),
            ),
            (&[("HTTP_HOST", "")], Some("localhost")),
            (&[], Some("localhost")),
            (&[("HTTP_HOST", "a b")], None),
            (&[("HTTP_HOST", "a/b")], None),
        ];
        for (pairs, expected) in cases {
            let authority = authority(&params(pairs)).ok();
            assert_eq!(
                authority.as_ref().map(uri::Authority::as_str),
                *expected,
                "{pairs:?}"
            );
        }
    }

    #[test]
    fn conformance_41_any_protocol_version_and_no_host_make_a_request() {
        for protocol in ["HTTP/1.0", "HTTP/1.1", "HTTP/2.0", "INCLUDED", ""] {
            let params = params(&[
                ("REQUEST_METHOD", "GET"),
                ("REQUEST_URI", "/x?y"),
                ("SCRIPT_NAME", "/x"),
                ("SERVER_PROTOCOL", protocol),
                ("SERVER_NAME", "a.b"),
            ]);
            let request = http_request(&params, ()).expect(protocol);
            assert_eq!(request.uri(), "http://a.b/x?y");
        }
    }

    #[test]
    fn conformance_42_any_token_is_a_method() {
        for name in ["GET", "FOO", "PROPFIND", "TRACE", "M-SEARCH"] {
            let method = method(&params(&[("REQUEST_METHOD", name)]));
            assert_eq!(method.expect(name).as_str(), name);
        }
        for name in ["", "G T", "GET\n", "GÉT"] {
            let fault = method(&params(&[("REQUEST_METHOD", name)])).expect_err(name);
            assert_eq!(fault.status(), 400);
        }
    }
}
