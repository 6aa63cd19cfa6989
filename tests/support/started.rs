//! Programs that others started: a process manager, and what it starts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;

use super::guest_build::target_folder;
use super::web_server::{Answer, Peer};
use super::{Skip, wait_until};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_fcgi-wasm");

/// A manager and its folder, with the socket `s` and the log `log` in it. When
/// this is dropped, every process ends that has the folder in its command line.
pub(crate) struct Started {
    manager: Option<Child>,
    folder: TempDir,
}

impl Started {
    /// Nothing yet, but a folder.
    pub(crate) fn nothing() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self {
            manager: None,
            folder,
        }
    }

    /// Starts a manager that stays, in a process group of its own.
    pub(crate) fn start(&mut self, mut command: Command) -> Result<(), Skip> {
        use std::os::unix::process::CommandExt;
        command.process_group(0);
        self.manager = Some(spawn(&mut command)?);
        Ok(())
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("s")
    }

    #[track_caller]
    pub(crate) fn ask(&self, request: &[u8]) -> Answer {
        Peer::connect(&self.socket()).ask(1, request)
    }

    pub(crate) fn log(&self) -> String {
        let log = fs::read(self.path("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    #[track_caller]
    pub(crate) fn wait_for_log(&self, text: &str) {
        wait_until(&format!("{text:?} is logged"), || self.log().contains(text));
    }

    /// The servers that run now.
    pub(crate) fn servers(&self) -> Vec<Pid> {
        let is_server = |pid: &Pid| {
            let program = fs::read_link(kernels_view(*pid).join("exe"));
            program.is_ok_and(|program| program == Path::new(PROGRAM))
        };
        self.processes().into_iter().filter(is_server).collect()
    }

    /// Waits until so many servers run.
    #[track_caller]
    pub(crate) fn wait_for_servers(&self, count: usize) {
        wait_until(&format!("{count} servers run"), || {
            self.servers().len() == count
        });
    }

    /// Sends a signal to the manager, or to all of its process group.
    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal, to_all: bool) {
        let manager = self.manager.as_ref().expect("a manager");
        let pid = i32::try_from(manager.id()).ok().and_then(Pid::from_raw);
        let pid = pid.expect("a process");
        match to_all {
            true => kill_process_group(pid, signal),
            false => kill_process(pid, signal),
        }
        .expect("signalled");
    }

    /// Waits for the manager's end, and says whether it was a success.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> bool {
        let manager = self.manager.as_mut().expect("a manager");
        let mut status = None;
        wait_until("the manager ends", || {
            status = manager.try_wait().expect("waited");
            status.is_some()
        });
        status.is_some_and(|status| status.success())
    }

    fn processes(&self) -> Vec<Pid> {
        let folder = self.folder.path().to_string_lossy().into_owned();
        let all = fs::read_dir("/proc").expect("processes").flatten();
        let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let names_it = |pid: &Pid| {
            let line = fs::read(kernels_view(*pid).join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(&folder)
        };
        pids.filter_map(Pid::from_raw).filter(names_it).collect()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // The manager first, or it would start new ones.
        if let Some(mut manager) = self.manager.take() {
            let _ = manager.kill();
            let _ = manager.wait();
        }
        for pid in self.processes() {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// Where the kernel tells of a process.
pub(crate) fn kernels_view(pid: Pid) -> PathBuf {
    PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()))
}

/// A command with the cache that all tests share, and nothing on its standard
/// input and output.
pub(crate) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("XDG_CACHE_HOME", cache());
    command.env_remove("FCGI_WASM_LOG");
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// The folder that is XDG_CACHE_HOME to the tests.
pub(crate) fn cache() -> PathBuf {
    target_folder().join("test-cache")
}

/// Starts a command, if the program is there.
pub(crate) fn spawn(command: &mut Command) -> Result<Child, Skip> {
    let program = command.get_program().to_string_lossy().into_owned();
    command
        .spawn()
        .map_err(|error| Skip(format!("{program} can not be started: {error}")))
}

/// Runs a command to its end, which has to be a good one; what it printed.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> Result<String, Skip> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = spawn(command)?.wait_with_output().expect("ended");
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed).into_owned();
    assert!(output.status.success(), "{command:?}: {printed}");
    Ok(printed)
}
