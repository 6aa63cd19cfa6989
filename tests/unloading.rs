//! What is left of applications that nobody asks any more.

use std::fs;

use crate::support::guest_build::guest;
use crate::support::hosting::Hosted;
use crate::support::{Outcome, wait_until};

tests![memory_is_given_back_however_shortly_they_were_loaded];

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
