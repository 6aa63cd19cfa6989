//! The keys that say what applications may take and reach.

use super::keys::{Key, key};
use super::values::Kind;

/// What each request may take.
pub(super) const LIMITS: &[Key] = &[
    key(
        "timeout",
        Kind::Time,
        "60s",
        "Time to the end of the answer, without waiting for the client; over it the visitor gets a 504",
    ),
    key(
        "head_time",
        Kind::Time,
        "",
        "Time until the answer begins to leave; over it the visitor gets a 504; no limit of its own unless set",
    ),
    key(
        "max_duration",
        Kind::Time,
        "1h",
        "Time altogether, however slow the client is",
    ),
    key(
        "after_answer",
        Kind::Time,
        "30s",
        "Time to work on after the answer is complete",
    ),
    key(
        "cpu_time",
        Kind::Time,
        "10s",
        "Processor time; over it the visitor gets a 504",
    ),
    key(
        "memory",
        Kind::Size,
        "128MiB",
        "Memory of its instance; over it the application usually fails, a 502",
    ),
    key(
        "max_body",
        Kind::Bytes,
        "4GiB",
        "Size of its body; over it the visitor gets a 413",
    ),
    key(
        "max_head",
        Kind::Bytes,
        "64KiB",
        "Size of its answer's header fields, 64 KiB at most",
    ),
    key(
        "max_answer",
        Kind::Bytes,
        "",
        "Size of its answer's body; no limit unless set",
    ),
    key(
        "outbound",
        Kind::Count,
        "100",
        "HTTP requests that it may send to other servers",
    ),
    key(
        "log",
        Kind::Bytes,
        "64KiB",
        "What it may write to standard output and error",
    ),
    key(
        "slow",
        Kind::Time,
        "",
        "From which time on the log is told once where a request is; never unless set",
    ),
    key(
        "allow_server_commands",
        Kind::Flag,
        "false",
        "Whether answers may command the web server (X-Accel-Redirect, X-Sendfile and the like)",
    ),
    key(
        "send_file",
        Kind::SentFolders,
        "",
        "Folders of which the web server sends files in its place: `GUEST=WEB_SERVER`",
    ),
    key(
        "send_file_by",
        Kind::FileSender,
        "",
        "Which web server's way to ask it for a file; unless set, what it calls itself",
    ),
    key(
        "authorizer",
        Kind::Flag,
        "false",
        "Whether its plain 200 decides that requests pass, if it was not made as an authorizer",
    ),
    key(
        "interface",
        Kind::Text,
        "",
        "Which interface to call an application by that exports several: native, http@0.3, http@0.2, cgi@0.3, cgi@0.2 or cgi@0.1",
    ),
];

/// What applications may reach.
pub(super) const GRANTS: &[Key] = &[
    key(
        "dir",
        Kind::Folders,
        "",
        "Folders: `HOST::GUEST`, `HOST::GUEST:ro` to read only",
    ),
    key("env", Kind::Pairs, "", "Environment variables"),
    key(
        "setting",
        Kind::Pairs,
        "",
        "Settings, for applications that read wasi:config",
    ),
    key(
        "secret_env",
        Kind::Files,
        "",
        "Environment variables with what is in a file, which nobody else may read",
    ),
    key(
        "secret_setting",
        Kind::Files,
        "",
        "Settings with what is in a file, which nobody else may read",
    ),
    key(
        "allow_host",
        Kind::Hosts,
        "",
        "Hosts to send HTTP requests to: a name, *.name or *, with a port if wanted",
    ),
    key(
        "allow_private_hosts",
        Kind::Flag,
        "false",
        "Whether those hosts may have addresses of this machine, its public ones included, and of private networks",
    ),
    key(
        "allow_net",
        Kind::Nets,
        "",
        "Addresses for TCP and UDP sockets, like 127.0.0.1:5432 or 10.0.0.0/8",
    ),
];

/// What the requests of an application, or of a tenant, may take together.
pub(super) const BUDGET: &[Key] = &[
    key("max_concurrent", Kind::Count, "128", "Requests at a time"),
    key(
        "queue",
        Kind::Number,
        "1024",
        "Requests that wait for their turn; more get a 503 at once",
    ),
    key(
        "queue_wait",
        Kind::Time,
        "10s",
        "How long one of them waits before it gets a 503",
    ),
    key(
        "cpu_share",
        Kind::Share,
        "",
        "Processors over time, like 0.5; no limit unless set",
    ),
    key(
        "cpu_burst",
        Kind::Time,
        "10s",
        "Processor time that may be saved up of that share",
    ),
    key(
        "memory_total",
        Kind::Size,
        "1GiB",
        "Memory of all live instances together",
    ),
    key(
        "outbound_concurrent",
        Kind::Number,
        "64",
        "HTTP requests to other servers at a time",
    ),
    key(
        "descriptors",
        Kind::Number,
        "1024",
        "Files and sockets that all instances together have open; an instance that opens more is ended, a 503",
    ),
    key(
        "log_rate",
        Kind::Bytes,
        "64KiB",
        "What may be written to the log a second, over time",
    ),
    key(
        "log_burst",
        Kind::Bytes,
        "4MiB",
        "What may be saved up of that",
    ),
];
