//! FastCGI with a server that may do anything: each wait has an end, and no
//! more is kept than is shown.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::{Buf, Bytes};
use fcgi_wasm::fastcgi::{Client, Pairs, Reply, RequestId, Role, write_pair};
use fcgi_wasm::{Params, cgi};

/// How much of an answer is kept, bytes: its head, and more than a head may
/// have.
const STDOUT_BYTES_KEPT: usize = 2 * cgi::HEAD_BYTES_MAX;

/// How much of the messages for the error log is kept, bytes.
const STDERR_BYTES_KEPT: usize = 16 * 1024;

/// A connection to the server.
pub(super) enum Link {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Link {
    /// Writes all of it, within a time.
    fn send(&mut self, mut output: impl Buf, wait: Duration) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.set_write_timeout(Some(wait))?,
            Self::Tcp(stream) => stream.set_write_timeout(Some(wait))?,
        }
        let bytes = output.copy_to_bytes(output.remaining());
        match self {
            Self::Unix(stream) => stream.write_all(&bytes),
            Self::Tcp(stream) => stream.write_all(&bytes),
        }
    }

    /// What has come, `None` at the end; waits for it until the deadline.
    fn receive(&mut self, deadline: Instant) -> io::Result<Option<Vec<u8>>> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        let mut buffer = vec![0; 16 * 1024];
        let read = match self {
            Self::Unix(stream) => {
                stream.set_read_timeout(Some(left))?;
                stream.read(&mut buffer)
            }
            Self::Tcp(stream) => {
                stream.set_read_timeout(Some(left))?;
                stream.read(&mut buffer)
            }
        };
        match read {
            Ok(0) => Ok(None),
            Ok(bytes) => {
                buffer.truncate(bytes);
                Ok(Some(buffer))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(ErrorKind::TimedOut.into()),
            Err(error) => Err(error),
        }
    }
}

/// The answer to GET_VALUES; `None` if the server stays silent or hangs up, as
/// many do that know no management records.
pub(super) fn values(
    mut link: Link,
    names: &[&str],
    wait: Duration,
) -> Option<Vec<(String, String)>> {
    let mut query = Vec::new();
    for name in names {
        write_pair(name.as_bytes(), b"", &mut query);
    }
    let mut client = Client::new();
    client.get_values(&query);
    let deadline = Instant::now() + wait;
    link.send(client.output(), wait).ok()?;
    loop {
        let bytes = link.receive(deadline).ok()??;
        client.input().extend_from_slice(&bytes);
        while let Some(reply) = client.next_reply().ok()? {
            if let Reply::Values(pairs) = reply {
                let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
                let pairs = Pairs::new(&pairs).flatten();
                return Some(
                    pairs
                        .map(|(name, value)| (text(name), text(value)))
                        .collect(),
                );
            }
        }
    }
}

/// What came back for a request.
#[derive(Default)]
pub(super) struct Answer {
    pub(super) stdout: Vec<u8>,
    pub(super) stdout_bytes: u64,
    pub(super) stderr: Vec<u8>,
    pub(super) app_status: u32,
    pub(super) took: Duration,
}

impl Answer {
    fn keep(kept: &mut Vec<u8>, bytes: &[u8], most: usize) {
        let room = most.saturating_sub(kept.len());
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

/// One request without a body, and its whole answer.
pub(super) fn ask(mut link: Link, params: &Params, wait: Duration) -> Result<Answer> {
    let id = RequestId::new(1).context("1 is an id")?;
    let mut pairs = Vec::new();
    for (name, value) in params.iter() {
        write_pair(name, value, &mut pairs);
    }
    let mut client = Client::new();
    client.begin(id, Role::Responder, false, Bytes::from(pairs));
    client.end_stdin(id);
    let started = Instant::now();
    link.send(client.output(), wait)
        .context("it takes no request")?;
    let mut answer = Answer::default();
    loop {
        let bytes = match link.receive(started + wait) {
            Ok(Some(bytes)) => bytes,
            Ok(None) if answer.stdout.is_empty() => {
                bail!("it closed the connection without an answer")
            }
            Ok(None) => bail!("it closed the connection before the answer had ended"),
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                bail!("no end of an answer came within {wait:?}")
            }
            Err(error) => return Err(error).context("the connection broke"),
        };
        client.input().extend_from_slice(&bytes);
        while let Some(reply) = client.next_reply().map_err(anyhow::Error::msg)? {
            match reply {
                Reply::Stdout(_, bytes) => {
                    answer.stdout_bytes += bytes.len() as u64;
                    Answer::keep(&mut answer.stdout, &bytes, STDOUT_BYTES_KEPT);
                }
                Reply::Stderr(_, bytes) => {
                    Answer::keep(&mut answer.stderr, &bytes, STDERR_BYTES_KEPT);
                }
                Reply::Values(_) => {}
                Reply::End { app_status, .. } => {
                    answer.app_status = app_status;
                    answer.took = started.elapsed();
                    return Ok(answer);
                }
            }
        }
    }
}
