//! A contender's processes: started, waited for, charged for their processor
//! time, and gone at the end.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// How long one may take until it listens: compiling a component for the first
/// time takes seconds.
const START_MAX: Duration = Duration::from_secs(60);

/// How long one may take to stop when it is asked to.
const STOP_MAX: Duration = Duration::from_secs(2);

/// In what /proc/PID/stat counts: Linux's USER_HZ, which is the same on all
/// machines that this runs on (proc_pid_stat(5)).
const TICKS_PER_SECOND: u64 = 100;

/// A process that leads a group of its own. All of it ends when this is dropped.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program, whose words go to a file in this folder. It ends with
    /// this process at the latest, also if that is killed.
    pub(crate) fn start(asked: &Command, folder: &Path) -> Result<Self, String> {
        let program = asked.get_program();
        let this = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(this);
        command.arg("child").arg(program).args(asked.get_args());
        let program = Path::new(program).file_name().unwrap_or_default();
        let log = folder.join(format!("{}.log", program.to_string_lossy()));
        let told = |error| format!("{} can not be started: {error}", program.display());
        let file = File::create(&log).map_err(told)?;
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(file.try_clone().map_err(told)?)
            .stderr(file)
            .spawn()
            .map_err(told)?;
        Ok(Self { child, log })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it is ready.
    ///
    /// # Errors
    ///
    /// If it ends before, or takes too long: with its last words.
    pub(crate) fn wait(&mut self, is_ready: impl Fn() -> bool) -> Result<(), String> {
        let began = Instant::now();
        while !is_ready() {
            let ended = self.child.try_wait().map_err(|error| error.to_string())?;
            if ended.is_some() || began.elapsed() > START_MAX {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                let words = log.lines().last().unwrap_or("it said nothing");
                return Err(format!("did not come up: {words}"));
            }
            sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// The processor time of all of its processes and threads so far, and of
    /// those that have ended.
    pub(crate) fn processor_time(&self) -> Duration {
        let group = self.child.id().to_string();
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let ticks = processes.filter_map(|process| {
            let stat = fs::read_to_string(process.path().join("stat")).ok()?;
            // The name, in brackets, may have anything in it.
            let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
            if *fields.get(2)? != group {
                return None;
            }
            // utime, stime, and both of the children that were waited for.
            let times = fields.get(11..15)?.iter();
            Some(
                times
                    .filter_map(|time| time.parse::<u64>().ok())
                    .sum::<u64>(),
            )
        });
        Duration::from_millis(ticks.sum::<u64>() * 1000 / TICKS_PER_SECOND)
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = Pid::from_raw(self.child.id() as i32) {
            // It may be gone already.
            let _ = kill_process_group(group, signal);
        }
    }

    /// Ends it like Ctrl-C does, and waits for its end.
    pub(crate) fn interrupt(mut self) {
        self.signal(Signal::INT);
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
        let began = Instant::now();
        while let Ok(None) = self.child.try_wait() {
            if began.elapsed() > STOP_MAX {
                break;
            }
            sleep(Duration::from_millis(10));
        }
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Becomes a program that is told to end when the process that started this one
/// ends.
pub(crate) fn become_child(program: &str, arguments: &[&str]) -> Result<(), String> {
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM))
        .map_err(|error| error.to_string())?;
    Err(Command::new(program).args(arguments).exec().to_string())
}

/// The first of these programs that is installed: a name is looked for in PATH
/// and where Debian keeps servers.
pub(crate) fn installed(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .collect();
    let places = names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    places.into_iter().find(|place| place.is_file())
}
