//! The program, as an operator starts it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::daemon::open_folder;
use super::guest_build::target_folder;
use super::wait_until;
use super::web_server::{Answer, Peer};

/// A command line of the program, with a cache that all tests share.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fcgi-wasm"));
    command.args(arguments);
    command.env("XDG_CACHE_HOME", target_folder().join("test-cache"));
    command.env_remove("FCGI_WASM_LOG");
    command.stdin(Stdio::null());
    command
}

/// Runs the program to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    command(arguments).output().expect("started")
}

/// A server that runs until it is dropped.
pub(crate) struct Program {
    child: Child,
    folder: TempDir,
}

impl Program {
    /// Serves an application on a unix socket, with these further arguments.
    #[track_caller]
    pub(crate) fn serve(app: &Path, arguments: &[&str]) -> Self {
        let folder = open_folder();
        let socket = folder.path().join("s");
        let mut serve = command(&["serve", "-v"]);
        // For web servers that run as somebody else.
        serve.args(["--socket-mode", "0666"]);
        serve.arg(app).arg("--socket").arg(&socket).args(arguments);
        let program = Self::start(serve, folder);
        wait_until("the server listens", || socket.exists());
        program
    }

    /// Starts a command whose log goes to a file in this folder.
    pub(crate) fn start(mut command: Command, folder: TempDir) -> Self {
        let log = File::create(folder.path().join("log")).expect("a log");
        command.stderr(log);
        let child = command.spawn().expect("started");
        Self { child, folder }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("s")
    }

    pub(crate) fn connect(&self) -> Peer {
        Peer::connect(&self.socket())
    }

    /// One request on a connection of its own.
    #[track_caller]
    pub(crate) fn ask(&self, request: &[u8]) -> Answer {
        self.connect().ask(1, request)
    }

    /// What the server has logged so far.
    pub(crate) fn log(&self) -> String {
        let log = std::fs::read(self.folder.path().join("log"));
        String::from_utf8_lossy(&log.expect("a log")).into_owned()
    }

    /// Waits until the log contains this.
    #[track_caller]
    pub(crate) fn wait_for_log(&self, text: &str) {
        wait_until(&format!("{text:?} is logged"), || self.log().contains(text));
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(id.expect("a process"), signal).expect("signalled");
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the program ends", || {
            status = self.child.try_wait().expect("waited");
            status.is_some()
        });
        status.expect("ended")
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("waited").is_none()
    }

    /// The most memory it had resident so far, bytes.
    pub(crate) fn memory_peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()));
        let status = status.expect("running");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kib.expect("VmHWM") * 1024
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
