//! What was found in a configuration.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::time::Duration;

use crate::reach::Visitor;

/// One thing that is wrong, or that is to be known.
pub(super) struct Finding {
    pub(super) line: usize,
    pub(super) is_mistake: bool,
    /// What is there.
    pub(super) what: String,
    /// What comes of it.
    pub(super) seen: String,
    /// What to write instead.
    pub(super) cure: String,
}

/// What is looked for, and what was found.
pub(super) struct Check {
    pub(super) timeout: Duration,
    pub(super) visitor: Option<Visitor>,
    /// How many places pass requests to FastCGI.
    pub(super) places: usize,
    pub(super) findings: Vec<Finding>,
    /// What was found by line: what holds for several places is told once.
    pub(super) known: HashSet<(usize, String)>,
}

impl Check {
    pub(super) fn mistake(&mut self, line: usize, what: &str, seen: &str, cure: &str) {
        self.find(line, true, what, seen, cure);
    }

    pub(super) fn note(&mut self, line: usize, what: &str, seen: &str, cure: &str) {
        self.find(line, false, what, seen, cure);
    }

    fn find(&mut self, line: usize, is_mistake: bool, what: &str, seen: &str, cure: &str) {
        let [what, seen, cure] = [what, seen, cure].map(str::to_owned);
        if self.known.insert((line, what.clone())) {
            self.findings.push(Finding {
                line,
                is_mistake,
                what,
                seen,
                cure,
            });
        }
    }

    /// A time that the web server waits for an answer, if it is too short.
    pub(super) fn patience(&mut self, line: usize, name: &str, seconds: Option<u64>, cure: &str) {
        let needed = self.timeout;
        let Some(seconds) = seconds.filter(|&is| Duration::from_secs(is) < needed) else {
            return;
        };
        let what = format!(
            "{name} is {seconds} s, under the server's --timeout of {} s",
            needed.as_secs()
        );
        let seen = "504 without a cause when the application takes that long: the web server \
                    gives up first";
        self.mistake(
            line,
            &what,
            seen,
            &cure.replace("{}", &(needed.as_secs() + 5).to_string()),
        );
    }

    /// All that was found in this file, in its order, and how many mistakes.
    pub(super) fn report(&mut self, file: &str, server: &str) -> (String, usize) {
        self.findings
            .sort_by_key(|finding| (finding.line, !finding.is_mistake));
        let mistakes = self.findings.iter().filter(|finding| finding.is_mistake);
        let mistakes = mistakes.count();
        let mut out = String::new();
        for finding in &self.findings {
            let note = if finding.is_mistake { "" } else { "note: " };
            let _ = writeln!(out, "{file}:{}: {note}{}", finding.line, finding.what);
            for (label, text) in [("seen", &finding.seen), ("write", &finding.cure)] {
                if !text.is_empty() {
                    let _ = writeln!(out, "    {label:<5} {text}");
                }
            }
        }
        let _ = writeln!(
            out,
            "{file}: {mistakes} mistake{} in {} place{} that pass{} requests to FastCGI, as {server} has it",
            plural(mistakes),
            self.places,
            plural(self.places),
            if self.places == 1 { "es" } else { "" },
        );
        (out, mistakes)
    }
}

fn plural(number: usize) -> &'static str {
    if number == 1 { "" } else { "s" }
}
