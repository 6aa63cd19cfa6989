//! `fcgi-wasm new`: what it writes builds, passes its tests, and serves.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::guest_build::target_folder;
use crate::support::process::{command, run};
use crate::support::{Outcome, Skip};

tests![
    a_rust_project_works,
    a_python_project_works,
    a_javascript_project_works,
    a_go_project_works,
    a_c_project_works,
    what_is_there_is_left_alone,
];

/// Makes a project, does what it is said to do next, and asks what was built.
fn check(language: &str, tool: &str, steps: &[&str], app: &str) -> Outcome {
    if Command::new(tool).arg("--version").output().is_err() {
        return Err(Skip(format!("there is no {tool}")));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let made = command(&["new", "my-app", "--lang", language])
        .current_dir(folder.path())
        .output()
        .expect("started");
    let said = String::from_utf8_lossy(&made.stdout).into_owned();
    assert!(made.status.success(), "{made:?}");
    let project = folder.path().join("my-app");
    for step in steps {
        assert!(said.contains(step), "{step:?} in {said}");
        perform(&project, step);
    }
    assert!(
        said.contains(&format!("fcgi-wasm serve {app} --http")),
        "{said}"
    );
    let app = project.join(app);
    let app = app.to_str().expect("text");
    let answer = run(&["request", app, "/", "--body-only"]);
    assert_eq!(
        String::from_utf8_lossy(&answer.stdout),
        "Hello from my-app\n"
    );
    let answer = run(&["request", app, "/echo", "--data", "grüß", "--body-only"]);
    assert_eq!(String::from_utf8_lossy(&answer.stdout), "grüß");
    Ok(())
}

/// As in a shell; toolchains are kept between runs.
fn perform(project: &Path, step: &str) {
    let target = target_folder();
    let mut shell = Command::new("sh");
    shell
        .args(["-c", step])
        .current_dir(project)
        .stdin(Stdio::null());
    for (variable, _) in std::env::vars_os() {
        let text = variable.to_string_lossy();
        if text.starts_with("CARGO_") || text.starts_with("MAKE") || text == "MFLAGS" {
            shell.env_remove(&variable);
        }
    }
    if let Some(home) = std::env::var_os("CARGO_HOME") {
        shell.env("CARGO_HOME", home);
    }
    shell.env("TOOLS", target.join("tools/new"));
    let done = shell.output().expect("started");
    let complaint = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{step}: {complaint}");
}

fn a_rust_project_works() -> Outcome {
    let steps = ["cargo build --release --target wasm32-wasip2", "cargo test"];
    check(
        "rust",
        "cargo",
        &steps,
        "target/wasm32-wasip2/release/my_app.wasm",
    )
}

fn a_python_project_works() -> Outcome {
    check(
        "python",
        "python3",
        &["make", "make test"],
        "build/app.wasm",
    )
}

fn a_javascript_project_works() -> Outcome {
    check(
        "javascript",
        "node",
        &["make", "make test"],
        "build/app.wasm",
    )
}

fn a_go_project_works() -> Outcome {
    check("go", "python3", &["make", "make test"], "build/app.wasm")
}

fn a_c_project_works() -> Outcome {
    check("c", "python3", &["make", "make test"], "build/app.wasm")
}

fn what_is_there_is_left_alone() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("precious"), "").expect("written");
    for (name, expected) in [(".", "no name"), ("My App", "no project's name")] {
        let made = command(&["new", name, "--lang", "rust"])
            .current_dir(folder.path())
            .output();
        let complaint = made.expect("started").stderr;
        let complaint = String::from_utf8_lossy(&complaint).into_owned();
        assert!(complaint.contains(expected), "{complaint}");
    }
    let project = folder.path().join("app");
    std::fs::create_dir(&project).expect("made");
    std::fs::write(project.join("precious"), "").expect("written");
    let made = run(&["new", project.to_str().expect("text"), "--lang", "go"]);
    assert_eq!(made.status.code(), Some(1));
    let complaint = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(complaint.contains("is not empty"), "{complaint}");
    Ok(())
}
