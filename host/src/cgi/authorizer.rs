//! What an authorizer is told, and how it gives its leave (FastCGI §6.3).

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::head::HEAD_BYTES_MAX;
use super::mount::normalised;
use super::target::{decode, origin_form};
use crate::message::{Params, Response};

/// The most variables that go with a leave. Environments have some tens.
const VARIABLES_MAX: usize = 1024;

/// How the field is called that sets a variable for what serves the request
/// next: this, and the variable's name (§6.3).
const VARIABLE_PREFIX: &str = "variable-";

/// Makes an authorizer's params those of a request without a body whose path is
/// known.
///
/// §6.3 has web servers leave out CONTENT_LENGTH, SCRIPT_NAME and PATH_INFO. Where
/// they do the path is that of REQUEST_URI, without empty and dot segments: the
/// web servers that have authorizers (lighttpd, Apache) look for the file under
/// that path, and an authorizer that compares paths must see the same one.
pub fn authorizer_params(params: &mut Params) {
    if params.get("CONTENT_LENGTH").is_some() {
        // The body that it is of goes to somebody else.
        params.set("CONTENT_LENGTH", b"");
    }
    if params.get("SCRIPT_NAME").is_some() || params.get("PATH_INFO").is_some() {
        return;
    }
    let Some(uri) = params.get("REQUEST_URI").map(origin_form) else {
        return;
    };
    if uri == b"*" {
        return;
    }
    let raw = uri.split(|&byte| byte == b'?').next().unwrap_or_default();
    let decoded = decode(raw);
    let mut path = vec![b'/'];
    path.extend_from_slice(&normalised(&decoded).join(b"/".as_slice()));
    if path.len() > 1 && decoded.ends_with(b"/") {
        path.push(b'/');
    }
    params.set("SCRIPT_NAME", b"");
    params.set("PATH_INFO", &path);
}

