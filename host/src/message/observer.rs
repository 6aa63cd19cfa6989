//! Who watches requests come and go, and what they are told.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use super::journal::{Journal, Owner, Usage};
use super::{Fault, Params, Role};

/// What was asked, as far as observers are told.
///
/// Queries, cookies and credentials are not in it, unless an observer names
/// their params.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The request's number, as the log and error pages name it.
    pub id: u64,
    /// When it began, since the start of 1970 (UTC).
    pub began: Duration,
    /// What the web server wants of the application.
    pub role: Role,
    /// `REQUEST_METHOD`.
    pub method: String,
    /// The path as the client sent it, without its query.
    pub path: String,
    /// `HTTP_HOST`, else `SERVER_NAME`.
    pub host: String,
    /// `REMOTE_ADDR`: the client, as the web server says; without it the web
    /// server.
    pub remote: String,
    /// The params that [`Observer::params`] names.
    pub params: Params,
}

/// The record of one request whose answer is over.
#[derive(Clone, Debug)]
pub struct Record {
    /// What was asked.
    pub asked: Arc<Asked>,
    /// Whose it was, if that is known: if it came to an application, or a folder of one.
    pub owner: Option<Arc<Owner>>,
    /// From its beginning to the last of its answer, in so far as that is in
    /// the connection's buffer.
    pub duration: Duration,
    /// What it waited for a place.
    pub queue_wait: Duration,
    /// What its guest cost up to then.
    pub usage: Usage,
    /// The request's body, bytes.
    pub bytes_in: u64,
    /// The response's body, bytes.
    pub bytes_out: u64,
    /// What the visitor got. Of a request that was aborted before it was
    /// answered: 499, as nginx has it.
    pub status: StatusCode,
    /// Why it failed, if it did: [`Fault::cause`].
    pub cause: Option<&'static str>,
    /// Whether the client or the web server gave it up.
    pub is_aborted: bool,
}

/// Which applications are loaded at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deployed {
    /// How many are loaded.
    pub loaded: u64,
    /// How many may be at a time.
    pub loaded_max: u64,
    /// How much the loaded ones take, bytes: their code on the disk of the cache's folder;
    /// what is in memory counts four times.
    pub loaded_bytes: u64,
    /// How many were unloaded so far because others needed the room.
    pub evicted: u64,
    /// Whose file has a version that was refused, while an older one serves.
    pub refused: BTreeSet<Owner>,
}

/// Something that happens to no one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A connection was accepted.
    Connected,
    /// It ended.
    Disconnected,
    /// A connection could not be accepted.
    AcceptFailed,
    /// A peer broke the protocol.
    ProtocolError,
    /// Compiled code was found in the cache.
    FromCache,
}

/// Watches requests. What it does is done on the threads that serve, so it has
/// to be quick, and may not wait.
pub trait Observer: Send + Sync + 'static {
    /// The params that it wants to see in [`Asked::params`]. Asked once.
    fn params(&self) -> Vec<String> {
        Vec::new()
    }

    /// A request has begun.
    fn began(&self, _asked: &Arc<Asked>, _journal: &Arc<Journal>) {}

    /// The answer to a request is over.
    fn ended(&self, _record: &Record) {}

    /// Nothing is left of a request, its guest included, which may have worked
    /// on after the answer.
    fn gone(&self, _journal: &Journal) {}

    /// A request failed. May come after its answer, and more than once.
    fn failed(&self, _journal: &Journal, _fault: &Fault) {}

    /// A line for the error log: the application's, or about its failure. It
    /// is [`printable`](super::printable).
    fn said(&self, _journal: &Journal, _line: &str) {}

    /// A component of this owner's was compiled, or could not be, which took so
    /// long.
    fn compiled(&self, _owner: &Owner, _time: Duration) {}

    /// Something else happened.
    fn noticed(&self, _notice: Notice) {}
}

/// Any number of observers. Clones share them; none cost nothing.
#[derive(Clone, Default)]
pub struct Observers(Option<Arc<Watch>>);

struct Watch {
    observers: Vec<Arc<dyn Observer>>,
    params: Vec<String>,
}

impl Observers {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The same ones and this.
    #[must_use]
    pub fn with(&self, observer: Arc<dyn Observer>) -> Self {
        let mut observers: Vec<_> = self.all().cloned().collect();
        observers.push(observer);
        let mut params: Vec<_> = observers.iter().flat_map(|one| one.params()).collect();
        params.sort();
        params.dedup();
        Self(Some(Arc::new(Watch { observers, params })))
    }

    /// Of these params those that an observer wants to see.
    pub fn select(&self, params: &Params) -> Params {
        let mut selected = Params::default();
        for name in self.0.iter().flat_map(|watch| &watch.params) {
            if let Some(value) = params.get(name) {
                selected.push(name.as_bytes(), value);
            }
        }
        selected
    }

    fn all(&self) -> impl Iterator<Item = &Arc<dyn Observer>> {
        self.0.iter().flat_map(|watch| &watch.observers)
    }
}

/// Each tells all of them.
impl Observer for Observers {
    fn params(&self) -> Vec<String> {
        self.0
            .as_ref()
            .map_or_else(Vec::new, |watch| watch.params.clone())
    }

    fn began(&self, asked: &Arc<Asked>, journal: &Arc<Journal>) {
        self.all().for_each(|one| one.began(asked, journal));
    }

    fn ended(&self, record: &Record) {
        self.all().for_each(|one| one.ended(record));
    }

    fn gone(&self, journal: &Journal) {
        self.all().for_each(|one| one.gone(journal));
    }

    fn failed(&self, journal: &Journal, fault: &Fault) {
        self.all().for_each(|one| one.failed(journal, fault));
    }

    fn said(&self, journal: &Journal, line: &str) {
        self.all().for_each(|one| one.said(journal, line));
    }

    fn compiled(&self, owner: &Owner, time: Duration) {
        self.all().for_each(|one| one.compiled(owner, time));
    }

    fn noticed(&self, notice: Notice) {
        self.all().for_each(|one| one.noticed(notice));
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Observers({})", self.all().count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Wants(&'static [&'static str]);

    impl Observer for Wants {
        fn params(&self) -> Vec<String> {
            self.0.iter().map(|name| (*name).to_owned()).collect()
        }
    }

    #[test]
    fn only_the_params_that_are_wanted_are_kept() {
        let params: Params = [("QUERY_STRING", "q"), ("HTTP_COOKIE", "c"), ("A", "a")]
            .into_iter()
            .collect();
        let nobody = Observers::default();
        assert_eq!(nobody.select(&params).iter().count(), 0);
        let two = nobody
            .with(Arc::new(Wants(&["A", "QUERY_STRING"])))
            .with(Arc::new(Wants(&["A", "B"])));
        let kept = two.select(&params);
        let names: Vec<_> = kept.iter().map(|(name, _)| name).collect();
        assert_eq!(names, [b"A".as_slice(), b"QUERY_STRING"]);
    }
}
