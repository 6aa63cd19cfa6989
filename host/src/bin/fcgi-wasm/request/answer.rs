//! Shows what comes back: the response on standard output, everything else on
//! standard error.

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytesize::ByteSize;
use fcgi_wasm::{Usage, cgi};
use http::StatusCode;

/// The answer to one request, shown while it comes.
pub(crate) struct Answer {
    body_only: bool,
    started: Instant,
    /// When it was complete.
    took: Option<Duration>,
    /// What came of the head, until it is complete.
    head: Vec<u8>,
    status: Option<StatusCode>,
    body_bytes: u64,
    app_status: u32,
    usage: Option<Usage>,
}

impl Answer {
    pub(crate) fn new(body_only: bool) -> Self {
        Self {
            body_only,
            started: Instant::now(),
            took: None,
            head: Vec::new(),
            status: None,
            body_bytes: 0,
            app_status: 0,
            usage: None,
        }
    }

    /// The request begins now: what came before was only preparation.
    pub(crate) fn start(&mut self) {
        self.started = Instant::now();
    }

    /// Bytes of the response, its head first, as CGI has it.
    pub(crate) fn stdout(&mut self, bytes: &[u8]) -> Result<()> {
        if self.status.is_some() {
            return self.body(bytes);
        }
        self.head.extend_from_slice(bytes);
        let parsed = cgi::parse_head(&self.head).map_err(anyhow::Error::msg);
        let Some((head, length)) = parsed.context("the answer is no CGI response")? else {
            return Ok(());
        };
        self.status = Some(head.status);
        let body = self.head.split_off(length);
        if !self.body_only {
            let head = String::from_utf8_lossy(&self.head).replace("\r\n", "\n");
            write(head.as_bytes())?;
        }
        self.body(&body)
    }

    /// Messages for the error log.
    pub(crate) fn stderr(&self, bytes: &[u8]) {
        // Standard error may be closed; the answer still counts.
        let _ = stderr().write_all(bytes);
    }

    /// The request is over.
    pub(crate) fn end(&mut self, app_status: u32) {
        self.app_status = app_status;
        self.took = Some(self.started.elapsed());
    }

    /// What it cost, where that is known.
    pub(crate) fn cost(&mut self, usage: Usage) {
        self.usage = Some(usage);
    }

    /// Sums it up.
    pub(crate) fn finish(self) -> Result<ExitCode> {
        let status = self.status.context("there was no answer")?;
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        let took = self.took.unwrap_or_else(|| self.started.elapsed());
        let mut summary = format!("{status}, {} bytes, {:.1} ms", self.body_bytes, ms(took));
        if let Some(usage) = self.usage {
            let memory = ByteSize(usage.memory_bytes_peak);
            summary += &format!("; processor {:.1} ms, memory {memory}", ms(usage.cpu_time));
        }
        if self.app_status != 0 {
            summary += &format!("; the application's status is {}", self.app_status);
        }
        let _ = writeln!(stderr(), "\n{summary}");
        Ok(match status.is_server_error() || self.app_status != 0 {
            true => ExitCode::FAILURE,
            false => ExitCode::SUCCESS,
        })
    }

    fn body(&mut self, bytes: &[u8]) -> Result<()> {
        self.body_bytes += bytes.len() as u64;
        write(bytes)
    }
}

fn write(bytes: &[u8]) -> Result<()> {
    let mut out = stdout().lock();
    let written = out.write_all(bytes).and_then(|()| out.flush());
    written.context("cannot write the answer")
}
