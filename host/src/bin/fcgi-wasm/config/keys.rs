//! Every table and key that a configuration may have: this list is what files
//! are checked against, and what `config show`, the schema and the manual say.

use super::policy_keys::{BUDGET, GRANTS, LIMITS};
use super::process_keys::{LOG, SERVER, STATUS};
use super::table_keys::{APP, DOCUMENTS, SOCKET, TENANT};
use super::values::Kind;

/// One key of a table.
#[derive(Debug)]
pub(crate) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// As it would be written; empty if there is none.
    pub(super) default: &'static str,
    pub(super) about: &'static str,
}

/// One table, or one kind of named tables.
#[derive(Debug)]
pub(crate) struct Table {
    pub(super) name: &'static str,
    /// How it is written, with NAME where it has one.
    pub(super) header: &'static str,
    /// Whether it stands in the main file only.
    pub(super) is_main: bool,
    pub(super) about: &'static str,
    pub(super) groups: &'static [&'static [Key]],
}

impl Table {
    pub(super) fn is_named(&self) -> bool {
        self.header.contains("NAME")
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &'static Key> {
        self.groups.iter().copied().flatten()
    }

    pub(super) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys().find(|key| key.name == name)
    }
}

pub(super) const fn key(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    about: &'static str,
) -> Key {
    Key {
        name,
        kind,
        default,
        about,
    }
}

/// The key of the main file that stands in no table.
pub(crate) const INCLUDE: Key = key(
    "include",
    Kind::Texts,
    "",
    "More files, by pattern: `apps.d/*.toml`. Each may have all tables but `server`, `log`, `status` and `defaults`",
);

pub(crate) const TABLES: &[Table] = &[
    Table {
        name: "server",
        header: "server",
        is_main: true,
        about: "The process.",
        groups: &[SERVER],
    },
    Table {
        name: "log",
        header: "log",
        is_main: true,
        about: "What is written.",
        groups: &[LOG],
    },
    Table {
        name: "status",
        header: "status",
        is_main: true,
        about: "What is shown.",
        groups: &[STATUS],
    },
    Table {
        name: "defaults",
        header: "defaults",
        is_main: true,
        about: "What applications and document roots have that do not say otherwise.",
        groups: &[LIMITS, GRANTS, BUDGET],
    },
    Table {
        name: "socket",
        header: "socket.NAME",
        is_main: false,
        about: "A place to listen at, and who answers there.",
        groups: &[SOCKET],
    },
    Table {
        name: "tenant",
        header: "tenant.NAME",
        is_main: false,
        about: "Who applications belong to, and what all of them may take together.",
        groups: &[TENANT, BUDGET],
    },
    Table {
        name: "app",
        header: "app.NAME",
        is_main: false,
        about: "An application.",
        groups: &[APP, LIMITS, GRANTS, BUDGET],
    },
    Table {
        name: "documents",
        header: "documents.NAME",
        is_main: false,
        about: "A folder whose `.wasm` files are served, by SCRIPT_FILENAME.",
        groups: &[DOCUMENTS, LIMITS, GRANTS, BUDGET],
    },
];

/// Stands in a tenant's table, and is read there.
pub(super) const TENANT_DEFAULTS: Table = Table {
    name: "tenant.defaults",
    header: "tenant.NAME.defaults",
    is_main: false,
    about: "What a tenant's applications and document roots have that do not say otherwise.",
    groups: &[LIMITS, GRANTS, BUDGET],
};
