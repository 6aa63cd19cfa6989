//! Nothing that a request wrote is found by the next one, and what is reset stays in
//! place.

use tempfile::TempDir;

use crate::support::Outcome;
use crate::support::process::Program;
use crate::support::web_server::*;

tests![pages_here_and_there_are_reset_in_place];

/// A module that looks whether the first word of each so-many-th page of its
/// memory is as it was compiled, and writes there.
fn marks(pages: u32, step: u32) -> String {
    let (start, step) = (1 << 20, step * 4096);
    let end = start + pages * step;
    format!(
        "(module
            (import \"wasi_snapshot_preview1\" \"fd_write\"
                (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export \"memory\") {})
            (data (i32.const 8) \"\\10\\00\\00\\00\\0d\\00\\00\\00\")
            (data (i32.const 16) \"Status: 200\\n\\n\")
            (func (export \"_start\") (local $page i32)
                (local.set $page (i32.const {start}))
                (loop $next
                    (if (i32.load (local.get $page))
                        (then (i32.store8 (i32.const 24) (i32.const 0x35))))
                    (i32.store (local.get $page) (i32.const 0x5a5a5a5a))
                    (local.set $page (i32.add (local.get $page) (i32.const {step})))
                    (br_if $next (i32.lt_u (local.get $page) (i32.const {end}))))
                (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0)))))",
        end.div_ceil(65536)
    )
}

/// The program with this module, which it reads as long as the folder is there.
fn serve(module: &str) -> (Program, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("marks.wat");
    std::fs::write(&path, module).expect("written");
    (Program::serve(&path, &[]), folder)
}

fn pages_here_and_there_are_reset_in_place() -> Outcome {
    let (program, _folder) = serve(&marks(300, 3));
    let mut connection = program.connect();
    let mut ask = |times: u64| {
        for _ in 0..times {
            assert_eq!(connection.ask(1, &get(1, "/", true)).status(), 200);
        }
    };
    ask(20);
    let before = page_faults(program.id());
    ask(50);
    let faults = page_faults(program.id()) - before;
    // Each page that was unmapped would be one.
    if is_told_by_linux() {
        assert!(faults < 50 * 100, "{faults} page faults");
    }
    Ok(())
}

/// Whether Linux tells which pages were written, as it does from 6.7 on.
fn is_told_by_linux() -> bool {
    let release = rustix::system::uname();
    let release = release.release().to_string_lossy().into_owned();
    let mut numbers = release.split(['.', '-']).map(|part| part.parse::<u32>());
    let mut number = || numbers.next().and_then(Result::ok).unwrap_or_default();
    (number(), number()) >= (6, 7)
}

/// How many pages the system had to bring so far.
fn page_faults(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("running");
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    let minor = behind_name.split_whitespace().nth(7);
    minor
        .and_then(|faults| faults.parse().ok())
        .expect("minflt")
}
