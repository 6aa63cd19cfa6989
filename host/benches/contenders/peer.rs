//! One connection to a contender, over which it is asked one thing after the
//! other: as a web server does, or as a browser.

use std::net::SocketAddr;
use std::path::PathBuf;

use bytes::{Buf, Bytes, BytesMut};
use fcgi_wasm::fastcgi::{Client, Reply, RequestId, Role};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use crate::question::{Expected, Question};

/// How much of an answer's beginning is looked at, bytes.
const SEEN_BYTES: usize = 4096;

/// What one read asks for, bytes.
const READ_BYTES: usize = 64 * 1024;

/// How much of a request's body is sent at a time.
static PIECE: [u8; 64 * 1024] = [b'x'; 64 * 1024];

/// Where a contender listens, and for what.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    FastCgi(PathBuf),
    Http(PathBuf),
    HttpTcp(SocketAddr),
}

trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

fn boxed(socket: impl Socket + 'static) -> Box<dyn Socket> {
    Box::new(socket)
}

/// One connection.
pub(crate) struct Peer {
    socket: Box<dyn Socket>,
    speech: Speech,
    expected: Expected,
}

enum Speech {
    FastCgi(Box<FastCgi>),
    Http { request: Bytes, input: BytesMut },
}

struct FastCgi {
    client: Client,
    /// Of each application, and which is asked next.
    params: Vec<Bytes>,
    next: usize,
    body_bytes: usize,
    answers: Vec<Answer>,
}

/// An answer on its way.
#[derive(Clone, Default)]
struct Answer {
    seen: Vec<u8>,
    bytes: u64,
}

impl Peer {
    pub(crate) async fn connect(place: &Place, question: &Question) -> Result<Self, String> {
        let socket = match place {
            Place::FastCgi(path) | Place::Http(path) => UnixStream::connect(path).await.map(boxed),
            Place::HttpTcp(address) => TcpStream::connect(address).await.map(boxed),
        };
        let speech = match place {
            Place::FastCgi(_) => Speech::FastCgi(Box::new(FastCgi {
                client: Client::new(),
                params: question.streams(),
                next: 0,
                body_bytes: question.body_bytes,
                answers: vec![Answer::default()],
            })),
            Place::Http(_) | Place::HttpTcp(_) => Speech::Http {
                request: question.http(),
                input: BytesMut::with_capacity(READ_BYTES),
            },
        };
        Ok(Self {
            socket: socket.map_err(|error| format!("can not be connected to: {error}"))?,
            speech,
            expected: question.expected.clone(),
        })
    }

    /// How many questions it takes to ask all applications.
    pub(crate) fn questions(&self) -> usize {
        match &self.speech {
            Speech::FastCgi(fastcgi) => fastcgi.params.len(),
            Speech::Http { .. } => 1,
        }
    }

    /// Asks once, and reads and checks the answer.
    pub(crate) async fn ask(&mut self) -> Result<(), String> {
        match &mut self.speech {
            Speech::FastCgi(fastcgi) => {
                fastcgi.begin(0);
                fastcgi.send(&mut self.socket).await?;
                fastcgi.read_one(&mut self.socket, &self.expected).await?;
                Ok(())
            }
            Speech::Http { request, input } => {
                let sent = self.socket.write_all(request).await;
                sent.map_err(|error| format!("takes no request: {error}"))?;
                loop {
                    if let Some(bytes) = http_answer(input, &self.expected)? {
                        input.advance(bytes);
                        return Ok(());
                    }
                    read(&mut self.socket, input).await?;
                }
            }
        }
    }

    /// Asks so many things at a time, over and over while `go_on` says so; how
    /// many were answered.
    pub(crate) async fn ask_many(
        &mut self,
        depth: usize,
        go_on: impl Fn() -> bool,
    ) -> Result<u64, String> {
        let Speech::FastCgi(fastcgi) = &mut self.speech else {
            return Err("HTTP/1.1 has one request at a time".to_owned());
        };
        fastcgi.answers.resize(depth, Answer::default());
        (0..depth).for_each(|index| fastcgi.begin(index));
        let (mut under_way, mut answered) = (depth, 0);
        while under_way > 0 {
            fastcgi.send(&mut self.socket).await?;
            let mut index = fastcgi.read_one(&mut self.socket, &self.expected).await?;
            let goes_on = go_on();
            // All that has come is answered in one write.
            loop {
                answered += 1;
                match goes_on {
                    true => fastcgi.begin(index),
                    false => under_way -= 1,
                }
                match fastcgi.next(&self.expected)? {
                    Some(next) => index = next,
                    None => break,
                }
            }
        }
        Ok(answered)
    }
}

