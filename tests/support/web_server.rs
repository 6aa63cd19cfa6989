//! A web server's side of FastCGI, written by hand from the specification. It
//! shares no code with what it tests.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::PATIENCE;

pub(crate) const BEGIN_REQUEST: u8 = 1;
pub(crate) const ABORT_REQUEST: u8 = 2;
pub(crate) const END_REQUEST: u8 = 3;
pub(crate) const PARAMS: u8 = 4;
pub(crate) const STDIN: u8 = 5;
pub(crate) const STDOUT: u8 = 6;
pub(crate) const STDERR: u8 = 7;
pub(crate) const DATA: u8 = 8;
pub(crate) const GET_VALUES: u8 = 9;
pub(crate) const GET_VALUES_RESULT: u8 = 10;
pub(crate) const UNKNOWN_TYPE: u8 = 11;

pub(crate) const RESPONDER: u16 = 1;
pub(crate) const AUTHORIZER: u16 = 2;
pub(crate) const FILTER: u16 = 3;

/// A record without padding.
pub(crate) fn record(kind: u8, id: u16, content: &[u8]) -> Vec<u8> {
    padded(kind, id, content, 0)
}

/// A record with so many bytes of padding, which are not zero.
pub(crate) fn padded(kind: u8, id: u16, content: &[u8], padding: u8) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("fits into a record");
    let [id_1, id_0] = id.to_be_bytes();
    let [length_1, length_0] = length.to_be_bytes();
    let mut bytes = vec![1, kind, id_1, id_0, length_1, length_0, padding, 0];
    bytes.extend_from_slice(content);
    bytes.extend(std::iter::repeat_n(0xAA, padding.into()));
    bytes
}

pub(crate) fn begin(id: u16, role: u16, keep_conn: bool) -> Vec<u8> {
    let [role_1, role_0] = role.to_be_bytes();
    let body = [role_1, role_0, keep_conn.into(), 0, 0, 0, 0, 0];
    record(BEGIN_REQUEST, id, &body)
}

