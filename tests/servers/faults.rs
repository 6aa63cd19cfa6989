//! What goes wrong, and where it can be read.

use super::setup::{Behind, Server};
use crate::support::{Outcome, wait_until};

/// Waits until the operator can read this: in the web server's own error log,
/// or where that keeps silent, in ours.
fn wait_for_cause(server: &Server, behind: &Behind, cause: &str) {
    wait_until(&format!("{cause:?} is logged"), || {
        match server.logs_errors {
            true => behind.daemon.error_log().contains(cause),
            false => behind.log().contains(cause),
        }
    });
}

pub(super) fn pages(server: &'static Server) -> Outcome {
    let behind = server.root("naughty", &[])?;
    for (path, status, cause) in [
        ("/trap", 502, "unreachable"),
        ("/exit/3", 502, "exited with status 1"),
        ("/fail", 500, "disk full, as asked"),
        ("/log/3", 200, "line 2 to standard error"),
    ] {
        let reply = behind.connect().get(path);
        assert_eq!(reply.head.status, status, "{}: {path}", server.name);
        wait_for_cause(server, &behind, cause);
        assert_eq!(behind.connect().get("/hello").text(), "hello\n");
    }
    if !server.logs_errors {
        let log = behind.daemon.error_log();
        assert!(!log.contains("as asked"), "it does log: {log}");
    }
    Ok(())
}

pub(super) fn timeout(server: &'static Server) -> Outcome {
    let behind = server.root("naughty", &["--timeout", "200ms"])?;
    // One that waits, and one that computes.
    for path in ["/sleep", "/spin"] {
        let reply = behind.connect().get(path);
        assert_eq!(reply.head.status, 504, "{}: {path}", server.name);
    }
    wait_for_cause(server, &behind, "longer than 200ms (--timeout)");
    Ok(())
}
