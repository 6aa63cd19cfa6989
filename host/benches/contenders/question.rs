//! What contenders are asked, as a web server would pass it on, and how their
//! answers are checked.

use bytes::Bytes;
use fcgi_wasm::fastcgi::write_pair;

/// What nginx says of a browser's request.
pub(crate) const PARAMS: &[(&str, &str)] = &[
    ("QUERY_STRING", ""),
    ("CONTENT_TYPE", ""),
    ("SCRIPT_NAME", ""),
    ("DOCUMENT_ROOT", "/usr/share/nginx/html"),
    ("SERVER_PROTOCOL", "HTTP/1.1"),
    ("REQUEST_SCHEME", "http"),
    ("GATEWAY_INTERFACE", "CGI/1.1"),
    ("SERVER_SOFTWARE", "nginx/1.22.1"),
    ("REMOTE_ADDR", "127.0.0.1"),
    ("REMOTE_PORT", "40404"),
    ("SERVER_ADDR", "127.0.0.1"),
    ("SERVER_PORT", "80"),
    ("SERVER_NAME", "localhost"),
    ("REDIRECT_STATUS", "200"),
    ("HTTP_HOST", "localhost"),
    ("HTTP_USER_AGENT", "Mozilla/5.0 (X11; Linux x86_64)"),
    (
        "HTTP_ACCEPT",
        "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8",
    ),
    ("HTTP_ACCEPT_LANGUAGE", "en-US,en;q=0.5"),
    ("HTTP_ACCEPT_ENCODING", "gzip, deflate"),
];

/// One request, and what has to come of it.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) path: String,
    /// How much of a body goes with it, bytes.
    pub(crate) body_bytes: usize,
    /// Params beside those that are the same for everybody.
    pub(crate) extra: Vec<(&'static str, String)>,
    /// Applications of the server that are asked in turn; none if it has but
    /// one.
    pub(crate) apps: Vec<String>,
    pub(crate) expected: Expected,
}

/// What an answer's body has to be.
#[derive(Clone, Debug)]
pub(crate) enum Expected {
    Text(String),
    Beginning(String),
    Bytes(u64),
}

impl Question {
    /// A GET of `/hello`.
    pub(crate) fn hello(answer: &str) -> Self {
        Self {
            path: "/hello".to_owned(),
            body_bytes: 0,
            extra: Vec::new(),
            apps: Vec::new(),
            expected: Expected::Text(answer.to_owned()),
        }
    }

    /// A GET whose answer has so many bytes.
    pub(crate) fn download(bytes: usize) -> Self {
        Self {
            path: format!("/download/{bytes}"),
            expected: Expected::Bytes(bytes as u64),
            ..Self::hello("")
        }
    }

    /// A POST of so many bytes, which are counted.
    pub(crate) fn upload(bytes: usize) -> Self {
        Self {
            path: "/swallow".to_owned(),
            body_bytes: bytes,
            expected: Expected::Beginning(format!("{bytes} bytes")),
            ..Self::hello("")
        }
    }

    /// Its params, in pairs.
    pub(crate) fn params(&self) -> Vec<(&str, String)> {
        let (method, length) = match self.body_bytes {
            0 => ("GET", String::new()),
            bytes => ("POST", bytes.to_string()),
        };
        let same = PARAMS
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        let mut params: Vec<(&str, String)> = same.collect();
        params.extend([
            ("REQUEST_METHOD", method.to_owned()),
            ("CONTENT_LENGTH", length),
            ("PATH_INFO", self.path.clone()),
            ("REQUEST_URI", self.path.clone()),
            ("DOCUMENT_URI", self.path.clone()),
        ]);
        params.extend(
            self.extra
                .iter()
                .map(|(name, value)| (*name, value.clone())),
        );
        params
    }

    /// Its params as FastCGI has them.
    pub(crate) fn stream(&self) -> Bytes {
        self.stream_for(&[])
    }

    /// Its params for each of the applications.
    pub(crate) fn streams(&self) -> Vec<Bytes> {
        match self.apps.is_empty() {
            true => vec![self.stream()],
            false => {
                let apps = self.apps.iter();
                let streams = apps.map(|app| self.stream_for(&[("FCGI_WASM_APP", app)]));
                streams.collect()
            }
        }
    }

    fn stream_for(&self, more: &[(&str, &str)]) -> Bytes {
        let mut stream = Vec::new();
        for (name, value) in self.params() {
            write_pair(name.as_bytes(), value.as_bytes(), &mut stream);
        }
        for (name, value) in more {
            write_pair(name.as_bytes(), value.as_bytes(), &mut stream);
        }
        stream.into()
    }

    /// Its HTTP.
    pub(crate) fn http(&self) -> Bytes {
        let path = &self.path;
        let fields = PARAMS.iter().filter_map(|(name, value)| {
            let name = name.strip_prefix("HTTP_")?.replace('_', "-");
            Some(format!("{name}: {value}\r\n"))
        });
        let fields: String = fields.collect();
        format!("GET {path} HTTP/1.1\r\n{fields}\r\n").into()
    }
}

impl Expected {
    /// Whether it is this, of which `text` is the beginning, and all if it is
    /// short.
    pub(crate) fn check(&self, text: &[u8], bytes: u64) -> Result<(), String> {
        let is_right = match self {
            Self::Text(expected) => text == expected.as_bytes(),
            Self::Beginning(expected) => text.starts_with(expected.as_bytes()),
            Self::Bytes(expected) => bytes == *expected,
        };
        match is_right {
            true => Ok(()),
            false => Err(format!(
                "answered {bytes} bytes, {:?}, instead of {self:?}",
                String::from_utf8_lossy(text)
            )),
        }
    }
}
