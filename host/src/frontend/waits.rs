//! What a connection waits for, and for how long it may.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// How long a handler may leave its request's body unread while that keeps the
/// other requests on the connection from being read: FastCGI has no flow
/// control by request.
const STALLED_MAX: Duration = Duration::from_secs(1);

/// How long an idle connection stays when the server stops: a request that was
/// sent just then is served.
const PARTING: Duration = Duration::from_millis(100);

/// The same for one that was just made: nobody connects without a request, but
/// on a busy machine it may take its time.
const FIRST_MAX: Duration = Duration::from_secs(2);

/// How often a connection that is not read is looked at: only by reading would
/// its end be noticed at once.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A pause in which a web server that has a body at hand would have sent more
/// of it, busy as it and the machine may be.
const GAP: Duration = Duration::from_millis(250);

/// Something that a connection waits for. Several may be on at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// For the next request.
    Idle,
    /// For the rest of a request's params, or of a record's header.
    Midway,
    /// For more of a body that a handler has.
    Body,
    /// For a gap in a body that comes, with a held response behind it.
    Gap,
    /// For the peer to take bytes.
    Unsent,
    /// For a handler to read a body, with other requests behind it.
    Stalled,
    /// For a request that was sent before the peer could know that we stop.
    Parting,
    /// For the first request on a connection, while we stop.
    First,
    /// For the next look whether the peer is still there.
    Look,
}

const WAITS: [Wait; 9] = [
    Wait::Idle,
    Wait::Midway,
    Wait::Body,
    Wait::Gap,
    Wait::Unsent,
    Wait::Stalled,
    Wait::Parting,
    Wait::First,
    Wait::Look,
];

/// How long some of these may last; the others have limits of their own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) idle: Duration,
    pub(super) midway: Duration,
    pub(super) body: Duration,
    pub(super) unsent: Duration,
}

impl Limits {
    fn of(&self, wait: Wait) -> Duration {
        match wait {
            Wait::Idle => self.idle,
            Wait::Midway => self.midway,
            Wait::Body => self.body,
            Wait::Gap => GAP,
            Wait::Unsent => self.unsent,
            Wait::Stalled => STALLED_MAX,
            Wait::Parting => PARTING,
            Wait::First => FIRST_MAX,
            Wait::Look => LOOK_EVERY,
        }
    }
}

/// Since when a connection waits for what. The timer is only moved when it has
/// to ring earlier than it would; one that rings too early is set again. So
/// requests that come and go in time cost no timer operation.
pub(super) struct Waits {
    limits: Limits,
    since: [Option<Instant>; WAITS.len()],
    timer: Pin<Box<Sleep>>,
}

impl Waits {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            since: [None; WAITS.len()],
            timer: Box::pin(sleep_until(Instant::now() + limits.idle)),
        }
    }

    /// Whether this is waited for now. A wait that goes on keeps its start.
    pub(super) fn set(&mut self, wait: Wait, is_on: bool) {
        let since = &mut self.since[wait as usize];
        match is_on {
            true => *since = Some(since.unwrap_or_else(Instant::now)),
            false => *since = None,
        }
    }

    /// There was some of what is waited for: the wait begins anew.
    pub(super) fn renew(&mut self, wait: Wait) {
        self.since[wait as usize] = None;
    }

    /// Ready with a wait that has lasted too long; it then begins anew.
    pub(super) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<Wait> {
        loop {
            let ends = WAITS.into_iter().filter_map(|wait| {
                let since = self.since[wait as usize]?;
                Some((since + self.limits.of(wait), wait))
            });
            let Some((end, wait)) = ends.min_by_key(|(end, _)| *end) else {
                return Poll::Pending;
            };
            if self.timer.deadline() > end {
                self.timer.as_mut().reset(end);
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let now = Instant::now();
            // The timer has rung and has to be set again in any case.
            self.timer.as_mut().reset(now + self.limits.idle);
            if now >= end {
                self.since[wait as usize] = Some(now);
                return Poll::Ready(wait);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const LIMITS: Limits = Limits {
        idle: Duration::from_secs(300),
        midway: Duration::from_secs(30),
        body: Duration::from_secs(60),
        unsent: Duration::from_secs(60),
    };

    #[tokio::test(start_paused = true)]
    async fn the_wait_that_ends_first_is_told_first() {
        let mut waits = Waits::new(LIMITS);
        let start = Instant::now();
        for wait in [Wait::Idle, Wait::Midway, Wait::Look] {
            waits.set(wait, true);
        }
        assert_eq!(poll_fn(|cx| waits.poll_over(cx)).await, Wait::Look);
        assert_eq!(start.elapsed(), LOOK_EVERY);
        waits.set(Wait::Look, false);
        assert_eq!(poll_fn(|cx| waits.poll_over(cx)).await, Wait::Midway);
        assert_eq!(start.elapsed(), LIMITS.midway);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_goes_on_keeps_its_start_unless_renewed() {
        let mut waits = Waits::new(LIMITS);
        let start = Instant::now();
        waits.set(Wait::Unsent, true);
        tokio::time::advance(Duration::from_secs(50)).await;
        waits.set(Wait::Unsent, true);
        waits.set(Wait::Body, true);
        assert_eq!(poll_fn(|cx| waits.poll_over(cx)).await, Wait::Unsent);
        assert_eq!(start.elapsed(), LIMITS.unsent);
        waits.renew(Wait::Body);
        waits.set(Wait::Body, true);
        waits.set(Wait::Unsent, false);
        assert_eq!(poll_fn(|cx| waits.poll_over(cx)).await, Wait::Body);
        assert_eq!(start.elapsed(), LIMITS.unsent + LIMITS.body);
    }
}
