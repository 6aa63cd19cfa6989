//! The other roles from the command line: `check` names them, `request` asks in
//! them.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::support::Outcome;
use crate::support::guest_build::guest;
use crate::support::process::{Program, run};

tests![
    check_says_which_roles_a_component_serves,
    request_asks_an_authorizer,
    request_asks_a_filter,
    request_says_what_is_wrong_with_a_role,
];

fn shown(path: &Path) -> String {
    path.to_str().expect("text").to_owned()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn check_says_which_roles_a_component_serves() -> Outcome {
    for (app, roles) in [
        ("hello", "responder"),
        ("gate", "responder, authorizer"),
        ("markdown", "filter"),
        ("naughty-roles", "authorizer, filter"),
        ("naughty-http", "responder"),
        ("naughty-cgi", "responder"),
    ] {
        let output = text(&run(&["check", &shown(&guest(app)?)]).stdout);
        let line = format!("\nroles      {roles}\n");
        assert!(output.contains(&line), "{app}: {output}");
        assert!(output.contains("It can be served."), "{app}: {output}");
    }
    Ok(())
}

/// Asks a component directly and through a running server, which has to come
/// to the same.
fn both(app: &str, arguments: &[&str]) -> Result<[Output; 2], crate::support::Skip> {
    let file = guest(app)?;
    let program = Program::serve(&file, &[]);
    Ok([shown(&file), shown(&program.socket())].map(|target| {
        let arguments = [&["request", target.as_str()], arguments].concat();
        run(&arguments)
    }))
}

fn request_asks_an_authorizer() -> Outcome {
    for (path, expected) in [
        (
            "/private/allow?q=1",
            "Status: 200 OK\nVariable-REMOTE_USER: alice\nVariable-X-Foo: bar\n\n",
        ),
        (
            "/deny",
            "Status: 403 Forbidden\ncontent-type: text/plain; charset=utf-8\n",
        ),
        (
            "/sent-deny",
            "Status: 403 Forbidden\ncontent-type: text/plain; charset=utf-8\n",
        ),
        ("/variable/A%20B=x", "Status: 500 Internal Server Error\n"),
        ("/trap", "Status: 502 Bad Gateway\n"),
    ] {
        for output in both("naughty-roles", &[path, "--role", "authorizer"])? {
            let shown = text(&output.stdout);
            assert!(shown.starts_with(expected), "{path}: {shown}");
            let is_fault = expected.contains("Status: 5");
            assert_eq!(output.status.success(), !is_fault, "{path}");
        }
    }
    // What web servers leave out is left out.
    let arguments = [
        "/tell/x",
        "--role",
        "authorizer",
        "--data",
        "body",
        "--mount",
        "/tell",
    ];
    for output in both("naughty-roles", &arguments)? {
        let shown = text(&output.stdout);
        let expected = "Variable-METHOD: POST\nVariable-TARGET: /tell/x\n";
        assert!(shown.contains(expected), "{shown}");
        assert!(shown.contains("\nVariable-BODY: Ok(0)\n"), "{shown}");
        assert!(!shown.contains("content-length"), "{shown}");
    }
    Ok(())
}

fn request_asks_a_filter() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("notes.md");
    fs::write(&file, "# Notes\n").expect("written");
    let file = shown(&file);
    let arguments = ["/notes.md", "--role", "filter", "--file", &file];
    for output in both("markdown", &arguments)? {
        let shown = text(&output.stdout);
        assert!(shown.starts_with("Status: 200 OK\n"), "{shown}");
        assert!(shown.contains("<h1>Notes</h1>"), "{shown}");
    }
    let meta = fs::metadata(&file).expect("a file");
    let modified = meta.modified().expect("a time");
    let since = modified.duration_since(std::time::UNIX_EPOCH);
    let seconds = since.expect("after 1970").as_secs();
    let arguments = ["/about", "--role", "filter", "--file", &file, "--body-only"];
    for output in both("naughty-roles", &arguments)? {
        assert_eq!(text(&output.stdout), format!("8 bytes of {seconds}\n"));
    }
    // Without one the file is empty.
    for output in both(
        "naughty-roles",
        &["/about", "--role", "filter", "--body-only"],
    )? {
        assert_eq!(text(&output.stdout), "0 bytes of 0\n");
    }
    Ok(())
}

fn request_says_what_is_wrong_with_a_role() -> Outcome {
    for role in ["authorizer", "filter"] {
        for output in both("hello", &["/", "--role", role])? {
            assert!(!output.status.success());
            let complaint = text(&output.stderr);
            assert!(complaint.contains("hello exports no"), "{complaint}");
        }
    }
    let app = shown(&guest("hello")?);
    let output = run(&["request", &app, "/", "--role", "authorizer", "--authorizer"]);
    assert_eq!(text(&output.stdout), "Status: 200 OK\n\n");
    let output = run(&["request", &app, "/", "--file", &app]);
    assert!(text(&output.stderr).contains("--role filter"), "{output:?}");
    let output = run(&["request", &app, "/", "--role", "judge"]);
    assert!(text(&output.stderr).contains("responder, authorizer or filter"));
    let missing = [
        "request",
        &app,
        "/",
        "--role",
        "filter",
        "--file",
        "/nonexistent/x.md",
    ];
    assert!(text(&run(&missing).stderr).contains("cannot read /nonexistent/x.md"));
    Ok(())
}
