//! What the host holds for a guest that has no handle for it.

use wasip3::cli::{stderr, stdin};
use wasip3::clocks::monotonic_clock::wait_for;
use wasip3::http::types::{ErrorCode, Fields, Response};
use wasip3::wit_future;

/// Long enough that somebody looks.
const WHILE_NANOS: u64 = 50_000_000;

/// Streams from the host to the host.
pub(crate) async fn pipes(count: u64) -> String {
    for _ in 0..count {
        let (stream, done) = stdin::read_via_stream();
        drop(done);
        drop(stderr::write_via_stream(stream));
    }
    wait_for(WHILE_NANOS).await;
    format!("{count} pipes\n")
}

/// Responses of which each waits for the one before it, and the first for nobody.
pub(crate) async fn chain(count: u64) -> String {
    let (first, mut trailers) = wit_future::new(|| Ok(None));
    for _ in 0..count {
        let (response, sent) = Response::new(Fields::new(), None, trailers);
        let (body, next) = Response::consume_body(response, sent);
        drop(body);
        trailers = next;
    }
    wait_for(WHILE_NANOS).await;
    drop((first, trailers));
    format!("{count} responses\n")
}

/// Long errors that nobody reads.
pub(crate) async fn errors(count: u64) -> String {
    let (first, mut trailers) = wit_future::new(|| Ok(None));
    let mut unread = Vec::new();
    for _ in 0..count {
        let (outcome, reader) = wit_future::new(|| Ok(()));
        let (response, sent) = Response::new(Fields::new(), None, trailers);
        let (body, next) = Response::consume_body(response, reader);
        drop(body);
        trailers = next;
        let error = ErrorCode::InternalError(Some("x".repeat(100_000)));
        let _ = outcome.write(Err(error)).await;
        unread.push(sent);
    }
    wait_for(WHILE_NANOS).await;
    drop((first, trailers, unread));
    format!("{count} errors\n")
}
