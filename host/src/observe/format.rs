//! The lines of an access log: JSON, or words in braces between other text.

use std::fmt::Write;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use super::json::Json;
use crate::message::{Record, Role, is_command};
use crate::setup::SetupError;

/// Apache's and nginx's "combined", which every analyser of logs reads.
const COMBINED: &str = "{remote} - {param:REMOTE_USER} [{time_clf}] \
    \"{method} {path} {param:SERVER_PROTOCOL}\" {status} {bytes_out} \"{referer}\" \
    \"{param:HTTP_USER_AGENT}\"";

/// How lines of an access log are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLogFormat(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Json,
    Text(Vec<Piece>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Word(Word),
    Param(String),
}

/// How a word is written.
type Write1 = fn(&Record, &mut String);

/// A word, by its place in [`WORDS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Word(usize);

/// All words, in the order in which the manual explains them. Those that are
/// members of a line in JSON are marked by how they are written there.
const WORDS: &[(&str, Write1)] = &[
    ("time", |record, text| {
        text.push_str(&time(record.asked.began))
    }),
    ("time_clf", |record, text| {
        text.push_str(&time_clf(record.asked.began))
    }),
    ("id", |record, text| number(text, record.asked.id)),
    ("remote", |record, text| escaped(text, &record.asked.remote)),
    ("host", |record, text| escaped(text, &record.asked.host)),
    ("method", |record, text| escaped(text, &record.asked.method)),
    ("path", |record, text| escaped(text, &record.asked.path)),
    ("status", |record, text| {
        number(text, record.status.as_u16())
    }),
    ("bytes_in", |record, text| number(text, record.bytes_in)),
    ("bytes_out", |record, text| number(text, record.bytes_out)),
    ("duration_us", |record, text| {
        number(text, record.duration.as_micros())
    }),
    ("queue_us", |record, text| {
        number(text, record.queue_wait.as_micros())
    }),
    ("cpu_us", |record, text| {
        number(text, record.usage.cpu_time.as_micros())
    }),
    ("paused_us", |record, text| {
        number(text, record.usage.paused.as_micros())
    }),
    ("memory_bytes", |record, text| {
        number(text, record.usage.memory_bytes_peak)
    }),
    ("role", |record, text| {
        text.push_str(role(record.asked.role))
    }),
    ("app", |record, text| {
        escaped(text, app(record).unwrap_or_default())
    }),
    ("tenant", |record, text| {
        escaped(text, tenant(record).unwrap_or_default())
    }),
    ("cause", |record, text| {
        escaped(text, record.cause.unwrap_or_default())
    }),
    ("aborted", |record, text| number(text, record.is_aborted)),
    ("referer", |record, text| escaped(text, &referer(record))),
];

/// How a word for a param begins; the param's name follows.
const PARAM: &str = "param:";

impl AccessLogFormat {
    /// One JSON object a line.
    pub fn json() -> Self {
        Self(Kind::Json)
    }

    /// The words that can stand in braces, beside `param:NAME`.
    pub fn words() -> impl Iterator<Item = &'static str> {
        WORDS.iter().map(|(name, _)| *name)
    }

    /// The params that it shows, by their names.
    pub fn params(&self) -> Vec<String> {
        let Kind::Text(pieces) = &self.0 else {
            return Vec::new();
        };
        let params = pieces.iter().filter_map(|piece| match piece {
            Piece::Param(name) => Some(name.clone()),
            Piece::Word(word) if WORDS[word.0].0 == "referer" => Some("HTTP_REFERER".to_owned()),
            _ => None,
        });
        params.collect()
    }

    /// The line of this request, with its newline.
    pub(super) fn line(&self, record: &Record) -> String {
        let mut line = match &self.0 {
            Kind::Json => json(record),
            Kind::Text(pieces) => text(pieces, record),
        };
        line.push('\n');
        line
    }
}

/// `json`, `combined`, or a text with words in braces: `{remote} {status}`. A
/// brace itself is written twice.
impl FromStr for AccessLogFormat {
    type Err = SetupError;

