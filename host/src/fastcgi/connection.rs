//! The application's side of one connection: which requests are under way,
//! what arrives for them, what leaves.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::error::ProtocolError;
use super::event::{Event, Refusal, Values};
use super::output::Output;
use super::pairs::{Pairs, write_pair};
use super::params::Gathering;
use super::reader::{Part, Reader};
use super::record::{BODY_BYTES, Header, KEEP_CONN, ProtocolStatus, RecordType, RequestId, Role};

/// The most STDERR content in one record, bytes: HAProxy 2.6 dies of records
/// over 16 KiB before the response head.
const STDERR_BYTES_MAX: usize = 8 * 1024;

/// One connection, from the application's point of view.
///
/// Methods come in three kinds: bytes in ([`input`](Self::input), then
/// [`next_event`](Self::next_event) until `None`), answers
/// ([`stdout`](Self::stdout), [`stderr`](Self::stderr), [`end`](Self::end)),
/// and bytes out ([`output`](Self::output)). Whatever is said of a request
/// after its end is ignored, so nothing can follow an END_REQUEST.
#[derive(Debug)]
pub struct Connection {
    values: Values,
    reader: Reader,
    requests: Vec<Request>,
    events: VecDeque<Event>,
    output: Output,
    /// A request that begins with the id of one that has arrived and is not
    /// answered yet: it has to wait for that.
    next: Option<(RequestId, Bytes)>,
    wants_close: bool,
    /// Whether a request has ended before all of it had come.
    cut_short: bool,
    failed: bool,
}

#[derive(Debug)]
struct Request {
    id: RequestId,
    role: Role,
    keep_conn: bool,
    used_stderr: bool,
    progress: Progress,
}

/// How much of a request has arrived.
#[derive(Debug)]
enum Progress {
    Params(Gathering),
    Body { stdin_open: bool, data_open: bool },
}

impl Progress {
    /// Whether the web server has nothing more to say.
    fn is_complete(&self) -> bool {
        matches!(
            self,
            Self::Body {
                stdin_open: false,
                data_open: false
            }
        )
    }
}

impl Request {
    /// Whether another request may begin with its id once it has ended. Nobody
    /// waits for the body of an authorizer's request: some web servers send an
    /// empty stream, others none (§6.3).
    fn may_be_followed(&self) -> bool {
        let has_begun = matches!(self.progress, Progress::Body { .. });
        self.progress.is_complete() || (has_begun && self.role == Role::Authorizer)
    }
}

impl Connection {
    /// A connection on which nothing has arrived.
    pub fn new(values: Values) -> Self {
        Self {
            values,
            reader: Reader::default(),
            requests: Vec::new(),
            events: VecDeque::new(),
            output: Output::default(),
            next: None,
            wants_close: false,
            cut_short: false,
            failed: false,
        }
    }

    /// Where the bytes that arrive are to be appended.
    pub fn input(&mut self) -> &mut BytesMut {
        &mut self.reader.input
    }

    /// What the arrived bytes mean. `None`: nothing more without more bytes.
    ///
    /// # Errors
    ///
    /// Once, if the peer breaks the protocol. Nothing is read after that; the
    /// requests under way may still be answered.
    pub fn next_event(&mut self) -> Result<Option<Event>, ProtocolError> {
        while self.events.is_empty() && !self.failed {
            if self.is_paused() {
                return Ok(None);
            }
            let outcome = match self.next.take() {
                Some((id, body)) => self.begin(id, body),
                None => match self.reader.next_part() {
                    Ok(None) => return Ok(None),
                    Ok(Some(part)) => self.take_part(part),
                    Err(version) => Err(ProtocolError::WrongVersion(version)),
                },
            };
            if let Err(error) = outcome {
                self.failed = true;
                return Err(error);
            }
        }
        Ok(self.events.pop_front())
    }

    /// Sends the first `bytes` of `content` as body of the response, packed
    /// into as few records as can be.
    pub fn stdout(&mut self, id: RequestId, content: &mut VecDeque<Bytes>, bytes: usize) {
        if self.find(id).is_some() {
            self.output
                .stream(RecordType::Stdout, id.get(), content, bytes);
        }
    }

