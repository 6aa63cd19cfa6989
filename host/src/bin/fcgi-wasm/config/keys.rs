//! Every table and key that a configuration may have: this list is what files
//! are checked against, and what `config show`, the schema and the manual say.

use super::policy_keys::{BUDGET, GRANTS, LIMITS};
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
    "More files, by pattern: `apps.d/*.toml`. Each may have all tables but `server` and `defaults`",
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

const SERVER: &[Key] = &[
    key(
        "cache",
        Kind::Path,
        "",
        "Folder for compiled code, this user's own; unless set, as `serve` without `--cache`",
    ),
    key(
        "instances",
        Kind::Count,
        "256",
        "Requests that run at a time, over all applications",
    ),
    key(
        "loaded_apps",
        Kind::Count,
        "256",
        "Applications that are loaded at a time; the one that was asked for least recently makes room",
    ),
    key(
        "idle_unload",
        Kind::Time,
        "10m",
        "How long an application stays loaded that nobody asks for",
    ),
    key(
        "compiles",
        Kind::Count,
        "1",
        "Applications that are compiled at a time; of a tenant's it is one in any case",
    ),
    key(
        "load_wait",
        Kind::Time,
        "30s",
        "How long a request waits until its application is loaded, before it gets a 503",
    ),
    key(
        "drain_timeout",
        Kind::Time,
        "30s",
        "How long requests may go on once the server or a socket was told to stop",
    ),
    key(
        "watch",
        Kind::Flag,
        "true",
        "Whether changed files are noticed without `fcgi-wasm reload`",
    ),
];

const SOCKET: &[Key] = &[
    key(
        "unix",
        Kind::Path,
        "",
        "FastCGI on a unix socket at this path",
    ),
    key(
        "tcp",
        Kind::Address,
        "",
        "FastCGI on a TCP address, such as 127.0.0.1:9000",
    ),
    key(
        "http",
        Kind::Address,
        "",
        "HTTP for development on a TCP address",
    ),
    key(
        "inherited",
        Kind::Flag,
        "false",
        "FastCGI on the sockets that were passed at the start: those that systemd calls NAME, or all if no other table has them",
    ),
    key(
        "mode",
        Kind::Mode,
        "0660",
        "Who may connect to a unix socket, as octal permission bits",
    ),
    key(
        "owner",
        Kind::Text,
        "",
        "The user that a unix socket belongs to, by name or number",
    ),
    key(
        "group",
        Kind::Text,
        "",
        "The group that a unix socket belongs to, such as the web server's",
    ),
    key(
        "allowed_clients",
        Kind::Clients,
        "",
        "Web servers that may connect over TCP; needed for addresses beyond this machine",
    ),
    key(
        "mount",
        Kind::Mount,
        "",
        "URL path at which the web server mounts this, `/` for the root",
    ),
    key(
        "app",
        Kind::Text,
        "",
        "The application that answers everything here",
    ),
    key(
        "tenant",
        Kind::Text,
        "",
        "The tenant whose applications and document roots alone answer here",
    ),
    key(
        "choose_by_param",
        Kind::Flag,
        "false",
        "Whether the web server may choose among the applications here by the param FCGI_WASM_APP",
    ),
    key(
        "max_connections",
        Kind::Count,
        "4096",
        "Connections at a time; more wait to be accepted",
    ),
    key(
        "idle_timeout",
        Kind::Time,
        "5m",
        "How long a connection may stay open without a request",
    ),
    key(
        "multiplex",
        Kind::Flag,
        "true",
        "Whether web servers that ask are told to send several requests at a time on a connection",
    ),
    key(
        "hang_up_when_broken",
        Kind::Flag,
        "false",
        "Whether an answer that breaks off ends with its connection, so that clients see it",
    ),
];

const TENANT: &[Key] = &[key(
    "user",
    Kind::Text,
    "",
    "The tenant's user, by name or number, to whom files in its document roots may belong",
)];

const APP: &[Key] = &[
    key("file", Kind::Path, "", "The component or module"),
    key(
        "tenant",
        Kind::Text,
        "",
        "Who it belongs to; unless set, a tenant of its own name with the budget of its own",
    ),
    key(
        "routes",
        Kind::Texts,
        "",
        "What it answers: `shop.example/`, `shop.example/admin` or `/admin`; the longest path wins",
    ),
    key(
        "preload",
        Kind::Flag,
        "false",
        "Whether it is loaded at the start and stays so, instead of at its first request",
    ),
];

const DOCUMENTS: &[Key] = &[
    key(
        "root",
        Kind::Path,
        "",
        "The folder, by the path that the web server has for it too",
    ),
    key(
        "tenant",
        Kind::Text,
        "",
        "Who its files belong to; unless set, a tenant of its own name",
    ),
    key(
        "owner",
        Kind::Text,
        "",
        "A user to whom its files and folders may belong, beside root, this process's and the tenant's",
    ),
];
