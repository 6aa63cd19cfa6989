//! The web server's side of one connection, for `fcgi-wasm request` and the
//! load benchmark.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::output::Output;
use super::reader::Reader;
use super::record::{KEEP_CONN, ProtocolStatus, RecordType, RequestId, Role};

/// What the application answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Bytes of the response.
    Stdout(RequestId, Bytes),
    /// A message for the error log.
    Stderr(RequestId, Bytes),
    /// The request is over.
    End {
        /// Which request.
        id: RequestId,
        /// What a CGI program would have as its exit status.
        app_status: u32,
        /// How the protocol went; `None` for a number it does not have.
        protocol_status: Option<ProtocolStatus>,
    },
    /// The answer to [`Client::get_values`], a stream for [`Pairs`](super::Pairs).
    Values(Bytes),
}

/// One connection, from the web server's point of view.
#[derive(Debug, Default)]
pub struct Client {
    reader: Reader,
    output: Output,
}

impl Client {
    /// A connection on which nothing was said.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a request and sends all of its params, given as a stream made by
    /// [`write_pair`](super::write_pair).
    pub fn begin(&mut self, id: RequestId, role: Role, keep_conn: bool, params: Bytes) {
        let [role_1, role_0] = role.number().to_be_bytes();
        let flags = if keep_conn { KEEP_CONN } else { 0 };
        let body = [role_1, role_0, flags, 0, 0, 0, 0, 0];
        self.output
            .discrete(RecordType::BeginRequest, id.get(), body);
        self.send(RecordType::Params, id, params);
        self.output.end_stream(RecordType::Params, id.get());
    }

    /// Sends bytes of the request's body.
    pub fn stdin(&mut self, id: RequestId, content: Bytes) {
        self.send(RecordType::Stdin, id, content);
    }

    /// Says that the body is complete.
    pub fn end_stdin(&mut self, id: RequestId) {
        self.output.end_stream(RecordType::Stdin, id.get());
    }

    /// Sends bytes of the file that a filter transforms (§6.4), after the body.
    pub fn data(&mut self, id: RequestId, content: Bytes) {
        self.send(RecordType::Data, id, content);
    }

    /// Says that the file is complete.
    pub fn end_data(&mut self, id: RequestId) {
        self.output.end_stream(RecordType::Data, id.get());
    }

    /// Asks for variables of the application, given as a stream of pairs with
    /// empty values.
    pub fn get_values(&mut self, names: &[u8]) {
        self.output.record(RecordType::GetValues, 0, names);
    }

    /// Where the bytes that arrive are to be appended.
    pub fn input(&mut self) -> &mut BytesMut {
        &mut self.reader.input
    }

    /// The bytes that are to leave.
    pub fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    /// What the arrived bytes mean. `None`: nothing more without more bytes.
    ///
    /// # Errors
    ///
    /// If the bytes are not FastCGI 1; the sentence says what they are.
    pub fn next_reply(&mut self) -> Result<Option<Reply>, String> {
        loop {
            let part = match self.reader.next_part() {
                Ok(Some(part)) => part,
                Ok(None) => return Ok(None),
                Err(version) => {
                    return Err(format!(
                        "the answer is not FastCGI: it begins with the byte {version:#04x}"
                    ));
                }
            };
            let id = RequestId::new(part.header.id);
            let ends = part.ends_stream();
            match (RecordType::from_number(part.header.record_type), id) {
                (Some(RecordType::Stdout), Some(id)) if !ends => {
                    return Ok(Some(Reply::Stdout(id, part.content)));
                }
                (Some(RecordType::Stderr), Some(id)) if !ends => {
                    return Ok(Some(Reply::Stderr(id, part.content)));
                }
                (Some(RecordType::EndRequest), Some(id)) => {
                    let &[s3, s2, s1, s0, protocol_status, ..] = part.content.as_ref() else {
                        return Err("END_REQUEST is shorter than the protocol has it".to_owned());
                    };
                    return Ok(Some(Reply::End {
                        id,
                        app_status: u32::from_be_bytes([s3, s2, s1, s0]),
                        protocol_status: ProtocolStatus::from_number(protocol_status),
                    }));
                }
                (Some(RecordType::GetValuesResult), None) => {
                    return Ok(Some(Reply::Values(part.content)));
                }
                _ => {}
            }
        }
    }

    fn send(&mut self, stream: RecordType, id: RequestId, content: Bytes) {
        let bytes = content.len();
        let mut content = VecDeque::from([content]);
        self.output.stream(stream, id.get(), &mut content, bytes);
    }
}
