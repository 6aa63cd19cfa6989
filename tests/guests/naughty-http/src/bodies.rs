//! Bodies in and out, piece by piece.

use wasip2::http::types::{IncomingRequest, OutgoingBody, ResponseOutparam};
use wasip2::io::streams::{InputStream, OutputStream, StreamError};

use crate::{start, text};

/// Calls `take` with each piece of the request's body.
fn read(request: &IncomingRequest, mut take: impl FnMut(Vec<u8>)) -> Result<(), StreamError> {
    let body = request.consume().unwrap();
    let stream: InputStream = body.stream().unwrap();
    loop {
        match stream.blocking_read(64 * 1024) {
            Ok(bytes) => take(bytes),
            Err(StreamError::Closed) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// Writes as much as the host takes at a time.
fn write_all(stream: &OutputStream, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        stream.subscribe().block();
        let room = stream.check_write().unwrap() as usize;
        let (now, rest) = bytes.split_at(room.min(bytes.len()));
        stream.write(now).unwrap();
        bytes = rest;
    }
    stream.blocking_flush().unwrap();
}

pub(crate) fn echo(request: IncomingRequest, out: ResponseOutparam) {
    let body = start(out, 200);
    let stream = body.write().unwrap();
    read(&request, |bytes| write_all(&stream, &bytes)).unwrap();
    drop(stream);
    OutgoingBody::finish(body, None).unwrap();
}

pub(crate) fn upload(request: IncomingRequest, out: ResponseOutparam) {
    let (mut total, mut sum) = (0_u64, 0_u64);
    let outcome = read(&request, |bytes| {
        total += bytes.len() as u64;
        sum += bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    });
    match outcome {
        Ok(()) => text(out, 200, &format!("{total} bytes, sum {sum}\n")),
        Err(error) => text(out, 400, &format!("{error:?}\n")),
    }
}

/// Reads the body and does nothing with it, for the benchmarks.
pub(crate) fn swallow(request: IncomingRequest, out: ResponseOutparam) {
    let mut total = 0;
    read(&request, |bytes| total += bytes.len()).unwrap();
    text(out, 200, &format!("{total} bytes\n"));
}

pub(crate) fn download(bytes: u64, out: ResponseOutparam) {
    let body = start(out, 200);
    let stream = body.write().unwrap();
    let piece = [b'x'; 64 * 1024];
    let mut left = bytes;
    while left > 0 {
        let now = left.min(piece.len() as u64);
        write_all(&stream, &piece[..now as usize]);
        left -= now;
    }
    drop(stream);
    OutgoingBody::finish(body, None).unwrap();
}

/// Says something before it reads the body, then sends that.
pub(crate) fn early(request: IncomingRequest, out: ResponseOutparam) {
    let body = start(out, 200);
    let stream = body.write().unwrap();
    write_all(&stream, b"first\n");
    read(&request, |bytes| write_all(&stream, &bytes)).unwrap();
    drop(stream);
    OutgoingBody::finish(body, None).unwrap();
}
