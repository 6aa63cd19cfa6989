//! How much an answer costs, and what is copied of it.

use http_body_util::BodyExt;

use super::*;
use crate::message::Journal;

fn reply(journal: &Arc<Journal>) -> (Reply, oneshot::Receiver<Result<Response, Fault>>) {
    let meter = Meter::new(journal.clone(), None);
    let policy = Arc::new(Policy::strict());
    Reply::new(Arc::new(()), meter, policy, false)
}

#[test]
fn a_verdict_has_no_more_than_a_head() {
    let (reply, _answer) = reply(&Arc::default());
    let variables = |bytes| Params::from_iter([("A", "x".repeat(bytes))]);
    let refused = reply.allow(variables(64 * 1024)).expect_err("too much");
    assert!(refused.contains("over 65536 bytes"), "{refused}");
    assert_eq!(reply.allow(variables(64 * 1024 - 1)), Ok(()));
}

#[test]
fn what_each_piece_costs_others_is_the_guests() {
    let journal = Arc::default();
    let (reply, _answer) = reply(&journal);
    for _ in 0..1000 {
        reply.append(b"x");
        reply.flush();
        // Nothing is sent by these.
        reply.flush();
    }
    reply.finish();
    assert_eq!(journal.usage().cpu_time, 1000 * SENDING_TIME);
}

#[tokio::test]
async fn large_pieces_of_a_stream_are_not_copied() {
    let (reply, answer) = reply(&Arc::default());
    let buffer = Bytes::from(vec![0; 2 * HELD_BYTES_MAX]);
    for start in (0..buffer.len()).step_by(4096) {
        reply.push(buffer.slice(start..start + 4096));
    }
    reply.finish();
    let mut body = answer.await.expect("an answer").expect("no fault").body;
    let mut start = 0;
    while let Some(frame) = body.frame().await {
        let piece = frame.expect("no fault").into_data().expect("data");
        assert_eq!(piece.as_ptr(), buffer[start..].as_ptr());
        start += piece.len();
    }
    assert_eq!(start, buffer.len());
}
