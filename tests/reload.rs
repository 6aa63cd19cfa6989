//! New versions of applications, while requests run.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use fcgi_wasm::{AppFile, Budget, Catalogue, Engine, FastCgi, Policy, Refreshed, Tenant};
use rustix::process::Signal;
use tokio::runtime::Runtime;

use crate::support::guest_build::guest;
use crate::support::hosting::{deploy, saying};
use crate::support::local::Local;
use crate::support::process::{Program, run};
use crate::support::web_server::*;
use crate::support::{Outcome, wait_until};

tests![
    a_thousand_reloads_lose_no_request,
    reload_and_sighup_swap_the_version,
    requests_end_on_the_version_that_they_began_on,
    a_watched_file_is_swapped_however_it_is_replaced,
    what_can_not_be_served_is_refused_and_the_old_version_serves,
    a_half_copied_file_is_served_only_when_it_is_whole,
    reload_signals_nobody_else,
    a_file_that_changes_while_it_is_read_is_served_whole_or_refused,
    a_changed_secret_counts_at_the_next_look,
];

/// How often versions are swapped under load.
const RELOADS: usize = 1000;

/// How often a file that is written over all the time is found whole, and not.
const WRITTEN_OVER: usize = 5;

/// How many clients ask meanwhile.
const CLIENTS: usize = 4;

fn a_thousand_reloads_lose_no_request() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("app.wasm");
    deploy(&file, "one");
    let engine = Engine::options().cache(folder.path().join("cache"));
    let engine = engine.start().expect("started");
    let tenant = Tenant::new(&engine, "alice", Budget::strict());
    let source = AppFile::new(&tenant, "app", &file, Policy::strict());
    let catalogue = Catalogue::new();
    let slot = catalogue.slot("app", "alice", source);
    let local = Local::serve_with(slot.clone(), FastCgi::default(), |server| server);
    let runtime = Runtime::new().expect("a runtime");

    let (stop, sent, ones, seconds) = Default::default();
    let (stop, sent): (AtomicBool, AtomicUsize) = (stop, sent);
    let (ones, seconds): (AtomicUsize, AtomicUsize) = (ones, seconds);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut peer = local.connect();
                while !stop.load(Ordering::Relaxed) {
                    sent.fetch_add(1, Ordering::Relaxed);
                    let answer = peer.ask(1, &get(1, "/", true));
                    match (answer.status(), answer.text().as_str()) {
                        (200, "one") => ones.fetch_add(1, Ordering::Relaxed),
                        (200, "second") => seconds.fetch_add(1, Ordering::Relaxed),
                        _ => panic!("lost: {answer:?}"),
                    };
                }
            });
        }
        // The clients stop even if something fails here.
        let _guard = StopOnDrop(&stop);
        assert_eq!(local.ask(1, &get(1, "/", false)).text(), "one");
        for number in 0..RELOADS {
            let text = ["second", "one"][number % 2];
            match number % 4 {
                0 | 1 => deploy(&file, text),
                _ => fs::write(&file, saying(text)).expect("copied over"),
            }
            assert_eq!(runtime.block_on(slot.refresh()), Refreshed::Replaced);
            let answer = local.ask(1, &get(1, "/", false));
            assert_eq!(answer.text(), text, "reload {number}");
        }
    });
    let answered = ones.into_inner() + seconds.load(Ordering::Relaxed);
    assert_eq!(answered, sent.into_inner());
    assert!(seconds.into_inner() > 0);
    // Nothing is kept of what was replaced.
    runtime.block_on(catalogue.drained());
    assert_eq!(catalogue.loaded(), 1);
    Ok(())
}

struct StopOnDrop<'s>(&'s AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn shown(path: &Path) -> &str {
    path.to_str().expect("text")
}

fn answers(program: &Program, text: &str) -> bool {
    program.ask(&get(1, "/", false)).text() == text
}

