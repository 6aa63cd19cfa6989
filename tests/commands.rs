//! The commands, as an app author types them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use crate::support::Outcome;
use crate::support::guest_build::guest;
use crate::support::process::{Program, run};

tests![
    check_tells_what_a_component_is_and_wants,
    check_tells_what_else_a_file_is,
    request_asks_a_component_directly,
    request_asks_a_running_server,
    request_shows_faults,
    request_sends_bodies,
    compile_fills_the_cache_and_serve_uses_it,
    a_damaged_cache_is_compiled_anew,
    a_cache_that_others_can_write_is_refused,
    conformance_90_setup_errors_are_one_sentence,
    help_and_version_are_there,
];

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn shown(path: &Path) -> &str {
    path.to_str().expect("text")
}

#[track_caller]
fn succeed(arguments: &[&str]) -> Output {
    let output = run(arguments);
    let complaint = text(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {complaint}");
    output
}

/// The one sentence with which it fails.
#[track_caller]
fn fail(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    let complaint = text(&output.stderr);
    let lines: Vec<_> = complaint
        .lines()
        .filter(|line| !line.contains(" INFO "))
        .collect();
    let [line] = lines[..] else {
        panic!("{arguments:?} failed with {complaint:?}");
    };
    let sentence = line.strip_prefix("fcgi-wasm: ");
    sentence.unwrap_or_else(|| panic!("{line:?}")).to_owned()
}

fn check_tells_what_a_component_is_and_wants() -> Outcome {
    let app = guest("naughty-http")?;
    let output = text(&succeed(&["check", shown(&app)]).stdout);
    for expected in [
        "contract   WASI 0.2 HTTP\n",
        "exports    wasi:http/incoming-handler@0.2.12\n",
        "wasi:http/outgoing-handler@0.2.12",
        "provided: refused but to what --allow-host grants\n",
        "It can be served.\n",
    ] {
        assert!(output.contains(expected), "{expected:?} in {output}");
    }
    let native = guest("hello")?;
    let output = text(&succeed(&["check", shown(&native)]).stdout);
    assert!(
        output.contains("contract   the native contract\n"),
        "{output}"
    );
    assert!(
        output.contains("memory     1.1 MiB at the start\n"),
        "{output}"
    );
    Ok(())
}

fn check_tells_what_else_a_file_is() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let unknown = "(component (import \"acme:db/store@1.0.0\" (instance)) \
                   (instance $i) (export \"acme:app/run@1.0.0\" (instance $i)))";
    let cases: &[(&[u8], &str)] = &[
        (b"", "is empty"),
        (b"hello", "is no WebAssembly component"),
        (b"\0asm\x0d\0\x01\0\xff\xff", "is not valid WebAssembly"),
    ];
    for (bytes, expected) in cases {
        let path = folder.path().join("app.wasm");
        fs::write(&path, bytes).expect("written");
        let sentence = fail(&["check", shown(&path)]);
        assert!(sentence.contains(expected), "{sentence}");
        assert!(sentence.contains(shown(&path)), "{sentence}");
    }
    let path = folder.path().join("unknown.wat");
    fs::write(&path, unknown).expect("written");
    let output = run(&["check", shown(&path)]);
    assert_eq!(output.status.code(), Some(1));
    let report = text(&output.stdout);
    assert!(report.contains("acme:db/store@1.0.0"), "{report}");
    assert!(report.contains("NOT PROVIDED"), "{report}");
    assert!(
        report.contains("acme:app/run@1.0.0, but none of what can be served"),
        "{report}"
    );
    Ok(())
}

fn request_asks_a_component_directly() -> Outcome {
    let app = guest("hello")?;
    let output = succeed(&["request", shown(&app), "/x%20y?q=1", "--mount", "/x%20y"]);
    let answer = text(&output.stdout);
    assert!(answer.starts_with("Status: 200 OK\n"), "{answer}");
    assert!(
        answer.contains("\n\nHello from /x y\nGET /x%20y"),
        "{answer}"
    );
    let summary = text(&output.stderr);
    for expected in ["200 OK, ", " bytes, ", " ms; processor ", "memory 1.1 MiB"] {
        assert!(summary.contains(expected), "{expected:?} in {summary}");
    }
    let body_only = succeed(&["request", shown(&app), "/", "--body-only"]);
    assert!(text(&body_only.stdout).starts_with("Hello from /\n"));
    Ok(())
}

