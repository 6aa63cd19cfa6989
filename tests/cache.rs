//! What is compiled, and kept for the next start.

use std::fs;

use crate::support::Outcome;
use crate::support::guest_build::guest;
use crate::support::hosting::deploy;
use crate::support::process::{Program, run};
use crate::support::web_server::get;

tests![
    what_was_just_compiled_is_mapped_from_its_file,
    what_can_not_be_served_is_not_kept,
    no_more_is_kept_than_fits,
];

fn what_was_just_compiled_is_mapped_from_its_file() -> Outcome {
    let app = guest("hello")?;
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().to_str().expect("text");
    for what in ["compiled", "found"] {
        let program = Program::serve(&app, &["--cache", cache]);
        assert_eq!(program.ask(&get(1, "/", false)).status(), 200);
        let is_compiled = program.log().contains("compiling ");
        assert_eq!(is_compiled, what == "compiled");
        let maps = fs::read_to_string(format!("/proc/{}/maps", program.id()));
        let maps = maps.expect("running");
        assert!(maps.contains(".cwasm\n"), "{what}: {maps}");
    }
    Ok(())
}

fn what_can_not_be_served_is_not_kept() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("cache");
    let file = folder.path().join("app.wasm");
    let names = || {
        let entries = fs::read_dir(&cache).expect("a folder");
        entries.flatten().count()
    };
    for (text, expected) in [
        (
            "(module (memory 60000) (func (export \"_start\")))",
            "--memory",
        ),
        ("(module)", "app.wasm"),
    ] {
        fs::write(&file, text).expect("written");
        let path = |path: &std::path::Path| path.to_str().expect("text").to_owned();
        let output = run(&["request", &path(&file), "/", "--cache", &path(&cache)]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(expected), "{said}");
        assert_eq!(names(), 0, "{text}");
    }
    Ok(())
}

fn no_more_is_kept_than_fits() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("cache");
    let file = folder.path().join("app.wasm");
    let path = |path: &std::path::Path| path.to_str().expect("text").to_owned();
    for number in 0..4 {
        deploy(&file, &format!("{number}"));
        let size = ["--cache-size", "128KiB"];
        let words = [
            &["compile", &path(&file), "--cache", &path(&cache)],
            &size as &[_],
        ];
        let output = run(&words.concat());
        assert!(output.status.success(), "{output:?}");
    }
    // Each counts as 64 KiB at least.
    assert_eq!(fs::read_dir(&cache).expect("a folder").count(), 2);
    Ok(())
}
