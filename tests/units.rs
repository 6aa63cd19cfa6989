//! The units for systemd, as far as they can be tried where it does not run.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};

use crate::support::guest_build::guest;
use crate::support::started::{PROGRAM, Started, command, run};
use crate::support::web_server::*;
use crate::support::{Outcome, Skip, wait_until};

tests![
    systemd_takes_the_units_and_finds_little_exposed,
    the_units_filter_of_system_calls_lets_through_what_serving_takes,
];

/// What `systemd-analyze security` may find, of 10: it calls up to 2 "OK". What serves
/// many is in a group, and gives sockets to it.
const EXPOSURE_TENTHS_MAX: &str = "15";
const EXPOSURE_TENTHS_MAX_OF_MANY: &str = "17";

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib");

fn service(name: &str) -> String {
    fs::read_to_string(format!("{FOLDER}/{name}")).expect("a unit")
}

fn systemd_takes_the_units_and_finds_little_exposed() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let (socket, unit) = ("fcgi-wasm@shop.socket", "fcgi-wasm@shop.service");
    let many = "fcgi-wasm.service";
    for (unit, name) in [(unit, "fcgi-wasm@.service"), (many, many)] {
        // It looks for the program as well.
        let text = service(name).replace("/usr/bin/fcgi-wasm", PROGRAM);
        fs::write(folder.path().join(unit), text).expect("written");
    }
    fs::copy(
        format!("{FOLDER}/fcgi-wasm@.socket"),
        folder.path().join(socket),
    )
    .expect("copied");
    let mut verify = command("systemd-analyze");
    verify.args(["verify", "--man=no", unit, socket, many]);
    let said = run(verify.current_dir(folder.path()))?;
    assert_eq!(said, "", "it has nothing to say of them");
    for (unit, most) in [
        (unit, EXPOSURE_TENTHS_MAX),
        (many, EXPOSURE_TENTHS_MAX_OF_MANY),
    ] {
        let mut security = command("systemd-analyze");
        security.args(["security", "--offline=yes", "--no-pager", unit]);
        security.arg(format!("--threshold={most}"));
        run(security.current_dir(folder.path()))?;
    }
    Ok(())
}

/// `SystemCallFilter=`: groups that are let through, less those with a `~`.
fn the_units_filter_of_system_calls_lets_through_what_serving_takes() -> Outcome {
    let calls = |group: &str| {
        let mut list = command("systemd-analyze");
        run(list.args(["syscall-filter", "--no-pager", group]))
    };
    let mut allowed = BTreeSet::from(["execve".to_owned()]);
    let unit = service("fcgi-wasm@.service");
    for line in unit.lines() {
        let Some(groups) = line.strip_prefix("SystemCallFilter=") else {
            continue;
        };
        let is_allowed = !groups.starts_with('~');
        for group in groups.trim_start_matches('~').split(' ') {
            for call in members(group, &calls)? {
                match is_allowed {
                    true => allowed.insert(call),
                    false => allowed.remove(&call),
                };
            }
        }
    }
    assert!(allowed.len() > 200, "{} system calls", allowed.len());
    assert!(!allowed.contains("ptrace") && !allowed.contains("mount"));

    // What strace started outlives it if that is killed, so all is ended by name.
    let mut started = Started::nothing();
    let (socket, trace) = (started.socket(), started.path("trace"));
    let mut strace = command("strace");
    strace.args(["-f", "-qq", "-o"]).arg(&trace);
    strace.stderr(Stdio::null());
    strace.arg(PROGRAM).arg(guest("naughty")?).arg("--no-cache");
    strace.arg("--socket").arg(&socket).arg("--timeout=200ms");
    if Command::new("strace").arg("-V").output().is_err() {
        return Err(Skip("there is no strace".to_owned()));
    }
    started.start(strace)?;
    wait_until("it listens", || socket.exists());
    for path in ["/hello", "/trap", "/spin", "/download/100000", "/hello"] {
        started.ask(&get(1, path, false));
    }
    let trace = fs::read_to_string(&trace).expect("a trace");
    let used: BTreeSet<_> = trace.lines().filter_map(call_of).collect();
    assert!(used.contains("accept4") && used.len() > 20, "{used:?}");
    let refused: Vec<_> = used
        .iter()
        .filter(|call| !allowed.contains(**call))
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
    Ok(())
}

/// The name in a line like `123 accept4(9, ...) = 12`.
fn call_of(line: &str) -> Option<&str> {
    let (_, call) = line.split_once(' ')?;
    let (name, _) = call.trim_start().split_once('(')?;
    let is_name = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name.then_some(name)
}

/// A system call, or those of a group and of the groups in it.
fn members(name: &str, calls: &impl Fn(&str) -> Result<String, Skip>) -> Result<Vec<String>, Skip> {
    if !name.starts_with('@') {
        return Ok(vec![name.to_owned()]);
    }
    let mut found = Vec::new();
    for line in calls(name)?.lines().map(str::trim).skip(1) {
        if !line.starts_with('#') && !line.is_empty() {
            found.extend(members(line, calls)?);
        }
    }
    Ok(found)
}
