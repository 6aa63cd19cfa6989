//! Compiling in a process of its own, because a compiler can not be interrupted,
//! and may crash.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, Signal};
use rustix::process::{
    getrlimit, pidfd_open, pidfd_send_signal, set_parent_process_death_signal, setrlimit,
};

use super::background::{give_way, is_background};

/// How much compiled code is taken from a compiler, bytes: it is held in memory
/// until it is written. CPython with Django has 60 MB; a component is compiled to
/// two to four times the size of its code, of which 96 MiB are compiled, and to
/// its data, of which 128 MiB are.
const ARTIFACT_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// How much of a compiler's complaints is taken, bytes.
const COMPLAINT_BYTES_MAX: u64 = 16 * 1024;

/// How a program in Rust exits that panicked: here, where no thread or no more
/// memory was to be had.
const PANICKED: i32 = 101;

/// A program that compiles one component in a process of its own, within limits
/// of time and memory. Its process calls
/// [`Engine::compile_for_parent`](super::Engine::compile_for_parent).
#[derive(Clone, Debug)]
pub struct Compiler {
    program: PathBuf,
    arguments: Vec<OsString>,
    time_max: Duration,
    memory_bytes_max: u64,
    artifact_bytes_max: u64,
}

impl Compiler {
    /// This program, with these arguments.
    pub fn new<A: Into<OsString>>(
        program: impl Into<PathBuf>,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            time_max: Duration::from_secs(300),
            memory_bytes_max: 4 * 1024 * 1024 * 1024,
            artifact_bytes_max: ARTIFACT_BYTES_MAX,
        }
    }

    /// How long it may take. 5 minutes unless set: on a small machine that is
    /// busy, a large interpreter takes one.
    #[must_use]
    pub fn time_max(mut self, time: Duration) -> Self {
        self.time_max = time;
        self
    }

    /// How much address space it may take, bytes. 4 GiB unless set; CPython
    /// takes 1.
    #[must_use]
    pub fn memory_max(mut self, bytes: u64) -> Self {
        self.memory_bytes_max = bytes;
        self
    }

    /// What the program makes of these bytes: what
    /// [`compile_for_parent`](super::Engine::compile_for_parent) wrote.
    pub(super) fn run(&self, is_pooled: bool, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let program = self.program.display();
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("the compiler {program} can not be started: {error}"))?;
        let (done, waits) = channel::<()>();
        let watched = pid_of(&child).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        let time_max = self.time_max;
        let watchdog = thread::spawn(move || {
            let is_late = waits.recv_timeout(time_max) == Err(RecvTimeoutError::Timeout);
            if is_late && let Some(process) = watched {
                // If it has ended meanwhile, so much the better.
                let _ = pidfd_send_signal(process, Signal::KILL);
            }
            is_late
        });
        let talked = self.talk(&mut child, is_pooled, bytes);
        let status = child.wait();
        drop(done);
        let is_late = watchdog.join().unwrap_or(false);
        let (artifact, complaint) = talked.map_err(|error| format!("the compiler: {error}"))?;
        let status = status.map_err(|error| format!("the compiler: {error}"))?;
        if artifact.len() as u64 > self.artifact_bytes_max {
            return Err(format!(
                "it is compiled to over {} bytes, which is more than is loaded",
                self.artifact_bytes_max
            ));
        }
        if status.success() {
            return Ok(artifact);
        }
        // The processor's limit sends the latter.
        let is_out_of_time = is_late || status.signal() == Some(Signal::XCPU.as_raw());
        let broke_off = status.signal().is_some() || status.code() == Some(PANICKED);
        Err(match broke_off {
            _ if is_out_of_time => format!("it takes longer than {time_max:?} to compile"),
            _ if status.signal() == Some(Signal::KILL.as_raw()) => {
                "the compiler was killed, which the system does when memory runs out".to_owned()
            }
            true => format!(
                "the compiler broke off ({status}), for instance because it needs more than {} \
                 bytes of memory: {complaint}",
                self.memory_bytes_max
            ),
            false => complaint,
        })
    }

    /// Sends the task, and takes the code and the last line of complaint.
    fn talk(
        &self,
        child: &mut Child,
        is_pooled: bool,
        bytes: &[u8],
    ) -> io::Result<(Vec<u8>, String)> {
        let task = Task {
            is_pooled,
            gives_way: is_background(),
            seconds: self.time_max.as_secs().max(1),
            memory_bytes: self.memory_bytes_max,
        };
        if let Some(mut input) = child.stdin.take() {
            // One that has ended takes nothing, and its status says why.
            let _ = input
                .write_all(&task.to_bytes())
                .and_then(|()| input.write_all(bytes));
        }
        // Beside the code: one that has more to say than a pipe takes would wait
        // for its reader, as this would wait for its end.
        let errors = child.stderr.take();
        let listener = thread::spawn(|| errors.map_or(Ok(Vec::new()), read_complaint));
        let mut artifact = Vec::new();
        if let Some(output) = child.stdout.take() {
            let most = self.artifact_bytes_max + 1;
            output.take(most).read_to_end(&mut artifact)?;
        }
        let complaint = listener.join().unwrap_or_else(|_| Ok(Vec::new()))?;
        let complaint = String::from_utf8_lossy(&complaint);
        let last = complaint.lines().last().unwrap_or("it gave no reason");
        Ok((artifact, last.to_owned()))
    }
}