async fn read(socket: &mut Box<dyn Socket>, input: &mut BytesMut) -> Result<(), String> {
    input.reserve(READ_BYTES);
    match socket.read_buf(input).await {
        Ok(0) => Err("closed the connection".to_owned()),
        Ok(_) => Ok(()),
        Err(error) => Err(format!("broke the connection: {error}")),
    }
}

impl FastCgi {
    /// Request ids count from 1.
    fn begin(&mut self, index: usize) {
        let number = u16::try_from(index + 1).expect("few at a time");
        let id = RequestId::new(number).expect("not 0");
        let params = self.params[self.next].clone();
        self.next = (self.next + 1) % self.params.len();
        self.client.begin(id, Role::Responder, true, params);
        let mut left = self.body_bytes;
        while left > 0 {
            let piece = Bytes::from_static(&PIECE[..left.min(PIECE.len())]);
            left -= piece.len();
            self.client.stdin(id, piece);
        }
        self.client.end_stdin(id);
    }

    async fn send(&mut self, socket: &mut Box<dyn Socket>) -> Result<(), String> {
        while self.client.output().has_remaining() {
            let sent = socket.write_buf(self.client.output()).await;
            sent.map_err(|error| format!("takes no request: {error}"))?;
        }
        Ok(())
    }

    /// Reads until an answer is complete, and says which.
    async fn read_one(
        &mut self,
        socket: &mut Box<dyn Socket>,
        expected: &Expected,
    ) -> Result<usize, String> {
        loop {
            if let Some(index) = self.next(expected)? {
                return Ok(index);
            }
            read(socket, self.client.input()).await?;
        }
    }

    /// The next answer that is complete by what was read.
    fn next(&mut self, expected: &Expected) -> Result<Option<usize>, String> {
        while let Some(reply) = self.client.next_reply()? {
            match reply {
                Reply::Stdout(id, bytes) => {
                    let answer = &mut self.answers[usize::from(id.get() - 1)];
                    let room = SEEN_BYTES.saturating_sub(answer.seen.len());
                    answer
                        .seen
                        .extend_from_slice(&bytes[..bytes.len().min(room)]);
                    answer.bytes += bytes.len() as u64;
                }
                Reply::End { id, .. } => {
                    let index = usize::from(id.get() - 1);
                    let answer = &mut self.answers[index];
                    answer.check(expected)?;
                    answer.seen.clear();
                    answer.bytes = 0;
                    return Ok(Some(index));
                }
                Reply::Stderr(_, message) => {
                    return Err(format!("said {:?}", String::from_utf8_lossy(&message)));
                }
                Reply::Values(_) => {}
            }
        }
        Ok(None)
    }
}

impl Answer {
    /// A CGI response of status 200 (RFC 3875 §6.2).
    fn check(&self, expected: &Expected) -> Result<(), String> {
        let ends = [&b"\r\n\r\n"[..], b"\n\n"];
        let mut head_bytes = ends.iter().filter_map(|end| {
            let mut windows = self.seen.windows(end.len());
            windows
                .position(|window| window == *end)
                .map(|at| at + end.len())
        });
        let head_bytes = head_bytes.next().ok_or("answered no whole head")?;
        let (head, body) = self.seen.split_at(head_bytes);
        let head = String::from_utf8_lossy(head);
        let is_good = head.starts_with("Status: 200") || !head.contains("Status:");
        match is_good {
            true => expected.check(body, self.bytes - head_bytes as u64),
            false => Err(format!("answered {head:?}")),
        }
    }
}

/// How many bytes of the input are a whole, right answer, if it is there.
fn http_answer(input: &[u8], expected: &Expected) -> Result<Option<usize>, String> {
    let Some(end) = input.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let (head, rest) = input.split_at(end + 4);
    let text = String::from_utf8_lossy(head);
    if !text.starts_with("HTTP/1.1 200 ") {
        return Err(format!("answered {text:?}"));
    }
    let field = |name: &str| {
        let lines = text.lines().filter_map(|line| line.split_once(": "));
        let mut values = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| value)
    };
    let length = field("content-length").and_then(|length| length.parse::<usize>().ok());
    let whole = match length {
        Some(length) => rest.get(..length).map(|body| (body.to_vec(), length)),
        None => whole_chunks(rest),
    };
    match whole {
        Some((body, bytes)) => {
            expected.check(&body, body.len() as u64)?;
            Ok(Some(head.len() + bytes))
        }
        None => Ok(None),
    }
}

/// The body in chunks (RFC 9112 §7.1) that is all there, and how long they are.
fn whole_chunks(input: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let line = input[at..]
            .windows(2)
            .position(|window| window == b"\r\n")?;
        let size = str::from_utf8(&input[at..at + line]).ok()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        at += line + 2;
        body.extend_from_slice(input.get(at..at + size)?);
        at += size + 2;
        if at > input.len() {
            return None;
        }
        if size == 0 {
            return Some((body, at));
        }
    }
}
