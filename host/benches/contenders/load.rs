//! Asks in one of two ways: as fast as answers come (closed loop), which shows
//! throughput, or at a fixed rate whatever comes (open loop), which shows how
//! long visitors wait.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use tokio::net::unix::pipe::Receiver;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::peer::{Peer, Place};
use crate::question::Question;

/// How long is waited for the last answers: they may have a gigabyte.
const LATE_MAX: Duration = Duration::from_secs(20);

/// How much of its time that thread may work. Above that answers wait for us.
const BUSY: f64 = 0.9;

const UNANSWERED: &str = "does not answer any more";

/// How a closed loop asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closed {
    pub(crate) connections: usize,
    /// Requests at a time on each of them.
    pub(crate) depth: usize,
    /// Threads that the connections are shared out to.
    pub(crate) threads: usize,
    pub(crate) time: Duration,
}

/// What came of one turn.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    pub(crate) answered: u64,
    pub(crate) seconds: f64,
    /// How long each answer took; nothing where several were asked for at a time.
    pub(crate) latencies: Vec<Duration>,
}

/// Asks for one thing after the other on each connection, and at least once for
/// all of them.
pub(crate) fn closed(place: &Place, question: &Question, how: Closed) -> Result<Turn, String> {
    let threads = how.threads.min(how.connections);
    let turns: Vec<Result<Turn, String>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|index| {
                let connections = (how.connections + index) / threads;
                let how = Closed { connections, ..how };
                scope.spawn(move || single_threaded()?.block_on(ask(place, question, how)))
            })
            .collect();
        let ends = threads.into_iter().map(|thread| thread.join());
        ends.map(|end| end.expect("no panic")).collect()
    });
    let mut sum = Turn::default();
    for turn in turns {
        let turn = turn?;
        sum.answered += turn.answered;
        sum.latencies.extend(turn.latencies);
        sum.seconds = sum.seconds.max(turn.seconds);
    }
    Ok(sum)
}

fn single_threaded() -> Result<Runtime, String> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())
}

async fn ask(place: &Place, question: &Question, how: Closed) -> Result<Turn, String> {
    let mut peers = Vec::new();
    for _ in 0..how.connections {
        peers.push(Peer::connect(place, question).await?);
    }
    let began = Instant::now();
    let end = began + how.time;
    let mut asking = JoinSet::new();
    for mut peer in peers {
        asking.spawn(async move {
            if how.depth > 1 {
                let answered = peer.ask_many(how.depth, || Instant::now() < end).await?;
                return Ok((answered, Vec::new()));
            }
            let mut latencies = Vec::new();
            let mut asked = Instant::now();
            while asked < end || latencies.len() < peer.questions() {
                peer.ask().await?;
                let now = Instant::now();
                latencies.push(now - asked);
                asked = now;
            }
            Ok::<_, String>((latencies.len() as u64, latencies))
        });
    }
    let mut sum = Turn::default();
    for (answered, latencies) in collect(asking, how.time + LATE_MAX).await? {
        sum.answered += answered;
        sum.latencies.extend(latencies);
    }
    sum.seconds = began.elapsed().as_secs_f64();
    Ok(sum)
}

/// What came of asking at a fixed rate.
#[derive(Debug, Default)]
pub(crate) struct Paced {
    /// How long each answer took.
    pub(crate) latencies: Vec<Duration>,
    /// How late we were each time that we wanted to ask: what of the latencies
    /// is not the server's. A machine that is busy wakes us late.
    pub(crate) delays: Vec<Duration>,
}

/// Asks so many times a second, over so many connections. How long each answer
/// took counts from when its question was due, whether a connection was free
/// then or not: a server that stops for a second delays all that visitors
/// would have asked in it.
///
/// # Errors
///
/// If it is asked for more than it can do, or than we can ask.
pub(crate) fn paced(
    place: &Place,
    question: &Question,
    connections: usize,
    rate: f64,
    time: Duration,
) -> Result<Paced, String> {
    thread::scope(|scope| {
        // A thread of its own, because what that works is counted.
        let asking = scope.spawn(|| {
            let (began, worked) = (Instant::now(), thread_time());
            let asking = ask_paced(place, question, connections, rate, time);
            let paced = single_threaded()?.block_on(asking)?;
            let worked = thread_time().saturating_sub(worked);
            match worked > began.elapsed().mul_f64(BUSY) {
                true => Err(format!("we can not ask {rate:.0} times a second")),
                false => Ok(paced),
            }
        });
        asking.join().expect("no panic")
    })
}