    fn from_str(format: &str) -> Result<Self, SetupError> {
        match format {
            "json" => Ok(Self::json()),
            "combined" => parse(COMBINED),
            _ if format.contains('{') => parse(format),
            _ => Err(SetupError::new(format!(
                "{format:?} is no format of an access log: write json, combined, or words in \
                 braces like '{{remote}} {{method}} {{path}} {{status}}'"
            ))),
        }
    }
}

fn parse(format: &str) -> Result<AccessLogFormat, SetupError> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = format;
    while let Some(brace) = rest.find(['{', '}']) {
        text.push_str(&rest[..brace]);
        let found = &rest[brace..=brace];
        rest = &rest[brace + 1..];
        if let Some(after) = rest.strip_prefix(found) {
            text.push_str(found);
            rest = after;
            continue;
        }
        let Some((word, after)) = rest.split_once('}').filter(|_| found == "{") else {
            return Err(SetupError::new(format!(
                "the access log's format has a single {found:?} before {rest:?}: write words as \
                 {{word}}, and a brace itself twice"
            )));
        };
        if !text.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut text)));
        }
        pieces.push(piece(word)?);
        rest = after;
    }
    text.push_str(rest);
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(AccessLogFormat(Kind::Text(pieces)))
}

fn piece(word: &str) -> Result<Piece, SetupError> {
    if let Some(name) = word.strip_prefix(PARAM).filter(|name| !name.is_empty()) {
        return Ok(Piece::Param(name.to_owned()));
    }
    if let Some(index) = AccessLogFormat::words().position(|known| known == word) {
        return Ok(Piece::Word(Word(index)));
    }
    let known: Vec<_> = AccessLogFormat::words().collect();
    Err(SetupError::new(format!(
        "the access log's format has an unknown word {{{word}}}: there are {}, and param:NAME",
        known.join(", ")
    )))
}

fn text(pieces: &[Piece], record: &Record) -> String {
    let mut line = String::with_capacity(256);
    for piece in pieces {
        match piece {
            Piece::Text(text) => line.push_str(text),
            Piece::Word(word) => WORDS[word.0].1(record, &mut line),
            Piece::Param(name) => {
                let value = record.asked.params.text(name);
                escaped(&mut line, &value.unwrap_or_default());
            }
        }
    }
    line
}

fn json(record: &Record) -> String {
    let asked = &record.asked;
    Json::object(|json| {
        json.text("time", &time(asked.began));
        json.number("id", asked.id);
        json.text("remote", &asked.remote);
        json.text("host", &asked.host);
        json.text("method", &asked.method);
        json.text("path", &asked.path);
        json.number("status", record.status.as_u16());
        json.number("bytes_in", record.bytes_in);
        json.number("bytes_out", record.bytes_out);
        json.number("duration_us", record.duration.as_micros());
        json.number("queue_us", record.queue_wait.as_micros());
        json.number("cpu_us", record.usage.cpu_time.as_micros());
        json.number("paused_us", record.usage.paused.as_micros());
        json.number("memory_bytes", record.usage.memory_bytes_peak);
        json.text("role", role(asked.role));
        json.text_or_null("app", app(record));
        json.text_or_null("tenant", tenant(record));
        json.text_or_null("cause", record.cause);
        json.number("aborted", record.is_aborted);
    })
}

fn app(record: &Record) -> Option<&str> {
    record.owner.as_ref().map(|owner| owner.app.as_str())
}

fn tenant(record: &Record) -> Option<&str> {
    record.owner.as_ref().map(|owner| owner.tenant.as_str())
}

pub(super) fn role(role: Role) -> &'static str {
    match role {
        Role::Responder => "responder",
        Role::Authorizer => "authorizer",
        Role::Filter => "filter",
    }
}

/// Where the visitor came from, without the query.
fn referer(record: &Record) -> String {
    let referer = record.asked.params.text("HTTP_REFERER").unwrap_or_default();
    let end = referer.find(['?', '#']).unwrap_or(referer.len());
    referer[..end].to_owned()
}

fn number(text: &mut String, value: impl std::fmt::Display) {
    // Writing to a string does not fail.
    let _ = write!(text, "{value}");
}

