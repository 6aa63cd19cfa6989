//! A web server from the distribution's package, run in a folder of its own,
//! on a port of its own, until it is dropped.

use std::fs::{self, File, OpenOptions};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use super::http_client::Client;
use super::{PATIENCE, Skip};

/// How often a server is started that ends at once: between choosing a port
/// and taking it, somebody else may.
const ATTEMPTS: u32 = 3;

/// Where tests listen: below the ports that the system gives to whoever connects.
const PORTS: Range<u16> = 10_000..32_000;

/// How far apart those of two runs at a time begin: more than a run needs.
const PORTS_OF_A_RUN: u32 = 1009;

/// A running web server.
pub(crate) struct Daemon {
    child: Child,
    folder: TempDir,
    port: u16,
}

impl Daemon {
    /// Starts a program, and waits until it `listens`.
    ///
    /// In its arguments and its configuration `@FOLDER@` stands for its folder
    /// and `@PORT@` for a free port; the configuration is in
    /// `@FOLDER@/configuration`. What it logs is to go to
    /// `@FOLDER@/error.log`, where its standard output and error go too.
    pub(crate) fn start(
        program: &str,
        arguments: &[&str],
        configuration: &str,
        listens: impl Fn(&Self) -> bool,
    ) -> Result<Self, Skip> {
        for _ in 0..ATTEMPTS {
            let mut daemon = Self::spawn(program, arguments, configuration)?;
            let deadline = Instant::now() + PATIENCE;
            while daemon.is_running() {
                if listens(&daemon) {
                    return Ok(daemon);
                }
                let log = daemon.error_log();
                assert!(Instant::now() < deadline, "{program} never listens: {log}");
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            let log = daemon.error_log();
            let is_taken = log.contains("in use") || log.contains("could not bind");
            assert!(is_taken, "{program} ended at once: {log}\n{configuration}");
        }
        panic!("{program} got no port in {ATTEMPTS} attempts");
    }

    fn spawn(program: &str, arguments: &[&str], configuration: &str) -> Result<Self, Skip> {
        let folder = open_folder();
        let port = free_port();
        let settle = |text: &str| {
            text.replace("@FOLDER@", &folder.path().display().to_string())
                .replace("@PORT@", &port.to_string())
        };
        fs::create_dir(folder.path().join("files")).expect("a folder");
        let file = folder.path().join("configuration");
        fs::write(file, settle(configuration)).expect("written");
        let log = error_log(folder.path());
        let spawned = Command::new(program)
            .args(arguments.iter().map(|argument| settle(argument)))
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .process_group(0)
            .spawn();
        let child = spawned.map_err(|error| Skip(format!("no {program}: {error}")))?;
        Ok(Self {
            child,
            folder,
            port,
        })
    }

    pub(crate) fn connect(&self) -> Client<TcpStream> {
        Client::connect_to(self.address())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// Whether its port takes connections.
    pub(crate) fn has_port(&self) -> bool {
        TcpStream::connect(self.address()).is_ok()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn error_log(&self) -> String {
        let log = fs::read(self.path("error.log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Kills it and all that it started without a chance to say goodbye.
    pub(crate) fn kill(&mut self) {
        // All at once: a master alone would start new workers.
        let group = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let _ = kill_process_group(group.expect("a process"), Signal::KILL);
        let _ = self.child.wait();
    }

    fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("waited").is_none()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The user as whom a web server runs that root starts and that then gives its
/// rights up.
pub(crate) fn unprivileged() -> Option<&'static str> {
    rustix::process::geteuid().is_root().then_some("www-data")
}

/// A folder for it too, since web servers that root starts become somebody else.
pub(crate) fn open_folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let open = fs::Permissions::from_mode(0o777);
    fs::set_permissions(folder.path(), open).expect("opened to all");
    folder
}

/// A port that nobody listens on, and that no other test is given. One that the
/// system chooses it gives to the next as well until somebody listens there, and
/// HAProxy and Caddy then do so together.
pub(crate) fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    loop {
        let own = std::process::id().wrapping_mul(PORTS_OF_A_RUN);
        let number = own.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + u16::try_from(number % PORTS.len() as u32).expect("a port");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn error_log(folder: &Path) -> File {
    let log = folder.join("error.log");
    let opened = OpenOptions::new().create(true).append(true).open(&log);
    let open = fs::Permissions::from_mode(0o666);
    fs::set_permissions(log, open).expect("opened to all");
    opened.expect("a log")
}
