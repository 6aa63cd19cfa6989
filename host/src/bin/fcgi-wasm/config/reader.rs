//! From files to a [`Document`]: TOML, the list of keys, and what is included.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::complaint::{Complaint, Place, nearest};
use super::document::{Document, Section, Setting};
use super::keys::{INCLUDE, TABLES, TENANT_DEFAULTS, Table};
use super::values::Value;

/// The largest file that is read, bytes: ten thousand applications.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// How many files may be included.
const FILES_MAX: usize = 10_000;

/// How many keys of a table a complaint lists: more are no line to read.
const KEYS_TOLD_MAX: usize = 10;

/// Reads the main file, which is an absolute path, and what it includes.
///
/// # Errors
///
/// All that is wrong.
pub(super) fn read(path: &Path) -> Result<Document, Vec<Complaint>> {
    let mut reader = Reader::default();
    let patterns = reader.file(path, true);
    for (pattern, place) in patterns {
        for file in reader.matching(path, &pattern, &place) {
            reader.file(&file, false);
        }
    }
    reader.find_doubles();
    match reader.complaints.is_empty() {
        true => Ok(Document::new(path, reader.sections, reader.doubts)),
        false => Err(reader.complaints),
    }
}

/// Reads of the main file what can be read.
pub(super) fn read_main(path: &Path) -> Document {
    let mut reader = Reader::default();
    reader.file(path, true);
    Document::new(path, reader.sections, Vec::new())
}

#[derive(Default)]
struct Reader {
    sections: Vec<Section>,
    complaints: Vec<Complaint>,
    doubts: Vec<Complaint>,
    files: usize,
}

/// A file that is being read.
struct File {
    path: Arc<Path>,
    folder: PathBuf,
    text: String,
    /// Where its lines end.
    ends: Vec<usize>,
    is_main: bool,
}

impl File {
    fn place(&self, span: Range<usize>) -> Place {
        Place {
            file: self.path.clone(),
            line: 1 + self.ends.partition_point(|end| *end < span.start),
        }
    }
}

impl File {
    /// What is wrong with its TOML. Of a key that stands twice the parser does not say
    /// which.
    fn complain(&self, error: &toml::de::Error) -> Complaint {
        let span = error.span().unwrap_or_default();
        let place = self.place(span.clone());
        let text = error.message().lines().collect::<Vec<_>>().join(", ");
        if text != "duplicate key" {
            return Complaint::new(&place, "", text);
        }
        let lines: Vec<_> = self.text.lines().take(place.line).collect();
        let is_header = |line: &&&str| line.trim_start().starts_with('[');
        let header = lines.iter().rfind(is_header).copied().unwrap_or_default();
        let name = header.split(']').next().unwrap_or_default();
        let name = name.trim_start_matches(['[', ' ']).trim_end();
        let what = match lines.last().is_some_and(|last| is_header(&last)) {
            true => "this table".to_owned(),
            false => format!("`{}`", self.text.get(span).unwrap_or_default()),
        };
        Complaint::new(
            &place,
            name,
            format!("{what} stands above already: keep one"),
        )
    }
}

impl Reader {
    /// Reads one file; the patterns of what it includes.
    fn file(&mut self, path: &Path, is_main: bool) -> Vec<(String, Place)> {
        let start = Place {
            file: path.into(),
            line: 1,
        };
        let text = match text(path) {
            Ok(text) => text,
            Err(error) => {
                self.complaints.push(Complaint::new(&start, "", error));
                return Vec::new();
            }
        };
        let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
        let file = File {
            path: start.file.clone(),
            folder,
            ends: text.match_indices('\n').map(|(end, _)| end).collect(),
            text,
            is_main,
        };
        let root = match DeTable::parse(&file.text) {
            Ok(root) => root,
            Err(error) => {
                self.complaints.push(file.complain(&error));
                return Vec::new();
            }
        };
        let mut patterns = Vec::new();
        for (name, value) in root.get_ref() {
            if name.get_ref() == INCLUDE.name && file.is_main {
                patterns = self.include(&file, value);
            } else {
                self.table(&file, name, value);
            }
        }
        patterns
    }

    fn include(&mut self, file: &File, value: &Spanned<DeValue<'_>>) -> Vec<(String, Place)> {
        let place = file.place(value.span());
        let patterns = match value.get_ref() {
            DeValue::String(pattern) => Ok(vec![pattern.to_string()]),
            list => match INCLUDE.kind.read(list, &file.folder) {
                Ok(Value::Texts(patterns)) => Ok(patterns),
                Ok(_) => Err(INCLUDE.kind.written().to_owned()),
                Err(error) => Err(error),
            },
        };
        match patterns {
            Ok(patterns) => patterns
                .into_iter()
                .map(|pattern| (pattern, place.clone()))
                .collect(),
            Err(error) => {
                self.complaints
                    .push(Complaint::new(&place, INCLUDE.name, error));
                Vec::new()
            }
        }
    }

