//! Kinds of values: how each is written, read and described.

use std::net::{IpAddr, SocketAddr};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use fcgi_wasm::cgi::Mount;
use fcgi_wasm::{
    AccessLogFormat, AddressPattern, Folder, HostPattern, SendFileBy, SentFolder, SetupError,
};
use toml::de::DeValue;

use crate::args::values::{bytes, count, duration, granted, number, octal, size};
use crate::args::{FileSender, Place, place};

const LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace"];

/// A kind of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Texts,
    /// Relative to the folder of the file that names it.
    Path,
    /// Of memory, which comes in pages.
    Size,
    Bytes,
    Time,
    /// From 1.
    Count,
    /// From 0.
    Number,
    /// A number of processors.
    Share,
    Flag,
    Mode,
    Address,
    Clients,
    Mount,
    Folders,
    Pairs,
    /// Names, and files that have the values.
    Files,
    SentFolders,
    FileSender,
    Hosts,
    Nets,
    /// How much is logged.
    Level,
    /// A path of a log, or `-`.
    Output,
    AccessLogFormat,
    /// Where the status is shown.
    Place,
}

/// A value as it was read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Texts(Vec<String>),
    Path(PathBuf),
    Size(u64),
    Time(Duration),
    Count(usize),
    Share(f64),
    Flag(bool),
    Mode(u32),
    Address(SocketAddr),
    Clients(Vec<IpAddr>),
    Mount(Mount),
    Folders(Vec<Folder>),
    Pairs(Vec<(String, String)>),
    Files(Vec<(String, PathBuf)>),
    SentFolders(Vec<SentFolder>),
    FileSender(SendFileBy),
    Hosts(Vec<HostPattern>),
    Nets(Vec<AddressPattern>),
    AccessLogFormat(AccessLogFormat),
    Place(Place),
}

/// What a Rust type is among the values.
pub(super) trait FromValue: Sized {
    fn from_value(value: Value) -> Option<Self>;
}

macro_rules! from_value {
    ($($variant:ident => $type:ty),* $(,)?) => {$(
        impl FromValue for $type {
            fn from_value(value: Value) -> Option<Self> {
                match value {
                    Value::$variant(value) => Some(value),
                    _ => None,
                }
            }
        }
    )*};
}

from_value! {
    Text => String, Texts => Vec<String>, Path => PathBuf, Size => u64, Time => Duration,
    Count => usize, Share => f64, Flag => bool, Mode => u32, Address => SocketAddr,
    Clients => Vec<IpAddr>, Mount => Mount, Folders => Vec<Folder>,
    Pairs => Vec<(String, String)>, Files => Vec<(String, PathBuf)>,
    SentFolders => Vec<SentFolder>, FileSender => SendFileBy, Hosts => Vec<HostPattern>, Nets => Vec<AddressPattern>,
    AccessLogFormat => AccessLogFormat, Place => Place,
}

