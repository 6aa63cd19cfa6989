//! Work on files is on the account of whoever has it done, though other threads do
//! it.

use std::fs::File;
use std::os::unix::fs::symlink;
use std::time::Duration;

use fcgi_wasm::{App, Budget, Folder, Grants, Policy};

use crate::support::Outcome;
use crate::support::local::Local;
use crate::support::two::engine;
use crate::support::web_server::*;

tests![work_on_files_uses_up_a_processor_share];

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
