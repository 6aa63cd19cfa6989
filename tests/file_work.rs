//! Work on files is on the account of whoever has it done, though other threads do
//! it, and of what waits for them the host holds little.

use std::fs::File;
use std::os::unix::fs::symlink;
use std::time::Duration;

use fcgi_wasm::{App, Budget, Folder, Grants, Policy};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use crate::support::Outcome;
use crate::support::local::Local;
use crate::support::two::{NOISY, Two, engine, request};
use crate::support::web_server::*;

tests![
    work_on_files_uses_up_a_processor_share,
    a_path_that_is_too_long_waits_for_no_thread,
    no_more_than_a_piece_is_written_at_once,
];

/// Asks two hundred times what a file is, for which the system has a long way to
/// go, and the guest's own thread hardly anything to do.
const ASKS: &str = r#"
(module
    (import "wasi_snapshot_preview1" "path_filestat_get"
        (func $ask (param i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write"
        (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 8) "\10\00\00\00\0d\00\00\00")
    (data (i32.const 16) "Status: 204\n\n")
    (data (i32.const 32) "link 0")
    (func (export "_start") (local $left i32)
        (local.set $left (i32.const 200))
        (loop $next
            (if (call $ask (i32.const 3) (i32.const 1) (i32.const 32) (i32.const 6) (i32.const 64))
                (then unreachable))
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (br_if $next (local.get $left)))
        (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0)))))
"#;

/// How many links lead to the file: the system follows 40.
const LINKS: usize = 30;

fn work_on_files_uses_up_a_processor_share() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("a")).expect("created");
    for number in 0..LINKS {
        let way = format!("{}link {}", "a/../".repeat(800), number + 1);
        symlink(way, folder.path().join(format!("link {number}"))).expect("linked");
    }
    let file = folder.path().join(format!("link {LINKS}"));
    File::create(file).expect("created");
    let grants = Grants::none().folder(Folder::new(folder.path(), "/data").read_only());
    let policy = Policy::strict()
        .grants(grants)
        .wall_time_max(Duration::from_secs(3));
    let budget = Budget::strict()
        .cpu_share(0.001)
        .cpu_burst(Duration::from_millis(500))
        .queue_wait_max(Duration::from_millis(100));
    let policy = policy.budget(budget);
    let app = App::from_bytes(&engine(2), "asks", ASKS.as_bytes(), policy);
    let local = Local::serve(app.expect("an application"));
    // One pauses midway, once its share is used up: which one depends on the machine.
    // The next ones do not begin.
    let mut answers = (0..10).map(|_| local.ask(1, &get(1, "/", false)));
    let refused = answers.find(|answer| answer.status() == 503);
    let log = refused.expect("it is over its budget").log();
    assert!(log.contains("over budget: cpu-share of"), "{log}");
    Ok(())
}

/// A folder with an empty file and a pipe that nobody writes to.
fn folder() -> (TempDir, Policy) {
    let folder = tempfile::tempdir().expect("a folder");
    File::create(folder.path().join("file")).expect("created");
    let pipe = folder.path().join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RWXU, 0).expect("a pipe");
    let grants = Grants::none().folder(Folder::new(folder.path(), "/data"));
    (folder, Policy::strict().grants(grants))
}

/// Opens the pipe, and without a body what has a path of 5000 bytes.
const OPENS: &str = r#"
(module
    (import "wasi_snapshot_preview1" "fd_read"
        (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write"
        (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 8) "\10\00\00\00\0d\00\00\00")
    (data (i32.const 16) "Status: 204\n\n")
    (data (i32.const 32) "\40\00\00\00\01\00\00\00")
    (data (i32.const 1000) "pipe")
    (func (export "_start") (local $length i32)
        (drop (call $read (i32.const 0) (i32.const 32) (i32.const 1) (i32.const 48)))
        (local.set $length
            (select (i32.const 4) (i32.const 5000) (i32.load (i32.const 48))))
        (if (i32.ne (i32.const 37) (; ENAMETOOLONG ;)
                (call $open (i32.const 3) (i32.const 0) (i32.const 1000) (local.get $length)
                    (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 48)))
            (then unreachable))
        (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0)))))
"#;

/// More than a tenant has threads for files.
const WAITING: u16 = 12;

fn a_path_that_is_too_long_waits_for_no_thread() -> Outcome {
    let (_folder, policy) = folder();
    let policy = policy.wall_time_max(Duration::from_millis(300));
    let two = Two::serve("naughty-cgi", Budget::strict(), policy.clone())?;
    wait_for_the_pipe(&two.local, &request(NOISY, "/read/data/pipe"));
    let answer = two.ask(NOISY, &format!("/read/data/{}", "x".repeat(5000)));
    assert!(answer.text().contains("os error 37"), "{answer:?}");

    let app = App::from_bytes(&engine(64), "opens", OPENS.as_bytes(), policy);
    let local = Local::serve(app.expect("an application"));
    let post = [post_head(1, "/", 1, true), stdin(1, b"x")].concat();
    wait_for_the_pipe(&local, &post);
    let answer = local.ask(1, &get(1, "/", false));
    assert_eq!(answer.status(), 204, "{answer:?}");
    Ok(())
}

/// Has all threads for files wait for the pipe, also after these requests are over.
fn wait_for_the_pipe(local: &Local, request: &[u8]) {
    let mut waiting: Vec<_> = (0..WAITING).map(|_| local.connect()).collect();
    for peer in &mut waiting {
        peer.send(request);
    }
    for mut peer in waiting {
        assert_eq!(peer.answer(1).status(), 504);
    }
}

fn no_more_than_a_piece_is_written_at_once() -> Outcome {
    let (folder, policy) = folder();
    let two = Two::serve("naughty-http", Budget::strict(), policy.clone())?;
    let answer = two.ask(NOISY, "/write-file/100000");
    assert_eq!(answer.text(), "65536 bytes written\n", "{answer:?}");

    let writes = r#"
    (module
        (import "wasi_snapshot_preview1" "path_open"
            (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write"
            (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 2)
        (data (i32.const 8) "\10\00\00\00\0d\00\00\00")
        (data (i32.const 16) "Status: 204\n\n")
        (data (i32.const 32) "file")
        (; an empty buffer and one of 100,000 bytes ;)
        (data (i32.const 40) "\00\00\00\00\00\00\00\00\00\00\00\00\a0\86\01\00")
        (func (export "_start")
            (if (call $open (i32.const 3) (i32.const 0) (i32.const 32) (i32.const 4)
                    (i32.const 0) (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 64))
                (then unreachable))
            (if (call $write (i32.load (i32.const 64)) (i32.const 40) (i32.const 2) (i32.const 68))
                (then unreachable))
            (if (i32.ne (i32.load (i32.const 68)) (i32.const 65536)) (then unreachable))
            (; the list is as it was ;)
            (if (i32.ne (i32.load (i32.const 52)) (i32.const 100000)) (then unreachable))
            (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0)))))
    "#;
    let app = App::from_bytes(&engine(2), "writes", writes.as_bytes(), policy);
    let local = Local::serve(app.expect("an application"));
    let answer = local.ask(1, &get(1, "/", false));
    assert_eq!(answer.status(), 204, "{answer:?}");
    let written = std::fs::metadata(folder.path().join("file"));
    assert_eq!(written.expect("a file").len(), 65536);
    Ok(())
}