impl Kind {
    /// How it is written, for a person.
    pub(super) fn written(self) -> &'static str {
        match self {
            Self::Text => "a text in quotes",
            Self::Texts => "a list of texts",
            Self::Path => "a path in quotes",
            Self::Size | Self::Bytes => "a size in quotes, like \"64MiB\"",
            Self::Time => "a time in quotes, like \"30s\" or \"500ms\"",
            Self::Count => "a number from 1",
            Self::Number => "a number from 0",
            Self::Share => "a number of processors, like 0.5",
            Self::Flag => "true or false",
            Self::Mode => "octal digits in quotes, like \"0660\"",
            Self::Address => "an address and a port in quotes, like \"127.0.0.1:9000\"",
            Self::Clients => "a list of IP addresses",
            Self::Mount => "a URL path in quotes, like \"/app\"",
            Self::Folders => "a list of folders, like [\"/srv/data::/data:ro\"]",
            Self::Pairs => "a table of texts, like { NAME = \"value\" }",
            Self::Files => "a table of paths, like { NAME = \"/etc/secrets/name\" }",
            Self::SentFolders => "a list of folders, like [\"/files=/internal\"]",
            Self::FileSender => "\"nginx\", \"apache\" or \"lighttpd\"",
            Self::Level => "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"",
            Self::Output => "a path in quotes, or \"-\" for standard error",
            Self::AccessLogFormat => "\"json\", \"combined\" or words in braces",
            Self::Place => "an address in quotes, or \"unix:PATH\"",
            Self::Hosts => "a list of hosts, like [\"api.example.com\"]",
            Self::Nets => "a list of addresses, like [\"10.0.0.0/8:5432\"]",
        }
    }

    /// Its JSON schema.
    pub(super) fn schema(self) -> serde_json::Value {
        use serde_json::json;

        let text = |pattern: &str| json!({"type": "string", "pattern": pattern});
        match self {
            Self::Text | Self::Path | Self::Output | Self::AccessLogFormat | Self::Place => {
                json!({"type": "string"})
            }
            Self::Texts
            | Self::Folders
            | Self::SentFolders
            | Self::Hosts
            | Self::Nets
            | Self::Clients => {
                json!({"type": "array", "items": {"type": "string"}})
            }
            Self::Level => json!({"enum": LEVELS}),
            Self::FileSender => json!({"enum": ["nginx", "apache", "lighttpd"]}),
            Self::Size | Self::Bytes => text(r"^[0-9.]+ *([kKMGT]i?)?B?$"),
            Self::Time => text(r"^([0-9]+ *[a-z]+ *)+$"),
            Self::Count => json!({"type": "integer", "minimum": 1, "maximum": 1_000_000}),
            Self::Number => json!({"type": "integer", "minimum": 0, "maximum": 1_000_000}),
            Self::Share => json!({"type": "number", "exclusiveMinimum": 0}),
            Self::Flag => json!({"type": "boolean"}),
            Self::Mode => text("^0?[0-7]{1,3}$"),
            Self::Address => text(r"^.+:[0-9]+$"),
            Self::Mount => text("^/"),
            Self::Pairs | Self::Files => json!({
                "type": "object", "additionalProperties": {"type": "string"}
            }),
        }
    }

    /// Reads a value that stands in a file of this folder.
    ///
    /// # Errors
    ///
    /// A sentence that says what to write.
    pub(super) fn read(self, value: &DeValue<'_>, folder: &Path) -> Result<Value, String> {
        let is_wrong = || format!("{} is not {}", value.type_str(), self.written());
        match value {
            DeValue::Array(items) => {
                let texts = items.iter().map(|item| item.get_ref().as_str());
                let texts: Option<Vec<_>> = texts.collect();
                self.of_texts(&texts.ok_or_else(is_wrong)?, folder)
                    .unwrap_or_else(|| Err(is_wrong()))
            }
            DeValue::Table(table) if matches!(self, Self::Pairs | Self::Files) => {
                let pairs = table.iter().map(|(name, value)| {
                    let (name, value) = (name.get_ref(), value.get_ref());
                    let text = value.as_str().ok_or_else(|| {
                        let kind = value.type_str();
                        format!("{name} is {kind} and not a text: write {name} = \"value\"")
                    })?;
                    Ok((name.to_string(), text.to_owned()))
                });
                let pairs = pairs.collect::<Result<Vec<_>, String>>()?;
                if self == Self::Pairs {
                    return Ok(Value::Pairs(pairs));
                }
                let file = |(name, path): (String, String)| (name, within(folder, &path));
                Ok(Value::Files(pairs.into_iter().map(file).collect()))
            }
            DeValue::Boolean(flag) if self == Self::Flag => Ok(Value::Flag(*flag)),
            DeValue::Integer(number)
                if matches!(self, Self::Count | Self::Number | Self::Share) =>
            {
                self.of_text(number.as_str(), folder)
            }
            DeValue::Float(number) if self == Self::Share => self.of_text(number.as_str(), folder),
            DeValue::String(text) if !self.is_written_bare() => self.of_text(text, folder),
            _ => Err(is_wrong()),
        }
    }

    /// Whether it is written without quotes.
    pub(super) fn is_written_bare(self) -> bool {
        matches!(self, Self::Count | Self::Number | Self::Share | Self::Flag)
    }

    fn of_texts(self, texts: &[&str], folder: &Path) -> Option<Result<Value, String>> {
        fn each<T>(
            texts: &[&str],
            read: impl Fn(&str) -> Result<T, String>,
        ) -> Result<Vec<T>, String> {
            texts.iter().map(|text| read(text)).collect()
        }
        Some(match self {
            Self::Texts => Ok(Value::Texts(
                texts.iter().copied().map(str::to_owned).collect(),
            )),
            Self::Clients => each(texts, |text| {
                text.parse()
                    .map_err(|_| format!("{text:?} is no IP address"))
            })
            .map(Value::Clients),
            Self::Folders => each(texts, |text| folder_in(text, folder)).map(Value::Folders),
            Self::SentFolders => each(texts, SentFolder::parse).map(Value::SentFolders),
            Self::Hosts => each(texts, HostPattern::parse).map(Value::Hosts),
            Self::Nets => each(texts, AddressPattern::parse).map(Value::Nets),
            _ => return None,
        })
    }

    /// Reads a value from its text; defaults are written so.
    pub(super) fn of_text(self, text: &str, folder: &Path) -> Result<Value, String> {
        match self {
            Self::Text => Ok(Value::Text(text.to_owned())),
            Self::Path if text.is_empty() => Err("an empty path is no place".to_owned()),
            Self::Path => Ok(Value::Path(within(folder, text))),
            Self::Size => size(text).map(|size| Value::Size(size.as_u64())),
            Self::Bytes => bytes(text).map(|size| Value::Size(size.as_u64())),
            Self::Level if LEVELS.contains(&text) => Ok(Value::Text(text.to_owned())),
            Self::Level => Err(format!("write {}", self.written())),
            Self::Output if text == "-" => Ok(Value::Path(text.into())),
            Self::Output => Self::Path.of_text(text, folder),
            Self::AccessLogFormat => match text.parse() {
                Ok(format) => Ok(Value::AccessLogFormat(format)),
                Err(error) => Err(SetupError::to_string(&error)),
            },
            Self::Place => Ok(Value::Place(match place(text)? {
                Place::Unix(path) => Place::Unix(within(folder, &path.display().to_string())),
                address => address,
            })),
            Self::FileSender => match FileSender::from_str(text, false) {
                Ok(server) => Ok(Value::FileSender(server.into())),
                Err(_) => Err(format!("write {}", self.written())),
            },
            Self::Time => duration(text).map(Value::Time),
            Self::Count => count(text).map(Value::Count),
            Self::Number => number(text).map(Value::Count),
            Self::Share => match text.parse() {
                Ok(share) if share > 0.0 && share < 1e6 => Ok(Value::Share(share)),
                _ => Err("write a number of processors over 0, like 0.5".to_owned()),
            },
            Self::Flag => match text {
                "true" => Ok(Value::Flag(true)),
                "false" => Ok(Value::Flag(false)),
                _ => Err("write true or false".to_owned()),
            },
            Self::Mode => octal(text).map(Value::Mode),
            Self::Address => text
                .parse()
                .map(Value::Address)
                .map_err(|_| "write an address and a port, like 127.0.0.1:9000".to_owned()),
            Self::Mount => Mount::new(text).map(Value::Mount),
            Self::Texts
            | Self::Clients
            | Self::Folders
            | Self::Pairs
            | Self::Files
            | Self::SentFolders
            | Self::Hosts
            | Self::Nets => Err(format!("a text is not {}", self.written())),
        }
    }
}

/// A folder whose path on this machine is relative to another.
fn folder_in(text: &str, folder: &Path) -> Result<Folder, String> {
    let host_path = text.split("::").next().unwrap_or(text);
    if Path::new(host_path).is_absolute() || host_path.is_empty() {
        return granted(text);
    }
    if !text.contains("::") {
        let cure = "a relative folder needs a name for the application: write HOST::GUEST";
        return Err(format!("{text:?}: {cure}"));
    }
    granted(&within(folder, text).display().to_string())
}

/// A path relative to a folder, with `..` and `.` taken out by their names: so
/// that the path of a document root is the one that web servers have for it.
fn within(folder: &Path, path: &str) -> PathBuf {
    let mut whole = PathBuf::new();
    for component in folder.join(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                whole.pop();
            }
            other => whole.push(other),
        }
    }
    whole
}
