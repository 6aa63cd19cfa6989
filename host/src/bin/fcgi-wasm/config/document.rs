//! What was read: checked values by table and key, each with the place that it
//! comes from.

use std::collections::{BTreeMap, HashMap};

use std::path::Path;

use super::complaint::{Complaint, Place};
use super::keys::{Key, TABLES, Table};
use super::values::{FromValue, Value};

/// All files of a configuration together.
#[derive(Debug)]
pub(crate) struct Document {
    /// Where the main file begins.
    pub(super) start: Place,
    pub(super) sections: Vec<Section>,
    /// What is hardly meant so.
    pub(super) doubts: Vec<Complaint>,
    /// Where each of them is, by its path.
    index: HashMap<String, usize>,
}

/// One table of a file.
#[derive(Debug)]
pub(crate) struct Section {
    pub(super) table: &'static Table,
    /// Empty if its table has no names.
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) settings: BTreeMap<&'static str, Setting>,
}

/// One key that was set.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(super) value: Value,
    /// As it was written.
    pub(super) written: String,
    pub(super) place: Place,
}

/// A value, as it is in effect.
pub(super) struct Effective<'d> {
    pub(super) written: &'d str,
    /// `None` for the default of this program.
    pub(super) place: Option<&'d Place>,
}

impl Document {
    /// Of the main file, and what it includes.
    pub(super) fn new(main: &Path, sections: Vec<Section>, doubts: Vec<Complaint>) -> Self {
        let paths = sections.iter().map(Section::path);
        Self {
            start: Place {
                file: main.into(),
                line: 1,
            },
            doubts,
            index: paths.zip(0..).collect(),
            sections,
        }
    }

    /// A section by its path, like `app.blog`.
    pub(super) fn section(&self, path: &str) -> Option<&Section> {
        self.sections.get(*self.index.get(path)?)
    }

    /// The sections of a table, in order.
    pub(super) fn sections(&self, table: &str) -> impl Iterator<Item = &Section> {
        self.sections
            .iter()
            .filter(move |section| section.table.name == table)
    }

    /// The value that is in effect for a key of this table: its own, that of
    /// its tenant's defaults, that of `[defaults]`, or the one of the list of
    /// keys.
    pub(super) fn value<T: FromValue>(&self, section: &Section, key: &str) -> Option<T> {
        let setting = self.setting(section, key);
        let value = match setting {
            Some(setting) => Some(setting.value.clone()),
            None => default(section.table, key),
        };
        value.and_then(T::from_value)
    }

    /// The same of a table that has no names, and may not be there.
    pub(super) fn main_value<T: FromValue>(&self, table: &str, key: &str) -> Option<T> {
        match self.section(table) {
            Some(section) => self.value(section, key),
            None => {
                let table = TABLES.iter().find(|known| known.name == table)?;
                default(table, key).and_then(T::from_value)
            }
        }
    }

    /// What is in effect, and where it comes from; `None` if nothing is.
    pub(super) fn effective<'d>(
        &'d self,
        section: &'d Section,
        key: &Key,
    ) -> Option<Effective<'d>> {
        match self.setting(section, key.name) {
            Some(setting) => Some(Effective {
                written: &setting.written,
                place: Some(&setting.place),
            }),
            None if key.default.is_empty() => None,
            None => Some(Effective {
                written: key.default,
                place: None,
            }),
        }
    }

    /// Whether a key that is in effect for this table was written somewhere.
    pub(super) fn is_written(&self, section: &Section, key: &str) -> bool {
        self.setting(section, key).is_some()
    }

    /// What is wrong with a key that is in effect for this table, wherever it stands.
    pub(super) fn complain(
        &self,
        section: &Section,
        key: &str,
        text: impl Into<String>,
    ) -> Complaint {
        let place = self.setting(section, key).map(|setting| &setting.place);
        let path = format!("{}.{key}", section.path());
        Complaint::new(place.unwrap_or(&section.place), path, text)
    }

    fn setting<'d>(&'d self, section: &'d Section, key: &str) -> Option<&'d Setting> {
        if let Some(own) = section.settings.get(key) {
            return Some(own);
        }
        let tenant = match section.table.name {
            "app" | "documents" => section.tenant(),
            "tenant.defaults" => section.name.clone(),
            // A tenant's budget is not an application's.
            _ => return None,
        };
        let of_tenant = self.section(&format!("tenant.{tenant}.defaults"));
        let defaults = [of_tenant, self.section("defaults")];
        let mut defaults = defaults.into_iter().flatten();
        defaults.find_map(|defaults| defaults.settings.get(key))
    }
}

impl Section {
    /// A key's value, if it was set here.
    pub(super) fn own<T: FromValue>(&self, key: &str) -> Option<T> {
        let setting = self.settings.get(key)?;
        T::from_value(setting.value.clone())
    }

    /// Whom an application or a document root belongs to: to a tenant of its
    /// own name, unless it names one.
    pub(super) fn tenant(&self) -> String {
        self.own("tenant").unwrap_or_else(|| self.name.clone())
    }

    /// `app.blog`
    pub(super) fn path(&self) -> String {
        self.table.header.replace("NAME", &self.name)
    }

    /// What is wrong with a key of it, or with it if the key is not set or empty.
    pub(super) fn complain(&self, key: &str, text: impl Into<String>) -> Complaint {
        let place = self.settings.get(key).map(|setting| &setting.place);
        let path = match key {
            "" => self.path(),
            key => format!("{}.{key}", self.path()),
        };
        Complaint::new(place.unwrap_or(&self.place), path, text)
    }
}

fn default(table: &Table, key: &str) -> Option<Value> {
    let key = table.key(key).filter(|key| !key.default.is_empty())?;
    // That all defaults can be read is a test.
    key.kind.of_text(key.default, Path::new("/")).ok()
}
