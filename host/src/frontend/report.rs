//! The report of one request, to the log and to who observes: what was asked,
//! how it went, why it failed.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use ::http::StatusCode;

use crate::message::{Asked, Fault, Journal, Observer, Observers, Params, Pot, Record, Role};
use crate::told::{Told, ToldOf, besides};

/// What a request that was aborted before its answer is recorded with: nginx's
/// "client closed request".
const ABORTED: u16 = 499;

/// How many faults of one tenant's requests that have one kind of cause, and how
/// many notes, the log is told of at a time, of all that come by one socket: enough
/// to see what is wrong.
const TOLD_MAX: u32 = 10;

/// What the log was told lately of requests that came by one socket. Whoever likes
/// can ask for what nobody serves, and an application may fail each time.
#[derive(Debug, Default)]
pub(super) struct News {
    /// By whose request it was, if that is known, and the cause.
    faults: ToldOf<(Option<String>, &'static str)>,
    notes: Told,
    /// By what is wrong with connections: a web server that does not get along with
    /// us has as many as it likes, and its clients have some of it.
    connections: ToldOf<&'static str>,
}

impl News {
    /// What is added to the line about what is wrong with a connection, if the log
    /// is told of it.
    pub(super) fn of_connection(&self, what: &'static str) -> Option<String> {
        self.connections.is_news(what, TOLD_MAX).map(besides)
    }
}

/// Who is told of the requests on one connection, and whose they are.
pub(super) struct Witness {
    pub(super) peer: Arc<str>,
    pub(super) observers: Observers,
    pub(super) news: Arc<News>,
    /// The room that the socket has for those who wait for a place.
    pub(super) line: Option<Arc<Pot>>,
}

/// What is said of one request. Query and header fields are left out: they may
/// be secrets. One that is dropped before its [`end`](Self::end) was aborted.
pub(super) struct Report {
    asked: Arc<Asked>,
    journal: Arc<Journal>,
    peer: Arc<str>,
    observers: Observers,
    news: Arc<News>,
    started: Instant,
    is_quiet: bool,
    status: Option<StatusCode>,
    cause: Option<&'static str>,
    is_over: bool,
}

impl Report {
    /// A request has begun.
    pub(super) fn new(role: Role, params: &Params, witness: &Witness) -> Self {
        let observers = witness.observers.clone();
        let journal = Journal::observed(observers.clone()).in_line(witness.line.clone());
        let journal = Arc::new(journal);
        let asked = Arc::new(asked(role, params, &journal, witness));
        observers.began(&asked, &journal);
        Self {
            asked,
            journal,
            peer: witness.peer.clone(),
            observers,
            news: witness.news.clone(),
            started: Instant::now(),
            is_quiet: false,
            status: None,
            cause: None,
            is_over: false,
        }
    }

    /// The request's journal.
    pub(super) fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    /// Whether a fault is no news for the log.
    pub(super) fn set_quiet(&mut self, is_quiet: bool) {
        self.is_quiet = is_quiet;
    }

    /// The request failed: tells the server's log, and the web server's.
    pub(super) fn fault(&mut self, fault: &Fault) {
        self.cause = Some(fault.cause());
        let Asked {
            id: request,
            method,
            host,
            path,
            ..
        } = &*self.asked;
        let peer = &self.peer;
        // The visitor may have had the head of an answer before that broke off.
        let status = self.status.unwrap_or_else(|| fault.status()).as_u16();
        let ms = self.started.elapsed().as_millis();
        let lines = fault.log_lines();
        let (cause, details) = lines
            .split_first()
            .map_or(("", &[][..]), |(cause, details)| (cause.as_str(), details));
        if let Some(unsaid) = self.is_news(fault) {
            let besides = besides(unsaid);
            // The backtrace in lines of its own: logs are made of lines.
            let app = self.journal.app();
            tracing::warn!(request, app, ?method, ?host, ?path, %peer, status, ms, "{cause}{besides}");
            details
                .iter()
                .for_each(|line| tracing::warn!(request, app, "{line}"));
        } else {
            tracing::debug!(request, ?method, ?host, ?path, %peer, status, ms, "{cause}");
        }
        self.journal.say(&lines.join("\n"));
        self.journal.fail(fault);
    }

    /// Whether the log is told of this fault, and of how many such ones it was not.
    fn is_news(&self, fault: &Fault) -> Option<u64> {
        if self.is_quiet || self.journal.is_muted() {
            return None;
        }
        if matches!(fault, Fault::OverBudget { .. } | Fault::Unloadable(_)) {
            // Who raises them mutes those that are no news.
            return Some(0);
        }
        let tenant = self.journal.owner().map(|owner| owner.tenant.clone());
        self.news.faults.is_news((tenant, fault.cause()), TOLD_MAX)
    }

