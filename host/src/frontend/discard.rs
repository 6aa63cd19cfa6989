//! Bodies of responses that nobody gets.

use std::time::Duration;

use bytes::Bytes;
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::time::timeout;

use crate::message::ResponseBody;

/// How long, and how much, of a body that nobody gets is taken, so that its
/// handler can come to its end. After that it is dropped, as when a client
/// goes away.
const DISCARD_TIME_MAX: Duration = Duration::from_secs(1);
const DISCARD_BYTES_MAX: usize = 1024 * 1024;

/// Takes a body that nobody gets, within limits.
pub(super) fn discard(mut body: ResponseBody) {
    if body.is_end_stream() {
        return;
    }
    tokio::spawn(async move {
        let taking = async {
            let mut left = DISCARD_BYTES_MAX;
            while let Some(Ok(frame)) = body.frame().await {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                match left.checked_sub(bytes) {
                    Some(fewer) => left = fewer,
                    None => return,
                }
            }
        };
        // Out of time or not, the body is dropped now.
        let _ = timeout(DISCARD_TIME_MAX, taking).await;
    });
}