    /// Sends a message for the web server's error log; cut after 8 KiB.
    pub fn stderr(&mut self, id: RequestId, message: &[u8]) {
        let message = &message[..message.len().min(STDERR_BYTES_MAX)];
        if message.is_empty() {
            return;
        }
        if let Some(request) = self.find(id) {
            request.used_stderr = true;
            self.output.record(RecordType::Stderr, id.get(), message);
        }
    }

    /// Ends the request: its streams and, in the same bytes, END_REQUEST
    /// (§5.5). Nothing can be sent for it any more.
    pub fn end(&mut self, id: RequestId, app_status: u32, protocol_status: ProtocolStatus) {
        let Some(index) = self.requests.iter().position(|request| request.id == id) else {
            return;
        };
        let request = self.requests.swap_remove(index);
        if request.used_stderr {
            self.output.end_stream(RecordType::Stderr, id.get());
        }
        self.output.end_stream(RecordType::Stdout, id.get());
        let [s3, s2, s1, s0] = app_status.to_be_bytes();
        let body = [s3, s2, s1, s0, protocol_status.number(), 0, 0, 0];
        self.output.discrete(RecordType::EndRequest, id.get(), body);
        self.wants_close |= !request.keep_conn;
        self.cut_short |= !request.progress.is_complete();
    }

    /// The bytes that are to leave.
    pub fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    /// Whether the connection is to be closed once everything has left: a
    /// request without FCGI_KEEP_CONN has ended, or the peer broke the
    /// protocol.
    pub fn wants_close(&self) -> bool {
        self.wants_close || self.failed
    }

    /// Whether the peer may be sending what nobody will read: the rest of a
    /// request that has ended, or of what broke the protocol.
    pub fn is_owed_input(&self) -> bool {
        self.cut_short || self.failed
    }

    /// Whether the next request uses the id of one that is still running, so
    /// that nothing more is understood until that one has ended.
    pub fn is_paused(&self) -> bool {
        let next = self.next.as_ref().map(|(id, _)| *id);
        let mut running = self.requests.iter().map(|request| request.id);
        next.is_some_and(|next| running.any(|id| id == next))
    }

    /// Whether something has begun to arrive that is of no use until the rest
    /// of it comes: a request's params, or a record other than of a body.
    pub fn is_midway(&self) -> bool {
        self.reader.is_midway()
            || self
                .requests
                .iter()
                .any(|request| matches!(request.progress, Progress::Params(_)))
    }

    fn gathered_bytes(&self) -> usize {
        let gathering = self
            .requests
            .iter()
            .filter_map(|request| match &request.progress {
                Progress::Params(gathering) => Some(gathering.bytes()),
                Progress::Body { .. } => None,
            });
        gathering.sum()
    }

    fn find(&mut self, id: RequestId) -> Option<&mut Request> {
        self.requests.iter_mut().find(|request| request.id == id)
    }

    fn take_part(&mut self, part: Part) -> Result<(), ProtocolError> {
        let Header {
            record_type, id, ..
        } = part.header;
        let known = RecordType::from_number(record_type);
        let is_of_request = known.map(RecordType::is_of_request);
        match (RequestId::new(id), known, is_of_request) {
            (Some(id), Some(RecordType::BeginRequest), _) => self.begin(id, part.content)?,
            (Some(id), Some(known), Some(true)) => self.take_stream(id, known, part)?,
            (Some(_), None, _) => {} // of no known use, so ignored
            (None, Some(RecordType::GetValues), _) => self.answer_values(&part.content),
            (None, None, _) => self.answer_unknown(record_type),
            _ => return Err(ProtocolError::IdOutOfPlace { record_type, id }),
        }
        Ok(())
    }