    /// The files that a pattern means, in the order of their names.
    fn matching(&mut self, main: &Path, pattern: &str, place: &Place) -> Vec<PathBuf> {
        let folder = main.parent().unwrap_or(Path::new("/"));
        let pattern = folder.join(pattern).display().to_string();
        let mut files = Vec::new();
        match glob::glob(&pattern) {
            Ok(paths) => files.extend(paths.flatten()),
            Err(error) => {
                let text = format!("{pattern:?} is no pattern: {error}");
                self.complaints
                    .push(Complaint::new(place, INCLUDE.name, text));
            }
        }
        if files.is_empty() {
            let text = format!("there is no file {pattern}");
            let found = Complaint::new(place, INCLUDE.name, text);
            match pattern.contains(['*', '?', '[']) {
                true => self.doubts.push(found),
                false => self.complaints.push(found),
            }
        }
        self.files += files.len();
        if self.files > FILES_MAX {
            let text = format!("over {FILES_MAX} files are included");
            self.complaints
                .push(Complaint::new(place, INCLUDE.name, text));
            files.clear();
        }
        files
    }

    fn table(
        &mut self,
        file: &File,
        name: &Spanned<impl AsRef<str>>,
        value: &Spanned<DeValue<'_>>,
    ) {
        let place = file.place(name.span());
        let name = name.get_ref().as_ref();
        let known = TABLES.iter().map(|table| table.name);
        let Some(table) = TABLES.iter().find(|table| table.name == name) else {
            let near = nearest(name, known.chain([INCLUDE.name]));
            let text = format!("there is no such table{near}");
            self.complaints.push(Complaint::new(&place, name, text));
            return;
        };
        if table.is_main && !file.is_main {
            let text = "it stands in the main file only, not in one that is included";
            self.complaints.push(Complaint::new(&place, name, text));
            return;
        }
        let DeValue::Table(content) = value.get_ref() else {
            let text = format!("it is a table: write [{}]", table.header);
            self.complaints.push(Complaint::new(&place, name, text));
            return;
        };
        if !table.is_named() {
            self.section(file, table, "", place, content);
            return;
        }
        for (name, value) in content {
            let place = file.place(name.span());
            let name = name.get_ref().as_ref();
            let key = format!("{}.{name}", table.name);
            match value.get_ref() {
                DeValue::Table(content) if is_name(name) => {
                    self.section(file, table, name, place, content);
                }
                DeValue::Table(_) => {
                    let text = "a name has letters, digits, `-`, `_` and `.`, and up to 64 of them";
                    self.complaints.push(Complaint::new(&place, key, text));
                }
                _ => {
                    let text = format!("it needs a name: write [{}.NAME] before it", table.name);
                    self.complaints.push(Complaint::new(&place, key, text));
                }
            }
        }
    }

    fn section(
        &mut self,
        file: &File,
        table: &'static Table,
        name: &str,
        place: Place,
        content: &DeTable<'_>,
    ) {
        let mut section = Section {
            table,
            name: name.to_owned(),
            place,
            settings: BTreeMap::new(),
        };
        for (name, value) in content {
            let place = file.place(name.span());
            let name: &str = name.get_ref().as_ref();
            let path = format!("{}.{name}", section.path());
            if let (("tenant", "defaults"), DeValue::Table(defaults)) =
                ((table.name, name), value.get_ref())
            {
                self.section(file, &TENANT_DEFAULTS, &section.name, place, defaults);
                continue;
            }
            let Some(key) = table.key(name) else {
                let text = format!(
                    "there is no such key in [{}]{}",
                    table.header,
                    hint(name, table)
                );
                self.complaints.push(Complaint::new(&place, path, text));
                continue;
            };
            match key.kind.read(value.get_ref(), &file.folder) {
                Ok(read) => {
                    let written = file.text.get(value.span()).unwrap_or_default().to_owned();
                    let setting = Setting {
                        value: read,
                        written,
                        place,
                    };
                    section.settings.insert(key.name, setting);
                }
                Err(error) => self.complaints.push(Complaint::new(&place, path, error)),
            }
        }
        self.sections.push(section);
    }

    /// The same table in two files.
    fn find_doubles(&mut self) {
        let mut known: BTreeMap<String, &Section> = BTreeMap::new();
        for section in &self.sections {
            if let Some(first) = known.insert(section.path(), section) {
                let text = format!("it stands in {} already", first.place);
                let double = Complaint::new(&section.place, section.path(), text);
                self.complaints.push(double);
            }
        }
    }
}

/// Which key may have been meant, or which there are.
fn hint(name: &str, table: &Table) -> String {
    let near = nearest(name, table.keys().map(|key| key.name));
    if !near.is_empty() {
        return near;
    }
    let keys: Vec<_> = table.keys().map(|key| format!("`{}`", key.name)).collect();
    match keys.len() {
        0..=KEYS_TOLD_MAX => format!("; it has {}", keys.join(", ")),
        _ => "; `fcgi-wasm config schema` has them all".to_owned(),
    }
}

fn text(path: &Path) -> Result<String, String> {
    let cannot = |error| format!("cannot be read: {error}");
    let meta = fs::metadata(path).map_err(cannot)?;
    if !meta.is_file() {
        return Err("is no regular file".to_owned());
    }
    if meta.len() > FILE_BYTES_MAX {
        return Err(format!("has over {FILE_BYTES_MAX} bytes"));
    }
    fs::read_to_string(path).map_err(cannot)
}

fn is_name(name: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(is_fit)
}
