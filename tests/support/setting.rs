//! The program before it is started.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::process::{Program, command};
use super::wait_until;

/// A program that serves on the socket `s` of its folder.
pub(crate) struct Setting {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) serve: Command,
}

pub(crate) fn setting(app: &Path, arguments: &[&str]) -> Setting {
    let folder = tempfile::tempdir().expect("a folder");
    let mut serve = command(arguments);
    serve.arg(app).arg("--socket").arg(folder.path().join("s"));
    Setting { folder, serve }
}

impl Setting {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn start(self) -> Program {
        let socket = self.path("s");
        let program = Program::start(self.serve, self.folder);
        wait_until("it listens", || socket.exists());
        program
    }
}

/// What it says when it can not start.
#[track_caller]
pub(crate) fn complaint(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}
