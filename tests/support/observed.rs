//! A server of which everything is observed.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use super::guest_build::guest;
use super::http_client::{Client, Reply};
use super::metrics::Metrics;
use super::process::Program;
use super::web_server::*;
use super::{Skip, wait_until};

/// A server with an access log, an application's log and a status, all in one
/// folder.
pub(crate) struct Observed {
    pub(crate) program: Program,
    folder: TempDir,
}

impl Observed {
    pub(crate) fn serve(app: &str, arguments: &[&str]) -> Result<Self, Skip> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name| folder.path().join(name).display().to_string();
        let status = format!("unix:{}", path("status"));
        let (access, app_log) = (path("access"), path("app"));
        let mut all = vec!["--access-log", &access, "--app-log", &app_log];
        all.extend(["--status", &status]);
        all.extend(arguments);
        let program = Program::serve(&guest(app)?, &all);
        Ok(Self { program, folder })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The line of the access log about this path.
    pub(crate) fn record(&self, path: &str) -> Value {
        let find = || {
            let log = self.text("access");
            let read = |line: &str| serde_json::from_str::<Value>(line).ok();
            log.lines()
                .filter_map(read)
                .find(|line| line["path"] == path)
        };
        wait_until("the line is written", || find().is_some());
        find().expect("a line")
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        let status = self.path("status");
        wait_until("the status is there", || status.exists());
        Client::connect(&status).get(path)
    }

    pub(crate) fn status(&self) -> Value {
        serde_json::from_str(&self.get("/status.json").text()).expect("JSON")
    }

    pub(crate) fn metrics(&self) -> Metrics {
        Metrics::parse(&self.get("/metrics").text())
    }

    /// The running requests in this state.
    pub(crate) fn running(&self, state: &str) -> Vec<Value> {
        let status = self.status();
        let running = status["running"].as_array().expect("a list").clone();
        running
            .into_iter()
            .filter(|one| one["state"] == state)
            .collect()
    }

    /// Starts a request and leaves it.
    pub(crate) fn begin(&self, path: &str) -> Peer {
        let mut peer = self.program.connect();
        peer.send(&get(1, path, true));
        peer
    }
}