/// How long this thread had a processor.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

async fn ask_paced(
    place: &Place,
    question: &Question,
    connections: usize,
    rate: f64,
    time: Duration,
) -> Result<Paced, String> {
    let mut peers = Vec::new();
    for _ in 0..connections {
        let mut peer = Peer::connect(place, question).await?;
        peer.ask().await?;
        peers.push(peer);
    }
    let period = Duration::from_secs_f64(1.0 / rate);
    let count = (time.as_secs_f64() * rate) as u64;
    let due = Arc::new(Semaphore::new(0));
    let next = Arc::new(AtomicU64::new(0));
    let mut asking = JoinSet::new();
    let began = Instant::now();
    for mut peer in peers {
        let (due, next) = (due.clone(), next.clone());
        asking.spawn(async move {
            let mut latencies = Vec::new();
            // Closed at the end.
            while let Ok(permit) = due.acquire().await {
                permit.forget();
                let number = next.fetch_add(1, Relaxed);
                let due_at = began + period.mul_f64((number + 1) as f64);
                peer.ask().await?;
                latencies.push(due_at.elapsed());
            }
            Ok::<_, String>(latencies)
        });
    }
    let mut paced = Paced {
        delays: pace(began, period, count, &due).await?,
        ..Paced::default()
    };
    let late = Instant::now();
    while due.available_permits() > 0 && late.elapsed() < LATE_MAX {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let has_rest = due.available_permits() > 0;
    due.close();
    if has_rest {
        return Err(format!("can not keep up with {rate:.0} requests/s"));
    }
    let latencies = collect(asking, LATE_MAX).await?;
    paced.latencies = latencies.concat();
    Ok(paced)
}

/// What came of all that ask, if they are done in time.
async fn collect<T: 'static>(
    mut asking: JoinSet<Result<T, String>>,
    time: Duration,
) -> Result<Vec<T>, String> {
    let all = async {
        let mut all = Vec::new();
        while let Some(asked) = asking.join_next().await {
            all.push(asked.map_err(|error| error.to_string())??);
        }
        Ok(all)
    };
    let collected = timeout(time, all).await;
    collected.map_err(|_| UNANSWERED.to_owned())?
}

/// Adds a permit whenever a question is due, and says how late each was. By a
/// clock of the kernel, because tokio's goes by milliseconds; and on the thread
/// that asks, which saves it from being woken once more.
async fn pace(
    began: Instant,
    period: Duration,
    count: u64,
    due: &Semaphore,
) -> Result<Vec<Duration>, String> {
    let told = |error: rustix::io::Errno| error.to_string();
    let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
    let timer = timerfd_create(TimerfdClockId::Monotonic, flags).map_err(told)?;
    let times = Timespec {
        tv_sec: period.as_secs() as i64,
        tv_nsec: i64::from(period.subsec_nanos()),
    };
    let times = Itimerspec {
        it_interval: times,
        it_value: times,
    };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &times).map_err(told)?;
    // A timer is read like a pipe.
    let timer = Receiver::from_owned_fd_unchecked(timer).map_err(|error| error.to_string())?;
    let (mut asked, mut delays) = (0, Vec::new());
    while asked < count {
        let ready = timer.readable().await;
        ready.map_err(|error| error.to_string())?;
        // How many periods are over since the last time.
        let mut over = [0; 8];
        match timer.try_read(&mut over) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            read => read.map_err(|error| error.to_string())?,
        };
        let more = u64::from_ne_bytes(over).min(count - asked);
        let first_due = began + period.mul_f64((asked + 1) as f64);
        delays.push(first_due.elapsed());
        due.add_permits(usize::try_from(more).unwrap_or(Semaphore::MAX_PERMITS));
        asked += more;
    }
    Ok(delays)
}
