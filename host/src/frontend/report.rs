//! The log line of one request: what was asked, how it went, why it failed.

use std::time::Instant;

use ::http::StatusCode;

use crate::message::{Fault, Journal, Params};

/// What the log says of a request besides its outcome. Query and header
/// fields are left out: they may be secrets.
#[derive(Debug)]
pub(super) struct Report {
    number: u64,
    method: String,
    path: String,
    peer: String,
    started: Instant,
    is_quiet: bool,
}

impl Report {
    pub(super) fn new(params: &Params, journal: &Journal, peer: &str) -> Self {
        let text = |name| params.text(name).unwrap_or_default();
        let path = match params.text("REQUEST_URI") {
            Some(uri) => uri.split('?').next().unwrap_or_default().to_owned(),
            None => format!("{}{}", text("SCRIPT_NAME"), text("PATH_INFO")),
        };
        Self {
            number: journal.number(),
            method: text("REQUEST_METHOD").into_owned(),
            path,
            peer: peer.to_owned(),
            started: Instant::now(),
            is_quiet: false,
        }
    }

    /// Whether a fault is no news for the log.
    pub(super) fn set_quiet(&mut self, is_quiet: bool) {
        self.is_quiet = is_quiet;
    }

    /// The request failed: tells the server's log, and the web server's.
    pub(super) fn fault(&self, fault: &Fault, journal: &Journal) {
        let Self {
            number: request,
            method,
            path,
            peer,
            ..
        } = self;
        let status = fault.status().as_u16();
        let ms = self.started.elapsed().as_millis();
        let lines = fault.log_lines();
        let (cause, details) = lines
            .split_first()
            .map_or(("", &[][..]), |(cause, details)| (cause.as_str(), details));
        if self.is_quiet || journal.is_muted() {
            tracing::debug!(request, ?method, ?path, %peer, status, ms, "{cause}");
        } else {
            // The backtrace in lines of its own: logs are made of lines.
            tracing::warn!(request, ?method, ?path, %peer, status, ms, "{cause}");
            details
                .iter()
                .for_each(|line| tracing::warn!(request, "{line}"));
        }
        journal.say(&format!(
            "fcgi-wasm: request {request}: {}",
            lines.join("\n")
        ));
    }

    /// Something is wrong with the request that it is served in spite of: tells
    /// both logs.
    pub(super) fn note(&self, text: &str, journal: &Journal) {
        let request = self.number;
        tracing::warn!(request, "{text}");
        journal.say(&format!("fcgi-wasm: request {request}: {text}"));
    }

    /// The request is over.
    pub(super) fn end(&self, status: StatusCode, bytes: u64, journal: &Journal) {
        let Self {
            number: request,
            method,
            path,
            peer,
            ..
        } = self;
        let status = status.as_u16();
        let ms = self.started.elapsed().as_millis();
        let usage = journal.usage();
        let cpu_us = usage.cpu_time.as_micros();
        let memory = usage.memory_bytes_peak;
        tracing::debug!(request, ?method, ?path, %peer, status, bytes, ms, cpu_us, memory, "served");
    }

    /// The client went away before the request was over.
    pub(super) fn abort(&self) {
        let Self {
            number: request,
            method,
            path,
            peer,
            ..
        } = self;
        let ms = self.started.elapsed().as_millis();
        tracing::debug!(request, ?method, ?path, %peer, ms, "aborted: the client is gone");
    }
}
