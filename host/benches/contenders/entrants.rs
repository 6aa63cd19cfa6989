//! Who takes part: our own server in all its worlds, and what a user would take
//! instead, as far as it is installed.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use crate::peer::Place;
use crate::process::{Process, installed};
use crate::question::Question;

/// How many processes a server has that serves one connection with each: more
/// than nginx keeps connections and we have beside them.
const WORKERS: usize = 64;

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

    fn at(name: &'static str, socket: PathBuf, process: Process) -> Self {
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

/// Starts all of them, with their files in this folder.
pub(crate) fn start(folder: &Path) -> Entrants {
    type Start = fn(&'static str, &Path) -> Result<Contender, String>;
    let all: &[(&'static str, Start)] = &[
        (CEILING, static_file),
        (LIMIT, |name, folder| {
            let socket = folder.join("socket");
            let program = std::env::current_exe().map_err(|error| error.to_string())?;
            let process = listen(Command::new(program).arg("serve").arg(&socket), folder)?;
            Ok(Contender::ours(name, socket, process))
        }),
        ("native contract", |name, folder| {
            Ok(Contender {
                answer: "Hello from /hello\nGET /hello:  + /hello\n",
                ..smallest(name, "hello", folder)?
            })
        }),
        ("wasi:http 0.2", |name, folder| {
            smallest(name, "hello_http", folder)
        }),
        ("wasi:http 0.3", |name, folder| {
            smallest(name, "hello_http3", folder)
        }),
        ("CGI program", |name, folder| {
            smallest(name, "hello_cgi", folder)
        }),
        ("native contract, the tests' guest", |name, folder| {
            guest(name, "naughty", folder)
        }),
        ("wasi:http 0.2, the tests' guest", |name, folder| {
            guest(name, "naughty_http", folder)
        }),
        ("wasi:http 0.3, the tests' guest", |name, folder| {
            guest(name, "naughty_http3", folder)
        }),
        ("CGI program, the tests' guest", |name, folder| {
            guest(name, "naughty_cgi", folder)
        }),
        ("php-fpm", php_fpm),
        ("Go net/http/fcgi", go),
        ("fcgiwrap, a C program", fcgiwrap),
        ("wasmtime serve, 0.2", |name, folder| {
            wasmtime(name, "hello_http", folder)
        }),
        ("wasmtime serve, 0.3", |name, folder| {
            wasmtime(name, "hello_http3", folder)
        }),
    ];
    let (mut up, mut out) = (Vec::new(), Vec::new());
    for (index, (name, start)) in all.iter().enumerate() {
        let folder = folder.join(index.to_string());
        let made = fs::create_dir(&folder).map_err(|error| error.to_string());
        match made.and_then(|()| start(name, &folder)) {
            Ok(contender) => up.push(contender),
            Err(reason) => out.push((*name, reason)),
        }
    }
    (up, out)
}

/// Starts one that makes a socket of that name in its folder.
fn listen(command: &Command, folder: &Path) -> Result<Process, String> {
    let mut process = Process::start(command, folder)?;
    let socket = folder.join("socket");
    process.wait(|| UnixStream::connect(&socket).is_ok())?;
    Ok(process)
}

fn write(path: &Path, content: &str) -> Result<(), String> {
    fs::write(path, content).map_err(|error| format!("{}: {error}", path.display()))
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target")
}

/// The guest of this name, as `make bench` builds it.
pub(crate) fn guest_file(name: &str) -> Result<PathBuf, String> {
    let file = target().join(format!("wasm32-wasip2/guest/{name}.wasm"));
    match file.is_file() {
        true => Ok(file),
        false => Err(format!(
            "the guest {name} is not built: `make bench` does it"
        )),
    }
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

fn php_fpm(name: &'static str, folder: &Path) -> Result<Contender, String> {
    let program = installed(&["php-fpm8.2", "php-fpm", "php-fpm8.4"]);
    let program = program.ok_or("php-fpm is not installed")?;
    let script = folder.join("hello.php");
    write(
        &script,
        "<?php header('Content-Type: text/plain'); echo \"hello\\n\";\n",
    )?;
    let socket = folder.join("socket");
    let configuration = folder.join("php-fpm.conf");
    let workers = WORKERS;
    let user = match rustix::process::geteuid().is_root() {
        true => "user = root\ngroup = root\n",
        false => "",
    };
    let lines = format!(
        "[global]\ndaemonize = no\npid = {folder}/pid\nerror_log = {folder}/error.log\n\
         [www]\n{user}listen = {socket}\npm = static\npm.max_children = {workers}\n\
         pm.max_requests = 0\n",
        folder = folder.display(),
        socket = socket.display(),
    );
    write(&configuration, &lines)?;
    let mut command = Command::new(program);
    command
        .arg("--nodaemonize")
        .arg("--fpm-config")
        .arg(configuration);
    if rustix::process::geteuid().is_root() {
        command.arg("--allow-to-run-as-root");
    }
    let process = listen(&command, folder)?;
    Ok(Contender {
        extra: vec![("SCRIPT_FILENAME", text(&script))],
        ..Contender::at(name, socket, process)
    })
}

const GO: &str = r#"package main

import (
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"os"
)

func main() {
	listener, err := net.Listen("unix", os.Args[1])
	if err != nil {
		panic(err)
	}
	hello := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		io.WriteString(w, "hello\n")
	}
	panic(fcgi.Serve(listener, http.HandlerFunc(hello)))
}
"#;

fn go(name: &'static str, folder: &Path) -> Result<Contender, String> {
    // The Go that the tests install.
    let tools = fs::read_dir(target().join("tools")).into_iter().flatten();
    let mut kept = tools.flatten().map(|tool| tool.path().join("bin/go"));
    let program = installed(&["go"]).or_else(|| kept.find(|go| go.is_file()));
    let program = program.ok_or("Go is not installed")?;
    write(&folder.join("main.go"), GO)?;
    let binary = folder.join("hello");
    let mut build = Command::new(program);
    build
        .args(["build", "-o"])
        .arg(&binary)
        .arg("main.go")
        .current_dir(folder);
    build
        .env("CGO_ENABLED", "0")
        .env("GOCACHE", target().join("bench/go-cache"));
    run(&mut build)?;
    let socket = folder.join("socket");
    let process = listen(Command::new(binary).arg(&socket), folder)?;
    Ok(Contender {
        multiplexes: true,
        connections_max: usize::MAX,
        ..Contender::at(name, socket, process)
    })
}

const C: &str = r#"#include <stdio.h>

int main(void) {
    fputs("Content-Type: text/plain\r\n\r\nhello\n", stdout);
    return 0;
}
"#;

fn fcgiwrap(name: &'static str, folder: &Path) -> Result<Contender, String> {
    let program = installed(&["fcgiwrap"]).ok_or("fcgiwrap is not installed")?;
    let compiler = installed(&["cc", "gcc", "clang"]).ok_or("there is no C compiler")?;
    write(&folder.join("hello.c"), C)?;
    let binary = folder.join("hello");
    run(Command::new(compiler)
        .arg("-O2")
        .arg("-o")
        .arg(&binary)
        .arg(folder.join("hello.c")))?;
    let is_runnable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&binary, is_runnable).map_err(|error| error.to_string())?;
    let socket = folder.join("socket");
    let mut command = Command::new(program);
    command.arg("-c").arg(WORKERS.to_string());
    command.arg("-s").arg(format!("unix:{}", socket.display()));
    let process = listen(&command, folder)?;
    Ok(Contender {
        extra: vec![("SCRIPT_FILENAME", text(&binary))],
        ..Contender::at(name, socket, process)
    })
}

fn wasmtime(name: &'static str, guest: &str, folder: &Path) -> Result<Contender, String> {
    let program = installed(&["wasmtime"]).ok_or("wasmtime is not installed")?;
    let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let address = free.map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.args([
        "serve",
        "-Scli",
        "-Sconfig",
        "-Wunknown-imports-trap=y",
        "--addr",
    ]);
    command.arg(address.to_string()).arg(guest_file(guest)?);
    let mut process = Process::start(&command, folder)?;
    process.wait(|| TcpStream::connect(address).is_ok())?;
    Ok(Contender {
        backend: Backend::Http(address),
        connections_max: usize::MAX,
        ..Contender::at(name, PathBuf::new(), process)
    })
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let words = String::from_utf8_lossy(&output.stderr);
            Err(words.lines().last().unwrap_or_default().to_owned())
        }
    }
}
