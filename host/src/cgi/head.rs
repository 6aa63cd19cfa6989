//! A response's head as CGI has it (RFC 3875 §6): written for the web server,
//! read from a program.

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

/// The largest head that is sent, bytes. lighttpd takes one less, and nginx and HAProxy take
/// less than that unless told otherwise ([`WEB_SERVERS`](super::WEB_SERVERS)).
pub const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Status and header fields of a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// 200 to 599.
    pub status: StatusCode,
    /// The fields, without `Status`.
    pub headers: HeaderMap,
}

/// Appends the head, with the blank line that ends it.
///
/// `Status` always comes first and is always there: without it some web
/// servers take a `Location` for a redirect of their own (§6.2.2).
pub fn write_head(status: StatusCode, headers: &HeaderMap, out: &mut BytesMut) {
    out.extend_from_slice(b"Status: ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.extend_from_slice(b" ");
    out.extend_from_slice(status.canonical_reason().unwrap_or("Unknown").as_bytes());
    out.extend_from_slice(b"\r\n");
    for (name, value) in headers {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// Reads a head from the start of a program's output: the head, and how many
/// bytes it took. `None` if the blank line that ends it has not come.
///
/// Lines may end with LF alone. A `Location` without `Status` means 302
/// (§6.2.3), nothing at all 200 (§6.3.3).
///
/// # Errors
///
/// A sentence that names the line: it is no field, is folded, is not legal in
/// HTTP, or the head has over [`HEAD_BYTES_MAX`] bytes.
pub fn parse_head(output: &[u8]) -> Result<Option<(Head, usize)>, String> {
    let mut headers = HeaderMap::new();
    let mut status = None;
    let mut taken = 0;
    loop {
        let rest = &output[taken..];
        let Some(end) = rest.iter().position(|&byte| byte == b'\n') else {
            return match output.len() > HEAD_BYTES_MAX {
                true => Err(too_large()),
                false => Ok(None),
            };
        };
        taken += end + 1;
        if taken > HEAD_BYTES_MAX {
            return Err(too_large());
        }
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        if line.is_empty() {
            break;
        }
        let (name, value) = parse_field(line)?;
        if name == "status" {
            status = Some(parse_status(&value)?);
        } else {
            headers.try_append(name, value).map_err(|_| too_large())?;
        }
    }
    let implied = match headers.contains_key(header::LOCATION) {
        true => StatusCode::FOUND,
        false => StatusCode::OK,
    };
    let status = status.unwrap_or(implied);
    Ok(Some((Head { status, headers }, taken)))
}

fn too_large() -> String {
    format!("the response's head has over {HEAD_BYTES_MAX} bytes")
}

fn parse_field(line: &[u8]) -> Result<(HeaderName, HeaderValue), String> {
    let complain = |what| {
        let shown = String::from_utf8_lossy(&line[..line.len().min(80)]).into_owned();
        format!("the head's line {shown:?} {what}")
    };
    if line.starts_with(b" ") || line.starts_with(b"\t") {
        return Err(complain("is folded, which HTTP no longer allows"));
    }
    let colon = line.iter().position(|&byte| byte == b':');
    let colon = colon.ok_or_else(|| complain("is no header field: it has no colon"))?;
    let name = HeaderName::from_bytes(&line[..colon])
        .map_err(|_| complain("has a name that is not legal in HTTP"))?;
    let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii())
        .map_err(|_| complain("has a value that is not legal in HTTP"))?;
    Ok((name, value))
}

/// §6.3.3: three digits, then perhaps a phrase.
fn parse_status(value: &HeaderValue) -> Result<StatusCode, String> {
    let digits = value.as_bytes().split(|&byte| byte == b' ').next();
    let status = StatusCode::from_bytes(digits.unwrap_or_default()).ok();
    status
        .filter(|status| (200..600).contains(&status.as_u16()))
        .ok_or_else(|| format!("the status {value:?} is none from 200 to 599"))
}

/// What must hold for any bytes at all, as a fuzzer and the tests call it.
#[cfg(any(test, fuzzing))]
#[cfg_attr(not(fuzzing), expect(unreachable_pub, reason = "public for fuzzers"))]
pub fn fuzz_head(data: &[u8]) {
    let Ok(Some((head, taken))) = parse_head(data) else {
        return;
    };
    assert!(taken <= data.len());
    let mut written = BytesMut::new();
    write_head(head.status, &head.headers, &mut written);
    let length = written.len();
    if length <= HEAD_BYTES_MAX {
        assert_eq!(parse_head(&written), Ok(Some((head, length))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(output: &[u8], status: u16, fields: &[(&str, &str)], rest: &[u8]) {
        let (head, taken) = parse_head(output).expect("valid").expect("complete");
        assert_eq!(head.status, status);
        let actual: Vec<_> = head
            .headers
            .iter()
            .map(|(n, v)| (n.as_str(), v.to_str().expect("text")))
            .collect();
        assert_eq!(actual, fields);
        assert_eq!(&output[taken..], rest);
    }

    #[test]
    fn heads_are_read_with_either_line_end() {
        check(
            b"Content-Type: a/b\r\nStatus: 404 Not Found\r\n\r\nbody",
            404,
            &[("content-type", "a/b")],
            b"body",
        );
        check(b"X: 1\nX:2\n\n\n", 200, &[("x", "1"), ("x", "2")], b"\n");
        check(b"\n", 200, &[], b"");
        check(b"Status: 299\n\n", 299, &[], b"");
    }

    #[test]
    fn conformance_47_a_location_without_status_is_302() {
        check(b"Location: /x\n\n", 302, &[("location", "/x")], b"");
        check(
            b"Location: /x\nStatus: 201\n\n",
            201,
            &[("location", "/x")],
            b"",
        );
    }

    #[test]
    fn conformance_50_what_is_no_field_is_an_error() {
        let wrong: &[&[u8]] = &[
            b"garbage\n\n",
            b"X Y: 1\n\n",
            b": 1\n\n",
            b"X: 1\n folded\n\n",
            b"X: a\0b\n\n",
            b"X: a\rb\n\n",
            b"HTTP/1.1 200 OK\n\n",
            b"Status: abc\n\n",
            b"Status: 103\n\n",
            b"Status: 600\n\n",
        ];
        for output in wrong {
            let text = String::from_utf8_lossy(output);
            assert!(parse_head(output).is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_unfinished_head_wants_more_and_a_huge_one_is_an_error() {
        assert_eq!(parse_head(b""), Ok(None));
        assert_eq!(parse_head(b"X: 1\r\n"), Ok(None));
        assert!(parse_head(&[b'x'; HEAD_BYTES_MAX + 1]).is_err());
        assert!(parse_head(&b"X: 1\n".repeat(HEAD_BYTES_MAX / 5 + 1)).is_err());
    }

    #[test]
    fn conformance_46_the_status_comes_first_with_its_phrase() {
        let mut headers = HeaderMap::new();
        headers.append("set-cookie", HeaderValue::from_static("a=1"));
        headers.append("set-cookie", HeaderValue::from_static("b=2"));
        let mut out = BytesMut::new();
        write_head(StatusCode::NOT_FOUND, &headers, &mut out);
        assert_eq!(
            out,
            "Status: 404 Not Found\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n\r\n"
        );
    }

    #[test]
    fn what_is_written_reads_back() {
        for data in [
            b"A: 1\nStatus: 404\n\n".as_slice(),
            b"\n",
            b"Set-Cookie: a\nset-cookie: b\n\n",
        ] {
            fuzz_head(data);
        }
    }
}
