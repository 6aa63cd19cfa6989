//! An HTTP/1.1 client that says and reads exactly what a test wants.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::PATIENCE;

/// A connection to a web server.
pub(crate) struct Client<S: Read + Write> {
    stream: BufReader<S>,
}

/// The head of an answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
}

impl Head {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        let found = fields.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
    /// Whether the body came to its proper end.
    pub(crate) is_complete: bool,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Client<UnixStream> {
    #[track_caller]
    pub(crate) fn connect(path: &Path) -> Self {
        let stream = UnixStream::connect(path).expect("connected");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        Self::over(stream)
    }
}

impl Client<TcpStream> {
    #[track_caller]
    pub(crate) fn connect_to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("connected");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        Self::over(stream)
    }
}

impl<S: Read + Write> Client<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self {
            stream: BufReader::new(stream),
        }
    }

    #[track_caller]
    pub(crate) fn send(&mut self, text: &str) {
        self.send_bytes(text.as_bytes());
    }

    #[track_caller]
    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).expect("sent");
    }

    /// One GET and its answer.
    #[track_caller]
    pub(crate) fn get(&mut self, target: &str) -> Reply {
        self.send(&format!(
            "GET {target} HTTP/1.1\r\nHost: test.example\r\n\r\n"
        ));
        self.reply(false)
    }

    /// A POST whose body comes in chunks: ten times "hello".
    pub(crate) fn post_chunked(&mut self, path: &str) -> Reply {
        self.send(&format!(
            "POST {path} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        ));
        for _ in 0..10 {
            self.send("5\r\nhello\r\n");
        }
        self.send("0\r\n\r\n");
        self.reply(false)
    }

    /// One POST and its answer.
    #[track_caller]
    pub(crate) fn post(&mut self, target: &str, body: &[u8]) -> Reply {
        let length = body.len();
        self.send(&format!(
            "POST {target} HTTP/1.1\r\nHost: test.example\r\nContent-Length: {length}\r\n\r\n"
        ));
        self.send_bytes(body);
        self.reply(false)
    }

    #[track_caller]
    pub(crate) fn head(&mut self) -> Head {
        let line = self.line();
        let status = line
            .split(' ')
            .nth(1)
            .and_then(|number| number.parse().ok());
        let mut head = Head {
            status: status.unwrap_or_else(|| panic!("no status in {line:?}")),
            fields: Vec::new(),
        };
        loop {
            let line = self.line();
            if line.is_empty() {
                return head;
            }
            let (name, value) = line.split_once(':').expect("a field");
            head.fields.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    /// A whole answer; one to a HEAD has no body.
    #[track_caller]
    pub(crate) fn reply(&mut self, is_head: bool) -> Reply {
        let head = self.head();
        let (mut body, mut is_complete) = (Vec::new(), true);
        let length = head.field("content-length");
        let length: Option<usize> = length.and_then(|length| length.parse().ok());
        let is_chunked = head.field("transfer-encoding") == Some("chunked");
        if is_head || head.status == 204 || head.status == 304 {
        } else if is_chunked {
            loop {
                let Some(chunk) = self.chunk() else {
                    is_complete = false;
                    break;
                };
                if chunk.is_empty() {
                    break;
                }
                body.extend(chunk);
            }
        } else if let Some(length) = length {
            body = vec![0; length];
            is_complete = self.stream.read_exact(&mut body).is_ok();
        } else {
            self.stream.read_to_end(&mut body).expect("a body");
        }
        Reply {
            head,
            body,
            is_complete,
        }
    }

    /// One chunk of a chunked body; empty at its end, `None` if it breaks off.
    #[track_caller]
    pub(crate) fn chunk(&mut self) -> Option<Vec<u8>> {
        let mut line = String::new();
        self.stream.read_line(&mut line).ok()?;
        let length = usize::from_str_radix(line.trim(), 16).ok()?;
        let mut chunk = vec![0; length + 2];
        self.stream.read_exact(&mut chunk).ok()?;
        chunk.truncate(length);
        Some(chunk)
    }

    /// Reads until this much has come that ends like that.
    #[track_caller]
    pub(crate) fn read_chunks_until(&mut self, end: &str) {
        let mut seen = Vec::new();
        while !seen.ends_with(end.as_bytes()) {
            let chunk = self.chunk().expect("a chunk");
            assert!(!chunk.is_empty(), "it ended without {end:?}");
            seen.extend(chunk);
        }
    }

    /// Reads until this has come, however the body is framed.
    #[track_caller]
    pub(crate) fn read_until(&mut self, end: &str) {
        let (mut seen, mut piece) = (Vec::new(), [0_u8; 4096]);
        while !seen.windows(end.len()).any(|part| part == end.as_bytes()) {
            let bytes = self.stream.read(&mut piece).expect("more");
            assert!(bytes > 0, "it ended without {end:?}");
            seen.extend_from_slice(&piece[..bytes]);
        }
    }

    #[track_caller]
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a line");
        line.trim_end_matches(['\r', '\n']).to_owned()
    }
}
