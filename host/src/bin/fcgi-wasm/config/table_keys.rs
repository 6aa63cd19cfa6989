//! The keys of the tables that there are several of, beside limits and the like.

use super::keys::{Key, key};
use super::values::Kind;

pub(super) const SOCKET: &[Key] = &[
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

pub(super) const TENANT: &[Key] = &[
    key(
        "user",
        Kind::Text,
        "",
        "The tenant's user, by name or number, to whom files in its document roots may belong",
    ),
    key(
        "app_log",
        Kind::Output,
        "",
        "What its applications say, and why their requests fail, goes there, up to its `log_rate`",
    ),
];

pub(super) const APP: &[Key] = &[
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

pub(super) const DOCUMENTS: &[Key] = &[
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
