//! What is wrong with a configuration, and where.

use std::cmp::Ordering;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(super) file: Arc<Path>,
    pub(super) line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// One thing that is wrong: where, with which key, and what to do.
#[derive(Clone, Debug)]
pub(crate) struct Complaint {
    place: Place,
    key: String,
    text: String,
}

impl Complaint {
    pub(super) fn new(place: &Place, key: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            place: place.clone(),
            key: key.into(),
            text: text.into(),
        }
    }

    /// The place, and what is wrong there, whoever's key it is.
    pub(super) fn at_which(&self) -> String {
        format!("{}: {}", self.place, self.text)
    }

    /// By file and line.
    pub(super) fn in_order(&self, other: &Self) -> Ordering {
        let key = |complaint: &Self| (complaint.place.file.clone(), complaint.place.line);
        key(self).cmp(&key(other))
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, key, text } = self;
        match key.is_empty() {
            true => write!(f, "{place}: {text}"),
            false => write!(f, "{place}: {key}: {text}"),
        }
    }
}

/// How unlike two words may be for one to be taken for the other, misspelt.
const LIKENESS_MIN: f64 = 0.75;

/// `; did you mean …?`, if there is a word like it.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let likeness = |known: &&str| strsim::normalized_damerau_levenshtein(word, known);
    let scored = known.into_iter().map(|known| {
        // A word that goes on: `allow` for `allow_host`.
        let begins = known.len() > 3 && word.len() > 3 && known.starts_with(word);
        (
            if begins {
                LIKENESS_MIN
            } else {
                likeness(&known)
            },
            known,
        )
    });
    let best = scored.max_by(|(one, _), (other, _)| one.total_cmp(other));
    match best {
        Some((likeness, known))
            if likeness >= LIKENESS_MIN || (likeness >= 0.6 && word.len() < 8) =>
        {
            format!("; did you mean `{known}`?")
        }
        _ => String::new(),
    }
}
