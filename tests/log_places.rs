//! Where the log goes: a file, syslog, the journal, or nowhere any more.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Stdio;

use rustix::process::Signal;

use crate::support::guest_build::guest;
use crate::support::process::{command, run};
use crate::support::setting::{complaint, setting};
use crate::support::web_server::*;
use crate::support::{Outcome, PATIENCE, wait_until};

tests![
    conformance_81_a_reader_of_the_log_that_is_gone_costs_lines_only,
    conformance_81_the_log_is_a_file_that_can_be_rotated,
    conformance_81_the_log_is_syslog,
    conformance_81_the_journal_gets_priorities,
];

fn conformance_81_a_reader_of_the_log_that_is_gone_costs_lines_only() -> Outcome {
    let app = guest("naughty")?;
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("s");
    let mut serve = command(&["serve", "-vv"]);
    serve.arg(&app).arg("--socket").arg(&socket);
    serve.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = serve.spawn().expect("started");
    drop((child.stdout.take(), child.stderr.take()));
    wait_until("it listens", || socket.exists());
    for path in ["/hello", "/trap", "/log/10", "/hello"] {
        let answer = Peer::connect(&socket).ask(1, &get(1, path, false));
        assert!(answer.status() == 200 || path == "/trap", "{path}");
    }
    let is_alive = child.try_wait().expect("waited").is_none();
    let _ = child.kill();
    let _ = child.wait();
    assert!(is_alive);
    Ok(())
}

fn conformance_81_the_log_is_a_file_that_can_be_rotated() -> Outcome {
    let mut setting = setting(&guest("naughty")?, &["serve"]);
    let (log, moved) = (setting.path("app.log"), setting.path("app.log.1"));
    setting.serve.arg("--log").arg(&log);
    let program = setting.start();
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    wait_until("it logs", || read(&log).contains("listening on"));
    assert_eq!(
        fs::metadata(&log).expect("a file").mode() & 0o777 & !0o640,
        0
    );
    fs::rename(&log, &moved).expect("renamed");
    program.ask(&get(1, "/trap", false));
    wait_until("the old file is still used", || {
        read(&moved).contains("the application crashed")
    });
    // As well as SIGHUP: multiwatch passes on this one.
    program.signal(Signal::USR2);
    wait_until("the file is opened anew", || {
        read(&log).contains("reloaded")
    });
    // With no place for a new file the old one is used on.
    fs::remove_file(&log).expect("removed");
    fs::create_dir(&log).expect("in the way");
    program.signal(Signal::HUP);
    assert_eq!(program.ask(&get(1, "/hello", false)).status(), 200);
    assert_eq!(program.log(), "", "nothing goes to standard error");
    // What keeps it from starting is there as well as on standard error.
    fs::remove_dir(&log).expect("removed");
    let log = log.display().to_string();
    let said = complaint(&run(&["serve", "/nonexistent.wasm", "--log", &log]));
    assert!(said.contains("nowhere to listen"), "{said}");
    assert!(read(Path::new(&log)).contains("nowhere to listen"));
    let wrong = format!("{log}/log");
    let said = complaint(&run(&["serve", "x.wasm", "--log", &wrong]));
    assert!(said.contains(&format!("cannot log to {wrong}: ")), "{said}");
    Ok(())
}

fn conformance_81_the_log_is_syslog() -> Outcome {
    let mut setting = setting(&guest("naughty")?, &["serve"]);
    let path = setting.path("log.sock");
    let daemon = UnixDatagram::bind(&path).expect("bound");
    daemon.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    setting.serve.arg(format!("--syslog={}", path.display()));
    let program = setting.start();
    let next_with = |text: &str| loop {
        let mut line = vec![0; 10_000];
        let length = daemon.recv(&mut line).expect("a line");
        let line = String::from_utf8_lossy(&line[..length]).into_owned();
        if line.contains(text) {
            break line;
        }
    };
    // Facility 3, daemon; severity 6, informational, and 4, warning.
    let id = program.id();
    let start = format!("<30>fcgi-wasm[{id}]: ");
    let line = next_with("listening on");
    assert!(line.starts_with(&start), "{line:?}");
    program.ask(&get(1, "/trap", false));
    let line = next_with("the application crashed");
    assert!(
        line.starts_with(&format!("<28>fcgi-wasm[{id}]: ")),
        "{line:?}"
    );
    // Without a daemon it serves on, and with a new one it logs on.
    drop(daemon);
    program.ask(&get(1, "/trap", false));
    fs::remove_file(&path).expect("removed");
    let daemon = UnixDatagram::bind(&path).expect("bound");
    daemon.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    program.ask(&get(1, "/trap", false));
    assert!(daemon.recv(&mut [0; 100]).expect("a line") > 0);
    let said = complaint(&run(&["serve", "x.wasm", "--syslog=/proc/none"]));
    assert!(said.contains("syslog at /proc/none"), "{said}");
    Ok(())
}

fn conformance_81_the_journal_gets_priorities() -> Outcome {
    let app = guest("naughty")?;
    let folder = tempfile::tempdir().expect("a folder");
    let log = File::create(folder.path().join("log")).expect("a log");
    let file = log.metadata().expect("a file");
    for (stream, is_journal) in [(file.ino(), true), (file.ino() + 1, false)] {
        let mut serve = command(&["serve"]);
        serve.env("JOURNAL_STREAM", format!("{}:{stream}", file.dev()));
        serve.arg(&app).stderr(log.try_clone().expect("cloned"));
        assert_eq!(serve.status().expect("started").code(), Some(1));
        serve.arg("--listen").arg("127.0.0.1:0");
        let mut child = serve.spawn().expect("started");
        let read = || fs::read_to_string(folder.path().join("log")).expect("a log");
        wait_until("it logs", || read().contains("listening on"));
        let _ = child.kill();
        let _ = child.wait();
        let text = read();
        let line = text.lines().find(|line| line.contains("listening on"));
        assert_eq!(
            line.expect("a line").starts_with("<6> INFO"),
            is_journal,
            "{text}"
        );
        fs::write(folder.path().join("log"), "").expect("emptied");
    }
    Ok(())
}
