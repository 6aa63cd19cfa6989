//! Folders that guests list: all of their entries are told, in each version of
//! WASI, and they are read as they are asked for.

use std::fs::File;

use fcgi_wasm::{App, Budget, Folder, Grants, Policy};
use tempfile::TempDir;

use crate::support::Outcome;
use crate::support::guest_build::target_folder;
use crate::support::local::Local;
use crate::support::two::{NOISY, Two, engine};
use crate::support::web_server::*;

tests![
    all_entries_are_told,
    a_module_is_told_all_entries,
    a_folder_that_is_too_large_is_not_listed_for_a_module,
    many_listings_may_be_open_at_a_time,
    open_listings_are_limited,
    entries_are_read_when_they_are_asked_for,
    the_kinds_of_entries_are_told,
];

/// A folder with so many files, and the right to it.
fn folder(files: usize) -> (TempDir, Policy) {
    let folder = tempfile::tempdir().expect("a folder");
    for number in 0..files {
        let path = folder.path().join(format!("file number {number}"));
        File::create(path).expect("created");
    }
    let grants = Grants::none().folder(Folder::new(folder.path(), "/data"));
    (folder, Policy::strict().grants(grants))
}

fn all_entries_are_told() -> Outcome {
    for files in [0, 100, 10_000] {
        let (_folder, policy) = folder(files);
        let two = Two::serve("naughty-http", Budget::strict(), policy.clone())?;
        assert_eq!(two.ask(NOISY, "/list").text(), format!("{files} entries\n"));
        let two = Two::serve("naughty-http3", Budget::strict(), policy)?;
        let told = format!("{files} entries, Ok(())\n");
        assert_eq!(two.ask(NOISY, "/list").text(), told);
    }
    Ok(())
}

fn a_module_is_told_all_entries() -> Outcome {
    let (_folder, policy) = folder(10_000);
    let app = App::from_bytes(&engine(2), "lists", LISTS.as_bytes(), policy);
    let local = Local::serve(app.expect("an application"));
    let answer = local.ask(1, &get(1, "/", false));
    assert_eq!(answer.text(), "10000 entries\n", "{answer:?}");
    Ok(())
}

/// wasmtime would have a copy of all of it, for each request that asks.
fn a_folder_that_is_too_large_is_not_listed_for_a_module() -> Outcome {
    // On a disk, where a folder's size is that of its names.
    let large = tempfile::tempdir_in(target_folder()).expect("a folder");
    let size = || large.path().metadata().expect("a folder").len();
    for number in 0..100_000 {
        let name = format!("{number:0>250}");
        File::create(large.path().join(name)).expect("created");
        if number % 1000 == 0 && size() > 9 * 1024 * 1024 {
            break;
        }
    }
    assert!(size() > 9 * 1024 * 1024, "{} bytes", size());
    let grants = Grants::none().folder(Folder::new(large.path(), "/data"));
    let policy = Policy::strict().grants(grants);
    let app = App::from_bytes(&engine(2), "lists", LISTS.as_bytes(), policy);
    let local = Local::serve(app.expect("an application"));
    let answer = local.ask(1, &get(1, "/", false));
    // It takes an error for a reason to give up.
    assert_eq!(answer.status(), 502, "{answer:?}");
    let log = answer.log();
    assert!(log.contains("it has too many files for WASI 0.1"), "{log}");
    Ok(())
}

