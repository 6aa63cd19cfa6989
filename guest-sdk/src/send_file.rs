//! Files that the web server sends in the app's place.

use crate::Response;
use crate::ResponseBody;
use http::HeaderName;
use http::HeaderValue;

/// By which the host knows the file; it keeps the field to itself.
const FIELD: HeaderName = HeaderName::from_static("fcgi-wasm-send-file");

/// Responses that the `http` crate does not know of.
pub trait ResponseExt {
    /// The file at this path of the app's own, sent by the web server: nginx, Apache or lighttpd
    /// does that while the app has long ended, and answers for ranges and conditions too.
    ///
    /// Only where the operator maps the path's directory (`--send-file /files=/internal`); any
    /// other path is a 500, and so is one with `..` in it. The app need not be able to read the
    /// file. Without a `content-type` the web server guesses one by the name.
    ///
    /// ```
    /// use fcgi_wasm_sdk::prelude::*;
    ///
    /// #[handler]
    /// fn app(request: Request) -> Result<Response> {
    ///     if request.remote_user().is_none() {
    ///         return StatusCode::FORBIDDEN.into_response();
    ///     }
    ///     Ok(Response::send_file("/files/report for May.pdf"))
    /// }
    /// ```
    #[must_use]
    fn send_file(path: impl AsRef<str>) -> Response;
}

impl ResponseExt for Response<ResponseBody> {
    fn send_file(path: impl AsRef<str>) -> Response {
        let mut response = Self::new(ResponseBody::from(()));
        response.headers_mut().insert(FIELD, encoded(path.as_ref()));
        response
    }
}

/// The path in ASCII that stands in a header, whatever the file is called: percent-encoded.
fn encoded(path: &str) -> HeaderValue {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = Vec::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            encoded.push(byte);
        } else {
            let digit = |half: u8| DIGITS[usize::from(half)];
            encoded.extend([b'%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    HeaderValue::from_maybe_shared(bytes::Bytes::from(encoded))
        .unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_of_a_file_stands_in_a_header() {
        for (path, expected) in [
            ("/files/a.txt", "/files/a.txt"),
            ("/files/a b%20\u{fc}", "/files/a%20b%2520%C3%BC"),
            ("/a\r\nx: y\0", "/a%0D%0Ax:%20y%00"),
        ] {
            let response = Response::send_file(path);
            assert_eq!(response.headers()[FIELD], expected);
        }
    }
}
