//! What is left in memory of loading applications, and of unloading them.

use std::fs;

use crate::support::guest_build::guest;
use crate::support::hosting::{Hosted, saying};
use crate::support::{Outcome, wait_until};

tests![
    memory_is_given_back_however_shortly_they_were_loaded,
    what_loading_a_large_file_took_is_given_back,
];

/// More than enough to tell their memory from what else the server takes.
const APPS: usize = 300;

/// Bytes of a server's memory that nothing but swapping could free.
fn anonymous(server: u32) -> u64 {
    let memory = fs::read_to_string(format!("/proc/{server}/smaps_rollup"));
    let memory = memory.expect("running");
    let line = memory
        .lines()
        .find_map(|line| line.strip_prefix("Anonymous:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.expect("a number") * 1024
}

fn memory_is_given_back_however_shortly_they_were_loaded() -> Outcome {
    let apps = (0..APPS).map(|number| {
        format!("[app.a{number}]\nfile = \"app.wasm\"\nroutes = [\"a{number}.example/\"]\n")
    });
    let apps: String = apps.collect();
    let config = format!(
        "[server]\nloaded_apps = {APPS}\nidle_unload = \"2s\"\n{apps}[socket.s]\nunix = \"s\"\n"
    );
    let folder = tempfile::tempdir().expect("a folder");
    fs::copy(guest("hello")?, folder.path().join("app.wasm")).expect("copied");
    let hosted = Hosted::serve_folder(folder, &config, &["s"]);
    let server = hosted.program.id();
    let before = anonymous(server);
    for number in 0..APPS {
        let host = format!("a{number}.example");
        let answer = hosted.ask("s", "/", &[("HTTP_HOST", &host)]);
        assert_eq!(answer.status(), 200);
    }
    let loaded = anonymous(server);
    assert!(loaded > before, "{loaded} after {before}");
    let unloaded = || hosted.program.log().matches("unloaded: nobody").count();
    wait_until("all are unloaded", || unloaded() == APPS);
    wait_until("most of their memory is given back", || {
        anonymous(server) < before + (loaded - before) / 2
    });
    Ok(())
}

/// The bytes of a section that nobody reads.
const LARGE: usize = 32 * 1024 * 1024;

fn what_loading_a_large_file_took_is_given_back() -> Outcome {
    let config = "[app.a]\nfile = \"app.wasm\"\nroutes = [\"/\"]\n[socket.s]\nunix = \"s\"\n";
    let mut large = wat::parse_str(saying("one")).expect("valid");
    // A custom section: its size in LEB128, and its name, "x".
    large.push(0);
    let size = LARGE + 2;
    large.extend((0..4).map(|index| {
        let bits = (size >> (7 * index)) as u8 & 0x7f;
        if index < 3 { bits | 0x80 } else { bits }
    }));
    large.extend(b"\x01x");
    large.resize(large.len() + LARGE, 7);
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("app.wasm"), large).expect("written");
    let hosted = Hosted::serve_folder(folder, config, &["s"]);
    let server = hosted.program.id();
    let before = anonymous(server);
    assert_eq!(hosted.ask("s", "/", &[]).text(), "one");
    wait_until("the file's bytes are given back", || {
        anonymous(server) < before + LARGE as u64 / 2
    });
    Ok(())
}