/// Lists its folder with a buffer of 65,536 bytes, from each last entry on, and
/// counts what is not `.` or `..`.
const LISTS: &str = r#"
(module
    (import "wasi_snapshot_preview1" "fd_readdir"
        (func $list (param i32 i32 i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write"
        (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 2)
    (data (i32.const 8) "\20\00\00\00\1b\00\00\00")
    (data (i32.const 32) "Status: 200\n\n##### entries\n")
    (func (export "_start")
        (local $at i32) (local $end i32) (local $count i32) (local $cookie i64)
        (local $digit i32)
        (block $listed
            (loop $more
                (if (call $list (i32.const 3) (i32.const 65536) (i32.const 65536)
                        (local.get $cookie) (i32.const 0))
                    (then unreachable))
                (local.set $at (i32.const 65536))
                (local.set $end (i32.add (i32.const 65536) (i32.load (i32.const 0))))
                (br_if $listed (i32.eqz (i32.load (i32.const 0))))
                (loop $next
                    (br_if $more (i32.gt_u (i32.add (local.get $at) (i32.const 24)) (local.get $end)))
                    (br_if $more (i32.gt_u
                        (i32.add (i32.add (local.get $at) (i32.const 24))
                            (i32.load offset=16 (local.get $at)))
                        (local.get $end)))
                    (local.set $cookie (i64.load (local.get $at)))
                    (if (i32.ne (i32.load8_u offset=24 (local.get $at)) (i32.const 46))
                        (then (local.set $count (i32.add (local.get $count) (i32.const 1)))))
                    (local.set $at
                        (i32.add (i32.add (local.get $at) (i32.const 24))
                            (i32.load offset=16 (local.get $at))))
                    (br $next))))
        (local.set $digit (i32.const 49))
        (loop $digits
            (i32.store8 (local.get $digit)
                (i32.add (i32.const 48) (i32.rem_u (local.get $count) (i32.const 10))))
            (local.set $count (i32.div_u (local.get $count) (i32.const 10)))
            (local.set $digit (i32.sub (local.get $digit) (i32.const 1)))
            (br_if $digits (i32.ge_u (local.get $digit) (i32.const 45))))
        (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0)))))
"#;

fn many_listings_may_be_open_at_a_time() -> Outcome {
    let (_folder, policy) = folder(200);
    for world in ["naughty-http", "naughty-http3"] {
        let two = Two::serve(world, Budget::strict(), policy.clone())?;
        let left = two.ask(NOISY, "/lists/50").text();
        assert_eq!(left, format!("{} entries left\n", 50 * 199), "{world}");
    }
    Ok(())
}

fn open_listings_are_limited() -> Outcome {
    let (_folder, policy) = folder(200);
    let budget = Budget::strict().descriptors_max(100);
    for world in ["naughty-http", "naughty-http3"] {
        let two = Two::serve(world, budget.clone(), policy.clone())?;
        two.is_over("/lists/200", "descriptors of tenant noisy");
    }
    Ok(())
}

fn entries_are_read_when_they_are_asked_for() -> Outcome {
    let (folder, policy) = folder(5000);
    let two = Two::serve("naughty-http", Budget::strict(), policy)?;
    let answer = two.ask(NOISY, "/list-and-remove").text();
    let left = answer.strip_suffix(" entries left\n").expect("a number");
    // What was read already it is told of.
    let left: usize = left.parse().expect("a number");
    assert!((1..1000).contains(&left), "{left}");
    let entries = std::fs::read_dir(folder.path()).expect("a folder");
    assert_eq!(entries.count(), 0);
    Ok(())
}

fn the_kinds_of_entries_are_told() -> Outcome {
    let (folder, policy) = folder(0);
    let place = |name: &str| folder.path().join(name);
    File::create(place("a")).expect("a file");
    std::fs::create_dir(place("b")).expect("a folder");
    std::os::unix::fs::symlink("nowhere", place("c")).expect("a link");
    for world in ["naughty-http", "naughty-http3"] {
        let two = Two::serve(world, Budget::strict(), policy.clone())?;
        let told = two.ask(NOISY, "/kinds").text();
        let lines: Vec<_> = told.lines().collect();
        let kinds = ["a RegularFile", "b Directory", "c SymbolicLink"];
        let kinds = kinds.map(|kind| kind.replace(' ', " DescriptorType::"));
        assert_eq!(lines, kinds, "{world}");
    }
    Ok(())
}