fn reload_and_sighup_swap_the_version() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("app.wasm");
    deploy(&file, "one");
    let program = Program::serve(&file, &[]);
    assert!(answers(&program, "one"));
    deploy(&file, "second");
    assert!(answers(&program, "one"), "nobody told it");
    program.signal(Signal::HUP);
    wait_until("the second version serves", || answers(&program, "second"));
    for (target, text) in [
        (shown(&program.socket()), "third"),
        (program.id().to_string().as_str(), "fourth"),
    ] {
        deploy(&file, text);
        let output = run(&["reload", target]);
        assert!(output.status.success(), "{output:?}");
        wait_until("the next version serves", || answers(&program, text));
    }
    Ok(())
}

fn requests_end_on_the_version_that_they_began_on() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("app.wasm");
    fs::copy(guest("naughty")?, &file).expect("copied");
    let mut program = Program::serve(&file, &[]);
    let mut busy = program.connect();
    busy.send(&post_head(1, "/early", 5, true));
    assert_eq!(busy.read_record().expect("it runs").kind, STDOUT);
    deploy(&file, "second");
    program.signal(Signal::HUP);
    wait_until("the second version serves", || answers(&program, "second"));
    busy.send(&stdin(1, b"rest\n"));
    assert_eq!(busy.answer(1).stdout, b"rest\n");
    // The connection goes on, with the new version.
    assert_eq!(busy.ask(2, &get(2, "/", true)).text(), "second");
    program.signal(Signal::TERM);
    assert!(program.wait().success());
    Ok(())
}

fn a_watched_file_is_swapped_however_it_is_replaced() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("app.wasm");
    deploy(&file, "one");
    let program = Program::serve(&file, &["--watch"]);
    assert!(answers(&program, "one"));
    deploy(&file, "renamed");
    wait_until("it was renamed", || answers(&program, "renamed"));
    fs::write(&file, saying("copied over")).expect("written");
    wait_until("it was copied over", || answers(&program, "copied over"));
    fs::remove_file(&file).expect("removed");
    program.wait_for_log("the old one goes on serving: cannot read ");
    assert!(answers(&program, "copied over"));
    deploy(&file, "back");
    wait_until("it is back", || answers(&program, "back"));
    Ok(())
}

fn what_can_not_be_served_is_refused_and_the_old_version_serves() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("app.wasm");
    deploy(&file, "one");
    let program = Program::serve(&file, &[]);
    assert!(answers(&program, "one"));
    let too_large = "(module (memory (export \"memory\") 60000) (func (export \"_start\")))";
    for (broken, reason) in [
        ("", "is empty"),
        ("#!/bin/sh", "is a script"),
        ("(module (nonsense))", "not valid in the text format"),
        ("(module)", "app.wasm"),
        (too_large, "--memory"),
    ] {
        fs::write(&file, broken).expect("written");
        program.signal(Signal::HUP);
        wait_until(&format!("{broken:?} is refused: {reason}"), || {
            let log = program.log();
            let mut refused = log
                .lines()
                .filter(|line| line.contains("the new version is refused"));
            refused
                .next_back()
                .is_some_and(|line| line.contains(reason))
        });
        assert!(answers(&program, "one"), "{broken}");
    }
    Ok(())
}

fn a_half_copied_file_is_served_only_when_it_is_whole() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("app.wasm");
    deploy(&file, "one");
    let program = Program::serve(&file, &["--watch"]);
    assert!(answers(&program, "one"));
    let whole = fs::read(guest("naughty")?).expect("read");
    let (first, rest) = whole.split_at(whole.len() / 2);
    fs::write(&file, first).expect("half is copied");
    // Whether it is looked at before the rest comes or not, it is not served.
    program.wait_for_log("the new version is refused");
    assert!(answers(&program, "one"));
    let mut copy = OpenOptions::new().append(true).open(&file).expect("opened");
    copy.write_all(rest).expect("the rest is copied");
    drop(copy);
    wait_until("the whole file serves", || {
        let answer = program.ask(&get(1, "/hello", false));
        assert_eq!(answer.status(), 200);
        answer.text() == "hello\n"
    });
    Ok(())
}