/// A value that can neither end its quotes nor its line; a hyphen if there is
/// none. As Apache does it.
fn escaped(text: &mut String, value: &str) {
    if value.is_empty() {
        text.push('-');
    }
    for character in value.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            other if is_command(other) => text.extend(other.escape_default()),
            other => text.push(other),
        }
    }
}

/// RFC 3339, in UTC, to the millisecond.
pub(super) fn time(since_1970: Duration) -> String {
    // What a clock shows by mistake may be beyond what can be written.
    let latest = Duration::from_secs(253_402_300_799);
    let time = SystemTime::UNIX_EPOCH + since_1970.min(latest);
    humantime::format_rfc3339_millis(time).to_string()
}

/// `10/Oct/2000:13:55:36 +0000`.
fn time_clf(since_1970: Duration) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let time = time(since_1970);
    let month = time[5..7].parse().unwrap_or(1).clamp(1, MONTHS.len());
    format!(
        "{}/{}/{}:{} +0000",
        &time[8..10],
        MONTHS[month - 1],
        &time[..4],
        &time[11..19]
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::StatusCode;

    use super::*;
    use crate::message::{Asked, Owner, Usage};

    fn record() -> Record {
        let params = [("HTTP_REFERER", "https://a/b?secret"), ("REMOTE_USER", "")];
        Record {
            asked: Arc::new(Asked {
                id: 7,
                began: Duration::from_millis(951_782_400_123),
                method: "GET".to_owned(),
                path: "/a\"b\n\\".to_owned(),
                host: "h".to_owned(),
                remote: "::1".to_owned(),
                params: params.into_iter().collect(),
                ..Asked::default()
            }),
            owner: Some(Arc::new(Owner {
                tenant: "t".to_owned(),
                app: "a".to_owned(),
            })),
            duration: Duration::from_micros(1500),
            queue_wait: Duration::from_micros(2),
            usage: Usage {
                cpu_time: Duration::from_micros(3),
                memory_bytes_peak: 4,
                paused: Duration::from_micros(7),
            },
            bytes_in: 5,
            bytes_out: 6,
            status: StatusCode::BAD_GATEWAY,
            cause: Some("crash"),
            is_aborted: false,
        }
    }

    fn written(format: &str) -> String {
        let format: AccessLogFormat = format.parse().expect("a format");
        format.line(&record())
    }

    #[test]
    fn each_word_is_written() {
        let format: String = AccessLogFormat::words()
            .map(|word| format!("{{{word}}} "))
            .collect();
        let expected = "2000-02-29T00:00:00.123Z 29/Feb/2000:00:00:00 +0000 7 ::1 h GET \
            /a\\\"b\\n\\\\ 502 5 6 1500 2 3 7 4 responder a t crash false https://a/b \n";
        assert_eq!(written(&format), expected);
        assert_eq!(written("{{{id}}} {param:REMOTE_USER}"), "{7} -\n");
    }

    #[test]
    fn combined_is_what_apache_writes() {
        let expected = "::1 - - [29/Feb/2000:00:00:00 +0000] \"GET /a\\\"b\\n\\\\ -\" 502 6 \
            \"https://a/b\" \"-\"\n";
        assert_eq!(written("combined"), expected);
    }

    #[test]
    fn json_has_every_word_but_those_of_other_notations() {
        let line = written("json");
        let read: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let read = read.as_object().expect("an object");
        let others = ["time_clf", "referer"];
        for word in AccessLogFormat::words().filter(|word| !others.contains(word)) {
            assert!(read.contains_key(word), "{word} in {line}");
        }
        assert_eq!(read.len(), WORDS.len() - others.len());
        assert_eq!(read["path"], "/a\"b\n\\");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (format, expected) in [
            ("{rmote}", "{rmote}"),
            ("{id} {", "single \"{\""),
            ("{id} } x", "single \"}\" before \" x\""),
            ("apache", "\"apache\""),
            ("{param:}", "{param:}"),
        ] {
            let error = format.parse::<AccessLogFormat>().expect_err(format);
            let error = error.to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
