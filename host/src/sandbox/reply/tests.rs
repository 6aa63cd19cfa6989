//! How much an answer costs, and how much of it there may be.

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
