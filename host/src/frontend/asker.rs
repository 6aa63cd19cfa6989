//! Who asks, as far as it matters for the answer: a web server that refuses
//! large heads is known before it has refused one.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use ::http::HeaderMap;

use crate::cgi::{WEB_SERVERS, WebServer};
use crate::message::Params;

/// How many warnings there are at most, each of another application and web
/// server: a log is to tell of it, not to be made of it.
const WARNINGS_MAX: usize = 64;

/// What was warned of, so that it is said once.
static WARNED: Mutex<BTreeSet<(&'static str, String)>> = Mutex::new(BTreeSet::new());

/// The web server behind a request.
#[derive(Debug)]
pub(super) struct Asker {
    server: &'static WebServer,
    /// Where the application stands there: what tells it from others.
    place: String,
}

impl Asker {
    /// The web server that says these params. One that is not known is taken
    /// for the one that takes the least, which stands first.
    pub(super) fn new(params: &Params) -> Self {
        let software = params.get("SERVER_SOFTWARE").unwrap_or_default();
        let text = |name| params.text(name).unwrap_or_default();
        Self {
            server: WebServer::of(software).unwrap_or(&WEB_SERVERS[0]),
            place: format!("{}{}", text("SERVER_NAME"), text("SCRIPT_NAME")),
        }
    }

    /// Warns of a head that the web server refuses unless it is told
    /// otherwise, once for each application and kind of web server.
    pub(super) fn expect_head(&self, head_bytes: usize, headers: &HeaderMap) {
        let Some(refusal) = self.server.refusal(head_bytes, headers) else {
            return;
        };
        let mut warned = WARNED.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.len() < WARNINGS_MAX && warned.insert((self.server.name, self.place.clone())) {
            let place = &self.place;
            tracing::warn!("a response's head, at {place:?}: {refusal} (said once)");
        }
    }
}
