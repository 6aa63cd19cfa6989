//! Files that the web server sends in an application's place.
//!
//! The application names one of its own files; what the web server is told is
//! ours, and only what the operator has mapped.

use http::{HeaderName, HeaderValue, header};

use crate::cgi;
use crate::message::{Body, Fault, Params, Response};
use crate::policy::{Policy, SendFileBy};

/// The field of a response by which an application names a file of its own,
/// percent-encoded as in a URL. It never leaves this server.
const FIELD: HeaderName = HeaderName::from_static("fcgi-wasm-send-file");

/// What describes a body that is another one now. The web server says of the
/// file what is true of it, and answers for ranges and conditions by that.
const OF_BODY: &[HeaderName] = &[
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::ACCEPT_RANGES,
    header::ETAG,
    header::LAST_MODIFIED,
];

/// What is needed of a request to hand its answer's file off.
pub(super) struct HandOff {
    /// How the web server is asked, or else what it calls itself (RFC 3875
    /// §4.1.17), for the complaint.
    by: Result<SendFileBy, String>,
}

impl HandOff {
    pub(super) fn new(params: &Params, by: Option<SendFileBy>) -> Self {
        let software = params.text("SERVER_SOFTWARE").unwrap_or_default();
        Self {
            by: by
                .or_else(|| known(&software))
                .ok_or_else(|| software.into_owned()),
        }
    }

    /// Replaces an answer that names a file by one that asks the web server to
    /// send it. Others stay.
    ///
    /// # Errors
    ///
    /// `BadResponse` if the file is not one that the operator lets be sent, or
    /// the web server is not known to send any.
    pub(super) fn of(&self, mut response: Response, policy: &Policy) -> Result<Response, Fault> {
        let Some(named) = response.headers.remove(FIELD) else {
            return Ok(response);
        };
        let (field, file) = self.ask(&named, policy).map_err(Fault::BadResponse)?;
        for name in OF_BODY {
            response.headers.remove(name);
        }
        response.headers.insert(field, file);
        response.body = Body::default();
        Ok(response)
    }

    /// The field by which the web server is asked for the file.
    fn ask(
        &self,
        named: &HeaderValue,
        policy: &Policy,
    ) -> Result<(HeaderName, HeaderValue), String> {
        let decoded = cgi::decode(named.as_bytes());
        let path = str::from_utf8(&decoded)
            .map_err(|_| format!("the file {named:?} that it wants to be sent is no UTF-8"))?;
        let mut folders = policy.sent_folders.iter();
        let file = folders.find_map(|folder| folder.of_web_server(path));
        let file = file.ok_or_else(|| {
            format!("the file {path:?} that it wants to be sent is in no folder of --send-file")
        })?;
        let by = self.by.as_ref().map_err(|software| {
            format!(
                "a file can not be sent, because how to ask {software:?} for it is not known; \
                 --send-file-by says it"
            )
        })?;
        // mod_xsendfile 0.12 takes the value as it is, the others decode it.
        let (field, file) = match by {
            SendFileBy::XAccelRedirect => ("x-accel-redirect", cgi::encode_path(file.as_bytes())),
            SendFileBy::XSendfile => ("x-sendfile", file),
            SendFileBy::XLighttpdSendFile => {
                ("x-lighttpd-send-file", cgi::encode_path(file.as_bytes()))
            }
        };
        let file = HeaderValue::from_bytes(file.as_bytes())
            .map_err(|_| format!("the file {path:?} can not be named in a header"))?;
        Ok((HeaderName::from_static(field), file))
    }
}

