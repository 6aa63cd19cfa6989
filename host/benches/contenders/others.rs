//! What a user would take instead, as far as it is installed.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::entrants::{Backend, Contender, WORKERS, listen, text, write};
use crate::guest_build::target_folder;
use crate::guests::guest_file;
use crate::process::{Process, installed};

/// How many requests an instance of 0.3 answers that wasmtime was told nothing
/// of.
pub(crate) const REUSES: usize = 128;

pub(crate) fn php_fpm(name: &'static str, folder: &Path) -> Result<Contender, String> {
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

pub(crate) fn go(name: &'static str, folder: &Path) -> Result<Contender, String> {
    // The Go that the tests install.
    let tools = fs::read_dir(target_folder().join("tools"))
        .into_iter()
        .flatten();
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
        .env("GOCACHE", target_folder().join("bench/go-cache"));
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

pub(crate) fn fcgiwrap(name: &'static str, folder: &Path) -> Result<Contender, String> {
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

/// With so many requests to an instance, where its own defaults are one for 0.2
/// and [`REUSES`] for 0.3.
pub(crate) fn wasmtime(
    name: &'static str,
    guest: &str,
    requests: usize,
    folder: &Path,
) -> Result<Contender, String> {
    let program = installed(&["wasmtime"]).ok_or("wasmtime is not installed")?;
    let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let address = free.map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.args(["serve", "-Scli", "-Wunknown-imports-trap=y"]);
    command.args(["--max-instance-reuse-count", &requests.to_string()]);
    command.arg("--addr").arg(address.to_string());
    command.arg(guest_file(guest)?);
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