/// Cut off, grown and written over all the time, as no deployment should do it.
fn a_file_that_changes_while_it_is_read_is_served_whole_or_refused() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("app.wasm");
    deploy(&file, "one");
    let engine = Engine::start().expect("started");
    let tenant = Tenant::new(&engine, "alice", Budget::strict());
    let source = AppFile::new(&tenant, "app", &file, Policy::strict());
    let slot = Catalogue::new().slot("app", "alice", source);
    let local = Local::serve_with(slot.clone(), FastCgi::default(), |server| server);
    let runtime = Runtime::new().expect("a runtime");
    let ask = || local.ask(1, &get(1, "/", false)).text();
    assert_eq!(ask(), "one");
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let written = |text: &str| wat::parse_str(saying(text)).expect("valid");
        let versions = [written("one"), written(&"second".repeat(10_000))];
        let (file, stop) = (&file, &stop);
        scope.spawn(move || {
            // Sometimes it is left alone for long enough to be read.
            for round in 0u64.. {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let version = &versions[(round % 2) as usize];
                let half = &version[..version.len() / 2];
                for bytes in [half, version] {
                    fs::write(file, bytes).expect("written over");
                    thread::sleep(Duration::from_millis(round * 7 % 40));
                }
            }
        });
        let _guard = StopOnDrop(stop);
        let (mut replaced, mut refused) = (0, 0);
        wait_until("it was taken and refused several times", || {
            match runtime.block_on(slot.refresh()) {
                Refreshed::Replaced => replaced += 1,
                Refreshed::Refused(_) => refused += 1,
                Refreshed::Unchanged => {}
            }
            let text = ask();
            let is_whole = text == "one" || text == "second".repeat(10_000);
            assert!(is_whole, "{text}");
            replaced >= WRITTEN_OVER && refused >= WRITTEN_OVER
        });
    });
    Ok(())
}

fn reload_signals_nobody_else() -> Outcome {
    let mut other = std::process::Command::new("sleep")
        .arg("600")
        .spawn()
        .expect("started");
    let output = run(&["reload", &other.id().to_string()]);
    let is_alive = other.try_wait().expect("asked").is_none();
    let _ = other.kill();
    let _ = other.wait();
    assert!(is_alive);
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(complaint.contains("not fcgi-wasm"), "{complaint}");
    let output = run(&["reload", "/nonexistent/s"]);
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        complaint.contains("nobody listens on /nonexistent/s"),
        "{complaint}"
    );
    Ok(())
}

/// What a file that only its owner can read contains, put there by renaming.
fn keep_secret(file: &Path, secret: &str, mode: u32) {
    let beside = file.with_extension("new");
    fs::write(&beside, secret).expect("written");
    let permissions = fs::Permissions::from_mode(mode);
    fs::set_permissions(&beside, permissions).expect("set");
    fs::rename(&beside, file).expect("renamed");
}

fn a_changed_secret_counts_at_the_next_look() -> Outcome {
    // Not where the application is: that folder would be watched anyway.
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("password");
    keep_secret(&file, "hunter2", 0o600);
    let secret = format!("password={}", file.display());
    let told = |program: &Program| program.ask(&get(1, "/settings", false)).text();
    let tells = |program: &Program, what: &str| told(program).starts_with(what);
    let app = guest("naughty-http")?;

    let program = Program::serve(&app, &["--secret-setting", &secret]);
    assert!(tells(&program, "password=hunter2\n"), "{}", told(&program));
    keep_secret(&file, "hunter3", 0o600);
    assert!(tells(&program, "password=hunter2\n"), "nobody told it");
    program.signal(Signal::HUP);
    wait_until("the new one counts", || {
        tells(&program, "password=hunter3\n")
    });
    // One that can not be used is refused, and the old one goes on.
    keep_secret(&file, "hunter4", 0o644);
    program.signal(Signal::HUP);
    program.wait_for_log("the new version is refused");
    assert!(tells(&program, "password=hunter3\n"));
    assert!(!program.log().contains("hunter"), "{}", program.log());

    keep_secret(&file, "hunter5", 0o600);
    let program = Program::serve(&app, &["--secret-setting", &secret, "--watch"]);
    assert!(tells(&program, "password=hunter5\n"));
    keep_secret(&file, "hunter6", 0o600);
    wait_until("the watched one counts", || {
        tells(&program, "password=hunter6\n")
    });
    Ok(())
}
