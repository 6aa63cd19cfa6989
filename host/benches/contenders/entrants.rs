//! Who takes part: our own server in all its worlds, and what a user would take
//! instead, as far as it is installed.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use crate::guests::guest_file;
use crate::others::{REUSES, fcgiwrap, go, php_fpm, wasmtime};
use crate::peer::Place;
use crate::process::Process;
use crate::question::Question;

/// How many processes a server has that serves one connection with each: more
/// than nginx keeps connections and we have beside them.
pub(crate) const WORKERS: usize = 64;

/// Our server with a handler in place of the guest: what others are compared to.
pub(crate) const LIMIT: &str = "handler without a guest";

/// The file that nginx serves by itself.
pub(crate) const CEILING: &str = "nginx, static file";

/// A server that is up.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) backend: Backend,
    /// What it says to `/hello`.
    pub(crate) answer: &'static str,
    /// Params that it needs beside the others.
    pub(crate) extra: Vec<(&'static str, String)>,
    /// Whether it can be asked several things at a time on a connection.
    pub(crate) multiplexes: bool,
    pub(crate) connections_max: usize,
    pub(crate) is_ours: bool,
    /// Whether it has long bodies, by their length in the path.
    pub(crate) has_bodies: bool,
    /// `None` if nginx does it itself.
    pub(crate) process: Option<Arc<Process>>,
}

/// How nginx gets at it.
pub(crate) enum Backend {
    FastCgi(PathBuf),
    Http(SocketAddr),
    Folder(PathBuf),
}

impl Contender {
    pub(crate) fn hello(&self) -> Question {
        self.with_extra(Question::hello(self.answer))
    }

    pub(crate) fn with_extra(&self, mut question: Question) -> Question {
        question.extra.extend(self.extra.iter().cloned());
        question
    }

    /// Where it listens itself.
    pub(crate) fn place(&self) -> Option<Place> {
        match &self.backend {
            Backend::FastCgi(path) => Some(Place::FastCgi(path.clone())),
            Backend::Http(address) => Some(Place::HttpTcp(*address)),
            Backend::Folder(_) => None,
        }
    }

    pub(crate) fn at(name: &'static str, socket: PathBuf, process: Process) -> Self {
        Self {
            name,
            backend: Backend::FastCgi(socket),
            answer: "hello\n",
            extra: Vec::new(),
            multiplexes: false,
            connections_max: WORKERS - 32,
            is_ours: false,
            has_bodies: false,
            process: Some(Arc::new(process)),
        }
    }

    fn ours(name: &'static str, socket: PathBuf, process: Process) -> Self {
        Self {
            multiplexes: true,
            is_ours: true,
            has_bodies: true,
            connections_max: usize::MAX,
            ..Self::at(name, socket, process)
        }
    }
}

/// Those that are up, and those that are left out, with the reason.
pub(crate) type Entrants = (Vec<Contender>, Vec<(&'static str, String)>);

/// How one is started.
enum Start {
    /// By our server, with a guest that only says hello, or one of the tests'.
    Smallest(&'static str),
    Guest(&'static str),
    /// By `wasmtime serve`, with so many requests to an instance.
    Wasmtime(&'static str, usize),
    By(fn(&'static str, &Path) -> Result<Contender, String>),
}
use Start::{By, Guest, Smallest, Wasmtime};

impl Start {
    fn start(&self, name: &'static str, folder: &Path) -> Result<Contender, String> {
        match *self {
            Smallest(of) => smallest(name, of, folder),
            Guest(of) => guest(name, of, folder),
            Wasmtime(of, requests) => wasmtime(name, of, requests, folder),
            By(start) => start(name, folder),
        }
    }
}

/// Starts all of them, with their files in this folder.
pub(crate) fn start(folder: &Path) -> Entrants {
    let all: &[(&'static str, Start)] = &[
        (CEILING, By(static_file)),
        (LIMIT, By(limit)),
        (
            "native contract",
            By(|name, folder| {
                Ok(Contender {
                    answer: "Hello from /hello\nGET /hello:  + /hello\n",
                    ..smallest(name, "hello", folder)?
                })
            }),
        ),
        ("wasi:http 0.2", Smallest("hello-http")),
        ("wasi:http 0.3", Smallest("hello-http3")),
        ("CGI program", Smallest("hello-cgi")),
        ("native contract, the tests' guest", Guest("naughty")),
        ("wasi:http 0.2, the tests' guest", Guest("naughty-http")),
        ("wasi:http 0.3, the tests' guest", Guest("naughty-http3")),
        ("CGI program, the tests' guest", Guest("naughty-cgi")),
        ("php-fpm", By(php_fpm)),
        ("Go net/http/fcgi", By(go)),
        ("fcgiwrap, a C program", By(fcgiwrap)),
        ("wasmtime serve, 0.2", Wasmtime("hello-http", 1)),
        (
            "wasmtime serve, 0.2, reusing",
            Wasmtime("hello-http", REUSES),
        ),
        ("wasmtime serve, 0.3", Wasmtime("hello-http3", 1)),
        (
            "wasmtime serve, 0.3, reusing",
            Wasmtime("hello-http3", REUSES),
        ),
    ];
    let (mut up, mut out) = (Vec::new(), Vec::new());
    for (index, (name, start)) in all.iter().enumerate() {
        let folder = folder.join(index.to_string());
        let made = fs::create_dir(&folder).map_err(|error| error.to_string());
        match made.and_then(|()| start.start(name, &folder)) {
            Ok(contender) => up.push(contender),
            Err(reason) => out.push((*name, reason)),
        }
    }
    (up, out)
}

/// Starts one that makes a socket of that name in its folder.
pub(crate) fn listen(command: &Command, folder: &Path) -> Result<Process, String> {
    let mut process = Process::start(command, folder)?;
    let socket = folder.join("socket");
    process.wait(|| UnixStream::connect(&socket).is_ok())?;
    Ok(process)
}

pub(crate) fn write(path: &Path, content: &str) -> Result<(), String> {
    fs::write(path, content).map_err(|error| format!("{}: {error}", path.display()))
}

pub(crate) fn text(path: &Path) -> String {
    path.display().to_string()
}

fn limit(name: &'static str, folder: &Path) -> Result<Contender, String> {
    let socket = folder.join("socket");
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let process = listen(Command::new(program).arg("serve").arg(&socket), folder)?;
    Ok(Contender::ours(name, socket, process))
}

fn static_file(name: &'static str, folder: &Path) -> Result<Contender, String> {
    write(&folder.join("hello"), "hello\n")?;
    Ok(Contender {
        name,
        backend: Backend::Folder(folder.to_owned()),
        answer: "hello\n",
        extra: Vec::new(),
        multiplexes: false,
        connections_max: usize::MAX,
        is_ours: false,
        has_bodies: false,
        process: None,
    })
}

/// One that does nothing but say hello: what a request costs at least.
fn smallest(name: &'static str, guest_name: &str, folder: &Path) -> Result<Contender, String> {
    Ok(Contender {
        has_bodies: false,
        ..guest(name, guest_name, folder)?
    })
}

/// One that has bodies too. The tests' guests can do much, and each import that
/// they could call costs each of their instances something.
fn guest(name: &'static str, guest: &str, folder: &Path) -> Result<Contender, String> {
    let socket = folder.join("socket");
    let mut command = Command::new(env!("CARGO_BIN_EXE_fcgi-wasm"));
    command.args(["--quiet", "serve"]).arg(guest_file(guest)?);
    command.arg("--socket").arg(&socket).arg("--no-cache");
    let process = listen(&command, folder)?;
    Ok(Contender::ours(name, socket, process))
}