/// Name-value pairs with the shortest lengths.
pub(crate) fn pairs(pairs: &[(&str, impl AsRef<[u8]>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in pairs {
        let value = value.as_ref();
        for length in [name.len(), value.len()] {
            match u8::try_from(length) {
                Ok(short) if short < 128 => bytes.push(short),
                _ => {
                    let long = u32::try_from(length).expect("a length") | 0x8000_0000;
                    bytes.extend_from_slice(&long.to_be_bytes());
                }
            }
        }
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(value);
    }
    bytes
}

/// All params of a request, and their end.
pub(crate) fn params(id: u16, list: &[(&str, impl AsRef<[u8]>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in pairs(list).chunks(60_000) {
        bytes.extend(record(PARAMS, id, part));
    }
    bytes.extend(record(PARAMS, id, &[]));
    bytes
}

/// A body, and its end.
pub(crate) fn stdin(id: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in body.chunks(30_000) {
        bytes.extend(record(STDIN, id, part));
    }
    bytes.extend(record(STDIN, id, &[]));
    bytes
}

/// What any web server says of a GET.
pub(crate) fn get_params(path: &str) -> Vec<(&str, &str)> {
    vec![
        ("REQUEST_METHOD", "GET"),
        ("SCRIPT_NAME", ""),
        ("PATH_INFO", path),
        ("REQUEST_URI", path),
        ("QUERY_STRING", ""),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("SERVER_NAME", "test.example"),
        ("HTTP_HOST", "test.example"),
    ]
}

/// A whole GET.
pub(crate) fn get(id: u16, path: &str, keep_conn: bool) -> Vec<u8> {
    let mut bytes = begin(id, RESPONDER, keep_conn);
    bytes.extend(params(id, &get_params(path)));
    bytes.extend(stdin(id, &[]));
    bytes
}

/// The head of a POST: everything but its body.
pub(crate) fn post_head(id: u16, path: &str, length: usize, keep_conn: bool) -> Vec<u8> {
    let length = length.to_string();
    let mut list = get_params(path);
    list[0] = ("REQUEST_METHOD", "POST");
    list.push(("CONTENT_LENGTH", &length));
    let mut bytes = begin(id, RESPONDER, keep_conn);
    bytes.extend(params(id, &list));
    bytes
}

/// A record that came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) kind: u8,
    pub(crate) id: u16,
    pub(crate) content: Vec<u8>,
}

/// Everything that came back for one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) app_status: u32,
    pub(crate) protocol_status: u8,
    /// The types of its records, in order.
    pub(crate) kinds: Vec<u8>,
}

impl Answer {
    /// The number in its first line, which has to be `Status`.
    #[track_caller]
    pub(crate) fn status(&self) -> u16 {
        let head = String::from_utf8_lossy(&self.stdout).into_owned();
        let number = head.strip_prefix("Status: ").and_then(|rest| rest.get(..3));
        let number = number.and_then(|number| number.parse().ok());
        number.unwrap_or_else(|| panic!("no status in {head:?}"))
    }

    #[track_caller]
    fn split(&self) -> (&[u8], &[u8]) {
        let end = self
            .stdout
            .windows(4)
            .position(|bytes| bytes == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("the head has no end: {self:?}"));
        (&self.stdout[..end], &self.stdout[end + 4..])
    }

    #[track_caller]
    pub(crate) fn body(&self) -> &[u8] {
        self.split().1
    }

    #[track_caller]
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(self.body()).into_owned()
    }

    #[track_caller]
    pub(crate) fn headers(&self, name: &str) -> Vec<String> {
        let head = String::from_utf8_lossy(self.split().0).into_owned();
        let fields = head.lines().filter_map(|line| line.split_once(": "));
        fields
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_owned())
            .collect()
    }

    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

/// A connection to the application.
pub(crate) struct Peer {
    pub(crate) stream: UnixStream,
}

impl Peer {
    #[track_caller]
    pub(crate) fn connect(path: &Path) -> Self {
        let stream = UnixStream::connect(path).expect("connected");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        Self { stream }
    }

    #[track_caller]
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("sent");
    }

    /// The next record; `None` once the application has closed the connection
    /// in an orderly way.
    #[track_caller]
    pub(crate) fn read_record(&mut self) -> Option<Record> {
        let mut header = [0; 8];
        match self.stream.read(&mut header[..1]) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) => panic!("no record came: {error}"),
        }
        self.stream.read_exact(&mut header[1..]).expect("a header");
        let [version, kind, id_1, id_0, length_1, length_0, padding, _] = header;
        assert_eq!(version, 1, "the version of {header:?}");
        let length: usize = u16::from_be_bytes([length_1, length_0]).into();
        let mut content = vec![0; length + usize::from(padding)];
        self.stream.read_exact(&mut content).expect("the content");
        content.truncate(length);
        let id = u16::from_be_bytes([id_1, id_0]);
        Some(Record { kind, id, content })
    }

    /// Reads until the request ends; records of others are an error.
    #[track_caller]
    pub(crate) fn answer(&mut self, id: u16) -> Answer {
        let mut answers = self.answers(&[id]);
        answers.remove(0)
    }

    /// Reads until all of these requests have ended, in whatever order.
    #[track_caller]
    pub(crate) fn answers(&mut self, ids: &[u16]) -> Vec<Answer> {
        let mut answers = vec![Answer::default(); ids.len()];
        let mut ended = vec![false; ids.len()];
        while ended.contains(&false) {
            let record = self.read_record().expect("closed before the end");
            let index = ids.iter().position(|id| *id == record.id);
            let index = index.unwrap_or_else(|| panic!("of nobody: {record:?}"));
            assert!(!ended[index], "after the end: {record:?}");
            ended[index] = collect(&mut answers[index], record);
        }
        answers
    }

    /// One request and its answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, id: u16, request: &[u8]) -> Answer {
        self.send(request);
        self.answer(id)
    }

    /// Whether the application has closed the connection without a reset.
    #[track_caller]
    pub(crate) fn is_closed(&mut self) -> bool {
        self.read_record().is_none()
    }

    /// Whether the connection is over, be it by a reset.
    pub(crate) fn is_gone(&mut self) -> bool {
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(0) => true,
            Ok(_) => false,
            Err(error) => {
                matches!(
                    error.kind(),
                    ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
                )
            }
        }
    }
}

/// Adds a record to an answer; whether it was the last one.
#[track_caller]
fn collect(answer: &mut Answer, record: Record) -> bool {
    answer.kinds.push(record.kind);
    match record.kind {
        STDOUT => answer.stdout.extend(record.content),
        STDERR => answer.stderr.extend(record.content),
        END_REQUEST => {
            let [s3, s2, s1, s0, protocol_status, ..] = record.content[..] else {
                panic!("END_REQUEST with {:?}", record.content);
            };
            assert_eq!(record.content.len(), 8, "bytes in END_REQUEST");
            answer.app_status = u32::from_be_bytes([s3, s2, s1, s0]);
            answer.protocol_status = protocol_status;
            return true;
        }
        other => panic!("a record of type {other}"),
    }
    false
}
