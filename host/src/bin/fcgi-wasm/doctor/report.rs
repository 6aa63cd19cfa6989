//! The steps of an examination, a line each, and what they come to.

use std::io::{self, IsTerminal, Write};

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// Writes what is found, while it is found.
pub(super) struct Report {
    coloured: bool,
    worst: Verdict,
}

impl Report {
    pub(super) fn new() -> Self {
        Self {
            coloured: io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
            worst: Verdict::Ok,
        }
    }

    pub(super) fn ok(&mut self, step: &str, text: &str) -> io::Result<()> {
        self.line(Verdict::Ok, step, text, "")
    }

    pub(super) fn warn(&mut self, step: &str, text: &str, cure: &str) -> io::Result<()> {
        self.line(Verdict::Warn, step, text, cure)
    }

    pub(super) fn fail(&mut self, step: &str, text: &str, cure: &str) -> io::Result<()> {
        self.line(Verdict::Fail, step, text, cure)
    }

    pub(super) fn has_failed(&self) -> bool {
        self.worst == Verdict::Fail
    }

    fn line(&mut self, verdict: Verdict, step: &str, text: &str, cure: &str) -> io::Result<()> {
        let (word, colour) = match verdict {
            Verdict::Ok => ("ok", "32"),
            Verdict::Warn => ("warn", "33"),
            Verdict::Fail => ("FAIL", "31"),
        };
        if verdict == Verdict::Fail || self.worst == Verdict::Ok {
            self.worst = verdict;
        }
        let mut out = io::stdout().lock();
        match self.coloured {
            true => write!(out, "\x1b[{colour}m{word:<5}\x1b[0m ")?,
            false => write!(out, "{word:<5} ")?,
        }
        writeln!(out, "{step:<8} {}", fcgi_wasm::printable(text))?;
        if !cure.is_empty() {
            writeln!(out, "{:<15}→ {cure}", "")?;
        }
        Ok(())
    }
}
