//! The keys of the process: how it serves, and what it writes and shows.

use super::keys::{Key, key};
use super::values::Kind;

pub(super) const SERVER: &[Key] = &[
    key(
        "cache",
        Kind::Path,
        "",
        "Folder for compiled code, this user's own; unless set, as `serve` without `--cache`",
    ),
    key(
        "cache_size",
        Kind::Bytes,
        "2GiB",
        "How much compiled code is kept; of the tenant that has most, what was unused for longest makes room",
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
        "Applications that are loaded at a time; of the tenant that has most, the one that was asked for least recently makes room",
    ),
    key(
        "loaded_size",
        Kind::Bytes,
        "8GiB",
        "What their code takes on the cache's disk, removed files included; of the tenant that has most, the one that was asked for least recently makes room",
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
        "3",
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

pub(super) const LOG: &[Key] = &[
    key(
        "level",
        Kind::Level,
        "info",
        "How much is logged; `-v` and `-q` go before it, FCGI_WASM_LOG before both",
    ),
    key(
        "file",
        Kind::Path,
        "",
        "The file that the log goes to, instead of standard error",
    ),
    key(
        "syslog",
        Kind::Path,
        "",
        "The socket of syslog that it goes to instead, such as /dev/log",
    ),
    key(
        "access_log",
        Kind::Output,
        "",
        "A line for each request goes there",
    ),
    key(
        "access_log_format",
        Kind::AccessLogFormat,
        "json",
        "How its lines look: json, combined, or words in braces",
    ),
    key(
        "app_log",
        Kind::Output,
        "",
        "What applications say, and why their requests fail, goes there too, unless their tenant has its own",
    ),
];

pub(super) const STATUS: &[Key] = &[
    key(
        "listen",
        Kind::Place,
        "",
        "Where the status and metrics are shown over HTTP, such as 127.0.0.1:9900",
    ),
    key(
        "clients",
        Kind::Clients,
        "",
        "Who may see it; needed for an address beyond this machine",
    ),
];
