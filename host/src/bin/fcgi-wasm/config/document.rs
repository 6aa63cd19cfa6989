//! What was read: checked values by table and key, each with the place that it
//! comes from.

use std::collections::BTreeMap;

use std::path::Path;

use super::complaint::{Complaint, Place};
use super::keys::{Key, TABLES, Table};
use super::values::{FromValue, Value};

/// All files of a configuration together.
#[derive(Debug)]
pub(crate) struct Document {
    pub(super) sections: Vec<Section>,
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
    /// The sections of a table, in order.
    pub(super) fn sections(&self, table: &str) -> impl Iterator<Item = &Section> {
        self.sections
            .iter()
            .filter(move |section| section.table.name == table)
    }

    /// The value that is in effect for a key of this table: its own, that of
    /// `[defaults]`, or the one of the list of keys.
    pub(super) fn value<T: FromValue>(&self, section: &Section, key: &str) -> Option<T> {
        let setting = self.setting(section, key);
        let value = match setting {
            Some(setting) => Some(setting.value.clone()),
            None => default(section.table, key),
        };
        value.and_then(T::from_value)
    }

    /// The same of a table that has no names, and may not be there.
    pub(super) fn server_value<T: FromValue>(&self, key: &str) -> Option<T> {
        match self.sections("server").next() {
            Some(section) => self.value(section, key),
            None => {
                let table = TABLES.iter().find(|table| table.name == "server")?;
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

    fn setting<'d>(&'d self, section: &'d Section, key: &str) -> Option<&'d Setting> {
        let own = section.settings.get(key);
        // A tenant's budget is not an application's.
        let has_defaults = matches!(section.table.name, "app" | "documents");
        own.or_else(|| {
            let defaults = self.sections("defaults").next().filter(|_| has_defaults)?;
            defaults.settings.get(key)
        })
    }
}

impl Section {
    /// A key's value, if it was set here.
    pub(super) fn own<T: FromValue>(&self, key: &str) -> Option<T> {
        let setting = self.settings.get(key)?;
        T::from_value(setting.value.clone())
    }

    /// `app.blog`
    pub(super) fn path(&self) -> String {
        match self.table.is_named {
            true => format!("{}.{}", self.table.name, self.name),
            false => self.table.name.to_owned(),
        }
    }

    /// What is wrong with a key of it, or with it if the key is not set.
    pub(super) fn complain(&self, key: &str, text: impl Into<String>) -> Complaint {
        let place = self.settings.get(key).map(|setting| &setting.place);
        let path = format!("{}.{key}", self.path());
        Complaint::new(place.unwrap_or(&self.place), path, text)
    }
}

fn default(table: &Table, key: &str) -> Option<Value> {
    let key = table.key(key).filter(|key| !key.default.is_empty())?;
    // That all defaults can be read is a test.
    key.kind.of_text(key.default, Path::new("/")).ok()
}