/// The beginning of what a compiler complains of. The rest is read too, and
/// dropped, so that it can be written.
fn read_complaint(mut errors: ChildStderr) -> io::Result<Vec<u8>> {
    let mut complaint = Vec::new();
    errors
        .by_ref()
        .take(COMPLAINT_BYTES_MAX)
        .read_to_end(&mut complaint)?;
    io::copy(&mut errors, &mut io::sink())?;
    Ok(complaint)
}

fn pid_of(child: &Child) -> Option<Pid> {
    Pid::from_raw(i32::try_from(child.id()).ok()?)
}

/// What a compiler's process is told before the component.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) is_pooled: bool,
    /// Whether the thread that started the process did, so that it does by itself.
    gives_way: bool,
    seconds: u64,
    memory_bytes: u64,
}

impl Task {
    const BYTES: usize = 18;

    fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[0] = self.is_pooled.into();
        bytes[1] = self.gives_way.into();
        bytes[2..10].copy_from_slice(&self.seconds.to_le_bytes());
        bytes[10..].copy_from_slice(&self.memory_bytes.to_le_bytes());
        bytes
    }

    /// Reads it, and puts its limits into force for this process.
    pub(super) fn accept(input: &mut impl Read) -> io::Result<Self> {
        let mut bytes = [0; Self::BYTES];
        input.read_exact(&mut bytes)?;
        let number = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
        let task = Self {
            is_pooled: bytes[0] != 0,
            gives_way: bytes[1] != 0,
            seconds: number(&bytes[2..10]),
            memory_bytes: number(&bytes[10..]),
        };
        let limit = |most: u64, least: u64| Rlimit {
            current: Some(least),
            maximum: Some(most),
        };
        for (resource, most, least) in [
            (Resource::Cpu, task.seconds + 1, task.seconds),
            (Resource::As, task.memory_bytes, task.memory_bytes),
            // What it holds is a stranger's.
            (Resource::Core, 0, 0),
        ] {
            // Whoever started the server may have set less, which is not to be exceeded.
            let allowed = getrlimit(resource).maximum.unwrap_or(u64::MAX);
            setrlimit(resource, limit(most.min(allowed), least.min(allowed)))?;
        }
        // Where memory runs out it is this process that the system ends, and no other. If
        // it can not be marked so, its limits are what there is.
        let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
        // It is of no use without its parent.
        set_parent_process_death_signal(Some(Signal::KILL))?;
        if !task.gives_way {
            give_way();
        }
        Ok(task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_too_long_or_complains_is_told_of() {
        let compiler = |script: &str| Compiler::new("/bin/sh", ["-c", script]);
        let late = compiler("exec sleep 1000").time_max(Duration::from_millis(100));
        let late = late.run(true, b"x");
        assert!(late.expect_err("late").contains("longer than"));
        let wrong = compiler("echo first >&2; echo wrong >&2; exit 1").run(true, b"x");
        assert_eq!(wrong, Err("wrong".to_owned()));
        // More than a pipe takes, before the code ends.
        let long = "head -c 200000 /dev/zero | tr '\\0' x >&2; exit 1";
        let long = compiler(long).run(true, b"x");
        assert_eq!(long, Err("x".repeat(COMPLAINT_BYTES_MAX as usize)));
        let large = Compiler {
            artifact_bytes_max: 1000,
            ..compiler("head -c 200000 /dev/zero")
        };
        let large = large.run(true, b"x").expect_err("too large");
        assert!(large.contains("over 1000 bytes"), "{large}");
        for broken in ["kill -ABRT $$", "exit 101"] {
            let broken = compiler(broken).run(true, b"x").expect_err("broken");
            assert!(broken.contains("broke off"), "{broken}");
        }
    }
}