/// Which field a web server knows, by what it calls itself.
fn known(software: &str) -> Option<SendFileBy> {
    let name = software.split(['/', ' ']).next().unwrap_or_default();
    match name.to_ascii_lowercase().as_str() {
        "nginx" | "openresty" | "angie" => Some(SendFileBy::XAccelRedirect),
        "apache" => Some(SendFileBy::XSendfile),
        "lighttpd" => Some(SendFileBy::XLighttpdSendFile),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::policy::SentFolder;

    fn policy() -> Policy {
        let folder = SentFolder::parse("/files=/internal").expect("a folder");
        Policy::strict().send_files(folder)
    }

    fn hand_off(response: Response, policy: &Policy, software: &str) -> Result<Response, Fault> {
        let params: Params = [("SERVER_SOFTWARE", software)].into_iter().collect();
        HandOff::new(&params, policy.send_file_by).of(response, policy)
    }

    fn naming(file: &str) -> Response {
        let mut response = Response::text(StatusCode::OK, "of the guest\n");
        let file = HeaderValue::from_bytes(file.as_bytes()).expect("a value");
        response.headers.insert(FIELD, file);
        for name in OF_BODY {
            response.headers.insert(name, HeaderValue::from_static("1"));
        }
        response
    }

    fn fields(response: &Response) -> Vec<(&str, &str)> {
        let text = |value| str::from_utf8(HeaderValue::as_bytes(value)).expect("UTF-8");
        let fields = response.headers.iter();
        fields
            .map(|(name, value)| (name.as_str(), text(value)))
            .collect()
    }

    #[test]
    fn conformance_56_each_web_server_is_asked_in_its_own_words() {
        let (encoded, plain) = ("/internal/a%20b/%C3%BC%3F%25.txt", "/internal/a b/ü?%.txt");
        for (software, field, file) in [
            ("nginx/1.22.1", "x-accel-redirect", encoded),
            ("Apache/2.4.71 (Debian)", "x-sendfile", plain),
            ("Apache", "x-sendfile", plain),
            ("lighttpd/1.4.69", "x-lighttpd-send-file", encoded),
        ] {
            let response = hand_off(naming("/files/a%20b/%C3%BC?%25.txt"), &policy(), software);
            let response = response.expect(software);
            let mut fields = fields(&response);
            fields.sort_unstable();
            let mut expected = [("content-type", "text/plain; charset=utf-8"), (field, file)];
            expected.sort_unstable();
            assert_eq!(fields, expected);
            assert_eq!(http_body::Body::size_hint(&response.body).exact(), Some(0));
        }
        let told = policy().send_file_by(SendFileBy::XSendfile);
        let response = hand_off(naming("/files/a"), &told, "Caddy/2.6.2").expect("told");
        assert!(response.headers.contains_key("x-sendfile"));
    }

    #[test]
    fn conformance_56_only_what_the_operator_maps_is_sent() {
        for (file, policy, software, complaint) in [
            ("/files/a", Policy::strict(), "nginx/1", "--send-file"),
            ("/etc/passwd", policy(), "nginx/1", "--send-file"),
            ("/files/../etc", policy(), "nginx/1", "--send-file"),
            ("/files/%2e%2e/etc", policy(), "nginx/1", "--send-file"),
            ("/files/%2E%2E%2fetc", policy(), "nginx/1", "--send-file"),
            ("/files/a%00b", policy(), "nginx/1", "--send-file"),
            ("/files/a%0D%0Ab", policy(), "nginx/1", "--send-file"),
            ("/files//etc", policy(), "nginx/1", "--send-file"),
            ("files/a", policy(), "nginx/1", "--send-file"),
            ("/files/%ff", policy(), "nginx/1", "no UTF-8"),
            ("/files/a", policy(), "Caddy/2.6.2", "--send-file-by"),
            ("/files/a", policy(), "", "--send-file-by"),
        ] {
            let fault = hand_off(naming(file), &policy, software).expect_err(file);
            assert_eq!(fault.status(), 500);
            assert!(fault.to_string().contains(complaint), "{file}: {fault}");
        }
    }

    #[test]
    fn other_answers_stay() {
        let response = Response::text(StatusCode::OK, "as it is\n");
        let response = hand_off(response, &policy(), "nginx/1").expect("an answer");
        assert_eq!(
            fields(&response),
            [("content-type", "text/plain; charset=utf-8")]
        );
        assert_eq!(http_body::Body::size_hint(&response.body).exact(), Some(9));
    }
}