fn request_asks_a_running_server() -> Outcome {
    let program = Program::serve(&guest("naughty")?, &[]);
    let socket = program.socket();
    let socket = shown(&socket);
    let output = succeed(&[
        "request",
        socket,
        "/params",
        "-p",
        "REMOTE_USER=ada",
        "-p",
        "DOCUMENT_ROOT=/srv",
        "-H",
        "X-Test: 1",
    ]);
    let answer = text(&output.stdout);
    assert!(answer.contains("\nREMOTE_USER=ada\n"), "{answer}");
    assert!(answer.contains("\nDOCUMENT_ROOT=/srv\n"), "{answer}");
    let output = succeed(&[
        "request",
        socket,
        "/headers",
        "-H",
        "X-Test: 1",
        "-H",
        "X-Test: 2",
    ]);
    assert!(text(&output.stdout).contains("\nx-test: 1\nx-test: 2\n"));
    let output = succeed(&["request", socket, "/log/1"]);
    assert!(text(&output.stderr).contains("line 0 to standard error"));
    Ok(())
}

fn request_shows_faults() -> Outcome {
    let app = guest("naughty")?;
    let program = Program::serve(&app, &[]);
    let socket = program.socket();
    for target in [shown(&app), shown(&socket)] {
        for (path, status, cause) in [
            ("/trap", "502 Bad Gateway", "unreachable"),
            ("/fail", "500 Internal Server Error", "disk full"),
            ("/half", "200 OK", "as asked, in the middle"),
            // Each field is small enough, and all of them with what CGI adds are not.
            (
                "/big-head/65480",
                "500 Internal Server Error",
                "its head has 65",
            ),
        ] {
            let output = run(&["request", target, path]);
            assert_eq!(output.status.code(), Some(1), "{target} {path}");
            let (answer, log) = (text(&output.stdout), text(&output.stderr));
            assert!(
                answer.starts_with(&format!("Status: {status}\n")),
                "{answer}"
            );
            assert!(log.contains(cause), "{target} {path}: {log}");
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    for (length, body, cause) in [
        (
            "03",
            "\n\nhel",
            "its body is longer than its content-length",
        ),
        ("99", "\n\nhello", "its body is 94 bytes shorter"),
    ] {
        let module = format!(
            "(module
                (import \"wasi_snapshot_preview1\" \"fd_write\"
                    (func $write (param i32 i32 i32 i32) (result i32)))
                (memory (export \"memory\") 1)
                (data (i32.const 0) \"\\10\\00\\00\\00\\19\\00\\00\\00\")
                (data (i32.const 16) \"Content-Length: {length}\\n\\nhello\")
                (func (export \"_start\") (drop (call $write
                    (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"
        );
        let app = folder.path().join("length.wat");
        fs::write(&app, module).expect("written");
        let output = run(&["request", shown(&app), "/"]);
        assert_eq!(output.status.code(), Some(1), "{length}");
        let (answer, log) = (text(&output.stdout), text(&output.stderr));
        assert!(
            answer.ends_with(body) && log.contains(cause),
            "{answer}{log}"
        );
    }
    let output = run(&["request", shown(&app), "/spin", "--cpu-time", "50ms"]);
    assert!(text(&output.stdout).starts_with("Status: 504"));
    Ok(())
}

fn request_sends_bodies() -> Outcome {
    let app = guest("naughty")?;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("data");
    fs::write(&file, vec![1; 1_000_000]).expect("written");
    let at_file = format!("@{}", shown(&file));
    let program = Program::serve(&app, &[]);
    let socket = program.socket();
    for target in [shown(&app), shown(&socket)] {
        for (data, expected) in [
            ("abc", "3 bytes, sum 294\n"),
            (at_file.as_str(), "1000000 bytes, sum 1000000\n"),
        ] {
            let output = succeed(&["request", target, "/upload", "--data", data]);
            let answer = text(&output.stdout);
            assert!(answer.ends_with(expected), "{target} {answer}");
        }
    }
    Ok(())
}

/// The names of what is in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
    entries
        .map(|entry| name(entry).to_string_lossy().into_owned())
        .collect()
}

fn compile_fills_the_cache_and_serve_uses_it() -> Outcome {
    let app = guest("hello")?;
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("cache");
    let first = succeed(&["compile", shown(&app), "--cache", shown(&cache)]);
    assert!(text(&first.stderr).contains("compiling "), "{first:?}");
    assert_eq!(names(&cache).len(), 1);
    assert!(names(&cache)[0].ends_with(".cwasm"));
    let second = succeed(&["compile", shown(&app), "--cache", shown(&cache)]);
    assert!(!text(&second.stderr).contains("compiling "), "{second:?}");
    let program = Program::serve(&app, &["--cache", shown(&cache)]);
    assert!(!program.log().contains("compiling "), "{}", program.log());
    // By content, not by name.
    let copy = folder.path().join("copy.wasm");
    fs::copy(&app, &copy).expect("copied");
    succeed(&["check", shown(&copy), "--cache", shown(&cache)]);
    assert_eq!(names(&cache).len(), 1);
    Ok(())
}

fn a_damaged_cache_is_compiled_anew() -> Outcome {
    let (app, other) = (guest("hello")?, guest("naughty")?);
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("cache");
    succeed(&["compile", shown(&other), "--cache", shown(&cache)]);
    let of_other = fs::read(cache.join(&names(&cache)[0])).expect("compiled");
    fs::remove_file(cache.join(&names(&cache)[0])).expect("removed");
    succeed(&["compile", shown(&app), "--cache", shown(&cache)]);
    let file = cache.join(&names(&cache)[0]);
    let sound = fs::read(&file).expect("compiled");
    let mut flipped = sound.clone();
    flipped[sound.len() / 2] ^= 1;
    let half = sound[..sound.len() / 2].to_vec();
    for damaged in [flipped, half, Vec::new(), b"foreign".to_vec()] {
        fs::write(&file, &damaged).expect("written");
        let output = succeed(&["request", shown(&app), "/", "-v", "--cache", shown(&cache)]);
        assert!(
            text(&output.stderr).contains("compiling anew"),
            "{output:?}"
        );
        assert!(text(&output.stdout).contains("Hello from /"));
        assert_eq!(fs::read(&file).expect("compiled").len(), sound.len());
    }
    // A link to elsewhere, and a file that others can write, are not followed.
    let elsewhere = folder.path().join("elsewhere");
    fs::write(&elsewhere, &of_other).expect("written");
    fs::remove_file(&file).expect("removed");
    std::os::unix::fs::symlink(&elsewhere, &file).expect("linked");
    let output = succeed(&["request", shown(&app), "/", "--cache", shown(&cache)]);
    assert!(text(&output.stdout).contains("Hello from /"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).expect("opened");
    let output = succeed(&["request", shown(&app), "/", "-v", "--cache", shown(&cache)]);
    assert!(
        text(&output.stderr).contains("not this user's own"),
        "{output:?}"
    );
    Ok(())
}

fn a_cache_that_others_can_write_is_refused() -> Outcome {
    let app = guest("hello")?;
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("opened");
    let sentence = fail(&["check", shown(&app), "--cache", shown(folder.path())]);
    assert!(sentence.contains("mode 0700"), "{sentence}");
    Ok(())
}

fn conformance_90_setup_errors_are_one_sentence() -> Outcome {
    let app = guest("hello")?;
    let app = shown(&app);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "x").expect("written");
    let program = Program::serve(Path::new(app), &[]);
    let live = program.socket();
    let cases: &[(&[&str], &str)] = &[
        (
            &["serve", "/nonexistent.wasm", "--http", "127.0.0.1:0"],
            "cannot read /nonexistent.wasm",
        ),
        (&["serve", app], "there is nowhere to listen"),
        (
            &["serve", app, "--socket", "/nonexistent/s"],
            "cannot listen on /nonexistent/s",
        ),
        (&["serve", app, "--socket", shown(&file)], "is no socket"),
        (
            &["serve", app, "--socket", shown(&live)],
            "fcgi-wasm (process ",
        ),
        (
            &["serve", app, "--listen", "0.0.0.0:0"],
            "--allowed-clients",
        ),
        (
            &["serve", app, "--http", "127.0.0.1:0", "--memory", "64KiB"],
            "no request could be served",
        ),
        (
            &["serve", app, "--socket", "x", "--socket-group", "no-such"],
            "no group \"no-such\"",
        ),
        (
            &["serve", shown(&file), "--http", "127.0.0.1:0"],
            "is no WebAssembly component",
        ),
        (&["request", "/nonexistent"], "cannot read /nonexistent"),
        (&["request", "127.0.0.1:1"], "cannot connect to 127.0.0.1:1"),
    ];
    for (arguments, expected) in cases {
        let sentence = fail(arguments);
        assert!(sentence.contains(expected), "{arguments:?}: {sentence}");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = taken.local_addr().expect("an address").to_string();
    let sentence = fail(&["serve", app, "--listen", &address]);
    assert!(sentence.contains(&address), "{sentence}");
    Ok(())
}

fn help_and_version_are_there() -> Outcome {
    for command in ["", "serve", "check", "compile", "request"] {
        let arguments: Vec<_> = [command, "--help"]
            .into_iter()
            .filter(|a| !a.is_empty())
            .collect();
        let help = text(&succeed(&arguments).stdout);
        assert!(help.contains("Usage: fcgi-wasm"), "{help}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    succeed(&["man", shown(folder.path())]);
    let page = fs::read_to_string(folder.path().join("fcgi-wasm-serve.1")).expect("a page");
    assert!(page.contains("max\\-concurrent"), "{page}");
    let script = text(&succeed(&["completions", "bash"]).stdout);
    assert!(script.contains("--max-concurrent"), "{script}");
    let version = text(&succeed(&["--version"]).stdout);
    assert_eq!(
        version,
        concat!("fcgi-wasm ", env!("CARGO_PKG_VERSION"), "\n")
    );
    Ok(())
}