    fn begin(&mut self, id: RequestId, body: Bytes) -> Result<(), ProtocolError> {
        let Ok(&[role_1, role_0, flags, ..]) = <&[u8; BODY_BYTES]>::try_from(&body[..]) else {
            let bytes = body.len();
            return Err(ProtocolError::BeginBody { bytes });
        };
        match self.find(id) {
            None => {}
            Some(request) if request.may_be_followed() => {
                self.next = Some((id, body));
                return Ok(());
            }
            Some(_) => return Err(ProtocolError::BegunTwice(id)),
        }
        let role = u16::from_be_bytes([role_1, role_0]);
        let refusal = match Role::from_number(role) {
            None => Some(Refusal::UnknownRole(role)),
            Some(_) if self.requests.len() >= self.values.requests_max => {
                Some(Refusal::TooManyRequests)
            }
            Some(_) => None,
        };
        let progress = match refusal {
            None => Progress::Params(Gathering::default()),
            Some(_) => Progress::Body {
                stdin_open: false,
                data_open: false,
            },
        };
        self.requests.push(Request {
            id,
            role: Role::from_number(role).unwrap_or(Role::Responder),
            keep_conn: flags & KEEP_CONN != 0,
            used_stderr: false,
            progress,
        });
        if let Some(refusal) = refusal {
            self.events.push_back(Event::Refuse(id, refusal));
        }
        Ok(())
    }

    /// A record of a request that has begun. §3.3: records of a request that
    /// has not, or has ended, are ignored.
    fn take_stream(
        &mut self,
        id: RequestId,
        record_type: RecordType,
        part: Part,
    ) -> Result<(), ProtocolError> {
        let gathered = self.gathered_bytes();
        let Some(request) = self.requests.iter_mut().find(|request| request.id == id) else {
            return Ok(());
        };
        let ends = part.ends_stream();
        match (record_type, &mut request.progress) {
            (RecordType::AbortRequest, _) => {
                self.events.push_back(Event::Abort(id, request.role));
            }
            (RecordType::Params, Progress::Params(gathering)) if ends => {
                let params = gathering.take_params(id)?;
                let gathered = std::mem::take(gathering);
                let (role, keep_conn) = (request.role, request.keep_conn);
                request.progress = Progress::Body {
                    stdin_open: !gathered.early_end,
                    data_open: role == Role::Filter,
                };
                self.events.push_back(Event::Begin {
                    id,
                    role,
                    keep_conn,
                    params,
                });
                if !gathered.early_stdin.is_empty() {
                    let early = gathered.early_stdin.into();
                    self.events.push_back(Event::Stdin(id, early));
                }
                if gathered.early_end {
                    self.events.push_back(Event::StdinEnd(id));
                }
            }
            (RecordType::Params, Progress::Params(gathering)) => {
                gathering.push_params(id, &part.content, gathered)?;
            }
            (RecordType::Stdin, Progress::Params(gathering)) if ends => gathering.early_end = true,
            (RecordType::Stdin, Progress::Params(gathering)) => {
                gathering.push_stdin(id, &part.content, gathered)?;
            }
            (RecordType::Stdin, Progress::Body { stdin_open, .. }) if *stdin_open => {
                *stdin_open = !ends;
                self.events.push_back(match ends {
                    true => Event::StdinEnd(id),
                    false => Event::Stdin(id, part.content),
                });
            }
            (RecordType::Data, Progress::Body { data_open, .. }) if *data_open => {
                *data_open = !ends;
                self.events.push_back(match ends {
                    true => Event::DataEnd(id),
                    false => Event::Data(id, part.content),
                });
            }
            _ => {}
        }
        Ok(())
    }

    /// §4.1: known names are answered, others left out.
    fn answer_values(&mut self, query: &[u8]) {
        let mut result = Vec::new();
        for (name, _) in Pairs::new(query).flatten() {
            let value = match name {
                b"FCGI_MAX_CONNS" => self.values.connections_max.to_string(),
                b"FCGI_MAX_REQS" => self.values.requests_max.to_string(),
                b"FCGI_MPXS_CONNS" => u8::from(self.values.multiplex).to_string(),
                b"FCGI_WASM_SERVER" => env!("CARGO_PKG_VERSION").to_owned(),
                b"FCGI_WASM_APP" if !self.values.app.is_empty() => self.values.app.to_string(),
                _ => continue,
            };
            // A name asked for again and again must not make the answer grow.
            if Pairs::new(&result)
                .flatten()
                .all(|(known, _)| known != name)
            {
                write_pair(name, value.as_bytes(), &mut result);
            }
        }
        self.output.record(RecordType::GetValuesResult, 0, &result);
    }

    /// §4.2: a management record of a type that is not known is named back.
    fn answer_unknown(&mut self, record_type: u8) {
        let body = [record_type, 0, 0, 0, 0, 0, 0, 0];
        self.output.discrete(RecordType::UnknownType, 0, body);
    }
}