/// Appends the answer that lets a request pass: 200, the variables, and nothing
/// else, because web servers add other fields to the client's response, or drop
/// them (§6.3).
///
/// # Errors
///
/// A sentence, if a name is no token, a value has a line end, a NUL or another
/// control character, or there are too many. Nothing is to be sent then.
pub fn write_leave(variables: &Params, out: &mut BytesMut) -> Result<(), String> {
    let start = out.len();
    out.extend_from_slice(b"Status: 200 OK\r\n");
    for (count, (name, value)) in variables.iter().enumerate() {
        let shown = String::from_utf8_lossy(&name[..name.len().min(80)]);
        if HeaderName::from_bytes(name).is_err() {
            return Err(format!(
                "it sets the variable {shown:?}, whose name is no token"
            ));
        }
        if HeaderValue::from_bytes(value).is_err() {
            return Err(format!(
                "it sets the variable {shown:?} to a value with a control character"
            ));
        }
        if count >= VARIABLES_MAX {
            return Err(format!("it sets over {VARIABLES_MAX} variables"));
        }
        out.extend_from_slice(b"Variable-");
        out.extend_from_slice(name);
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
        if out.len() - start > HEAD_BYTES_MAX {
            return Err(format!("its variables have over {HEAD_BYTES_MAX} bytes"));
        }
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Makes a 403 of an authorizer's response that is a success and gives no leave:
/// lighttpd takes 200 for leave and refuses the others, nginx's auth_request takes
/// them all. The status that it had, if so.
pub fn refuse_success(response: &mut Response) -> Option<StatusCode> {
    let status = response.status;
    if response.leave.is_some() || !status.is_success() {
        return None;
    }
    response.status = StatusCode::FORBIDDEN;
    Some(status)
}

/// The variables that a plain response sets by fields called `Variable-NAME`.
/// The case of a field's name means nothing, so a variable gets the name that
/// CGI gives it: upper case, with underscores (RFC 3875 §4.1.18).
pub(crate) fn named_variables(headers: &HeaderMap) -> Params {
    let mut variables = Params::default();
    for (name, value) in headers {
        if let Some(name) = name.as_str().strip_prefix(VARIABLE_PREFIX) {
            let name = name.to_ascii_uppercase().replace('-', "_");
            variables.push(name.as_bytes(), value.as_bytes());
        }
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgi::{Mount, target};

    fn check(uri: &str, path: &str, expected_target: &str) {
        let pairs = [("REQUEST_URI", uri), ("CONTENT_LENGTH", "7")];
        let mut params: Params = pairs.into_iter().collect();
        authorizer_params(&mut params);
        assert_eq!(params.text("SCRIPT_NAME").as_deref(), Some(""), "{uri}");
        assert_eq!(params.text("PATH_INFO").as_deref(), Some(path), "{uri}");
        assert_eq!(params.text("CONTENT_LENGTH").as_deref(), Some(""), "{uri}");
        assert_eq!(target(&params).as_deref(), Ok(expected_target), "{uri}");
    }

    #[test]
    fn conformance_29_the_path_is_that_of_the_request_uri() {
        check("/a%20b/c?q=1", "/a b/c", "/a%20b/c?q=1");
        check("/", "/", "/");
        check("", "/", "/");
        check("/x/", "/x/", "/x/");
        check("http://h:80/x?y", "/x", "/x?y");
    }

    #[test]
    fn conformance_29_the_path_is_the_one_that_will_be_served() {
        check("/public/../secret", "/secret", "/secret");
        check("/public/%2e%2E/secret?q", "/secret", "/secret");
        check("//secret///x", "/secret/x", "/secret/x");
        check("/../../x", "/x", "/x");
        check("/..", "/", "/");
    }

    #[test]
    fn conformance_29_what_the_web_server_says_of_the_path_counts() {
        let pairs = [("REQUEST_URI", "/outer"), ("SCRIPT_NAME", "/authz")];
        let mut params: Params = pairs.into_iter().collect();
        authorizer_params(&mut params);
        assert_eq!(params.get("PATH_INFO"), None);
        assert_eq!(target(&params).as_deref(), Ok("/authz"));
        let mut params: Params = [("REQUEST_URI", "*")].into_iter().collect();
        authorizer_params(&mut params);
        assert_eq!(target(&params).as_deref(), Ok("*"));
        authorizer_params(&mut Params::default());
    }

    #[test]
    fn conformance_29_a_mount_splits_that_path() {
        let mut params: Params = [("REQUEST_URI", "/app//x/../y")].into_iter().collect();
        authorizer_params(&mut params);
        Mount::new("/app").expect("a mount").apply(&mut params);
        assert_eq!(params.text("SCRIPT_NAME").as_deref(), Some("/app"));
        assert_eq!(params.text("PATH_INFO").as_deref(), Some("/y"));
    }

    fn leave(pairs: &[(&str, &str)]) -> Result<String, String> {
        let mut head = BytesMut::new();
        write_leave(&pairs.iter().copied().collect(), &mut head)?;
        Ok(String::from_utf8_lossy(&head).into_owned())
    }

    #[test]
    fn conformance_26_a_leave_is_200_with_variables_and_nothing_else() {
        assert_eq!(leave(&[]).as_deref(), Ok("Status: 200 OK\r\n\r\n"));
        let expected = "Status: 200 OK\r\nVariable-REMOTE_USER: alice\r\n\
                        Variable-X-Foo: b\u{e4}r\r\nVariable-EMPTY: \r\n\r\n";
        let pairs = [
            ("REMOTE_USER", "alice"),
            ("X-Foo", "b\u{e4}r"),
            ("EMPTY", ""),
        ];
        assert_eq!(leave(&pairs).as_deref(), Ok(expected));
    }

    #[test]
    fn conformance_26_what_is_no_variable_is_an_error() {
        for name in ["", "A B", "A:", "A\r\nSet-Cookie", "A=B", "\u{e4}", "A\0"] {
            assert!(leave(&[("OK", "1"), (name, "x")]).is_err(), "{name:?}");
        }
        for value in ["a\r\nStatus: 200", "a\nb", "a\rb", "a\0b", "\x7f"] {
            assert!(leave(&[("A", value)]).is_err(), "{value:?}");
        }
        assert!(leave(&[("A", &"x".repeat(HEAD_BYTES_MAX))]).is_err());
        assert!(leave(&vec![("A", "x"); VARIABLES_MAX]).is_ok());
        assert!(leave(&vec![("A", "x"); VARIABLES_MAX + 1]).is_err());
    }

    #[test]
    fn conformance_28_a_success_without_leave_is_a_403() {
        for (status, expected) in [
            (200, 403),
            (201, 403),
            (204, 403),
            (206, 403),
            (299, 403),
            (302, 302),
            (304, 304),
            (401, 401),
            (500, 500),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            let mut response = Response::text(status, "x");
            let was = (status != expected).then_some(status);
            assert_eq!(refuse_success(&mut response), was);
            assert_eq!(response.status, expected, "{status}");
        }
        let mut leave = Response::allow(Params::default());
        assert_eq!(refuse_success(&mut leave), None);
        assert_eq!(leave.status, 200);
    }

    #[test]
    fn a_plain_response_names_variables_by_its_fields() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("variable-remote_user", "alice"),
            ("x-variable-b", "no"),
            ("variable-x-role", "admin"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let variables = named_variables(&headers);
        let pairs: Vec<_> = variables.iter().collect();
        let expected: [(&[u8], &[u8]); 2] = [(b"REMOTE_USER", b"alice"), (b"X_ROLE", b"admin")];
        assert_eq!(pairs, expected);
    }
}