    /// The head of the answer is known.
    pub(super) fn answered(&mut self, status: StatusCode) {
        self.status = Some(status);
    }

    /// Something is wrong with the request that it is served in spite of: tells
    /// both logs.
    pub(super) fn note(&self, text: &str) {
        let request = self.asked.id;
        if let Some(unsaid) = self.news.notes.is_news(TOLD_MAX) {
            tracing::warn!(request, "{text}{}", besides(unsaid));
        }
        self.journal.say(text);
    }

    /// The request is over.
    pub(super) fn end(mut self) {
        self.is_over = true;
    }

    fn record(&self, is_aborted: bool) -> Record {
        let aborted = StatusCode::from_u16(ABORTED).unwrap_or(StatusCode::BAD_REQUEST);
        Record {
            asked: self.asked.clone(),
            owner: self.journal.owner().cloned(),
            duration: self.started.elapsed(),
            queue_wait: self.journal.queue_wait(),
            usage: self.journal.usage(),
            bytes_in: self.journal.bytes_in(),
            bytes_out: self.journal.bytes_out(),
            status: self.status.unwrap_or(aborted),
            cause: self.cause,
            is_aborted,
        }
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        // An answer that broke off was not aborted by the other side.
        let is_aborted = !self.is_over && self.cause.is_none();
        if !self.observers.is_empty() {
            self.observers.ended(&self.record(is_aborted));
        }
        let Asked {
            id: request,
            method,
            path,
            ..
        } = &*self.asked;
        let peer = &self.peer;
        let ms = self.started.elapsed().as_millis();
        if is_aborted {
            tracing::debug!(request, ?method, ?path, %peer, ms, "aborted: the client is gone");
            return;
        }
        let status = self.status.map_or(0, |status| status.as_u16());
        let bytes = self.journal.bytes_out();
        let usage = self.journal.usage();
        let cpu_us = usage.cpu_time.as_micros();
        let memory = usage.memory_bytes_peak;
        tracing::debug!(request, ?method, ?path, %peer, status, bytes, ms, cpu_us, memory, "served");
    }
}

/// How much of a path is told, bytes: more than browsers and web servers pass on unless
/// they are told to.
const PATH_BYTES_MAX: usize = 8 * 1024;

fn asked(role: Role, params: &Params, journal: &Journal, witness: &Witness) -> Asked {
    let text = |name| params.text(name).unwrap_or_default();
    let mut path = match params.text("REQUEST_URI") {
        Some(uri) => uri.split('?').next().unwrap_or_default().to_owned(),
        None => format!("{}{}", text("SCRIPT_NAME"), text("PATH_INFO")),
    };
    path.truncate(path.floor_char_boundary(PATH_BYTES_MAX));
    path.shrink_to_fit();
    let mut asked = Asked {
        id: journal.number(),
        role,
        method: text("REQUEST_METHOD").into_owned(),
        path,
        ..Asked::default()
    };
    if witness.observers.is_empty() {
        // Nobody will look at the rest.
        return asked;
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    asked.began = now.unwrap_or_default();
    let named = |first, second| params.text(first).or_else(|| params.text(second));
    asked.host = named("HTTP_HOST", "SERVER_NAME").map_or_else(String::new, Into::into);
    asked.remote = match params.text("REMOTE_ADDR") {
        Some(address) => address.into_owned(),
        None => witness.peer.to_string(),
    };
    asked.params = witness.observers.select(params);
    asked
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Owner;

    #[test]
    fn faults_are_told_by_whose_they_are_and_why() {
        let witness = Witness {
            peer: "peer".into(),
            observers: Observers::default(),
            news: Arc::default(),
            line: None,
        };
        let fail = |tenant: &str, fault: &Fault| {
            let report = Report::new(Role::Responder, &Params::default(), &witness);
            let (tenant, app) = (tenant.to_owned(), String::new());
            report.journal().set_owner(Arc::new(Owner { tenant, app }));
            report.is_news(fault)
        };
        let crash = Fault::Crashed("as asked".to_owned());
        let told = (0..20).filter_map(|_| fail("noisy", &crash));
        assert_eq!(told.collect::<Vec<_>>(), [0; TOLD_MAX as usize]);
        let wrong = Fault::BadRequest("as asked".to_owned());
        assert_eq!(fail("noisy", &wrong), Some(0));
        assert_eq!(fail("quiet", &crash), Some(0));
        witness.news.faults.pass_time();
        assert_eq!(fail("noisy", &crash), Some(10));
    }
}
