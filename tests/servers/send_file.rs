//! Files that the web server sends in the application's place.

use libtest_mimic::Trial;

use super::setup;
use crate::support::guest_build::guest;
use crate::support::process::Program;
use crate::support::web_server::get;
use crate::support::{Outcome, trial, wait_until};

/// Which of them the manual has a block `send-file` for.
pub(super) const SERVERS: &[&str] = &["nginx", "apache", "lighttpd"];

/// A name that means something else wherever it is not encoded, or twice.
const NAME: &str = "a b%20\u{fc}?#.txt";
const ENCODED: &str = "a%20b%2520%C3%BC%3F%23.txt";

pub(super) fn tests() -> Vec<Trial> {
    let mut trials = Vec::new();
    for name in SERVERS {
        let server = setup::SERVERS.iter().find(|server| server.name == *name);
        let server = server.expect("a server");
        type Test = fn(&'static setup::Server) -> Outcome;
        let tests: [(&str, Test); 2] = [
            ("it_sends_a_file_and_parts_of_it", sends),
            ("it_sends_nothing_else", nothing_else),
        ];
        for (test, run) in tests {
            let name = format!("{test}_{name}");
            trials.push(trial(module_path!(), &name, move || run(server)));
        }
    }
    trials.push(trial(
        module_path!(),
        "a_file_is_named_in_any_world",
        any_world,
    ));
    trials
}

/// By a header field, which every contract has.
fn any_world() -> Outcome {
    let app = guest("naughty-cgi")?;
    let naming = get(1, "/raw/fcgi-wasm-send-file: /files/x%2520||a body", false);
    let flags = ["--send-file", "/files=/in", "--send-file-by"];
    let flags = [flags.as_slice(), &["nginx"]].concat();
    let program = Program::serve(&app, &flags);
    let answer = program.ask(&naming);
    assert_eq!(
        answer.headers("x-accel-redirect"),
        ["/in/x%2520"],
        "{answer:?}"
    );
    assert_eq!(answer.headers("fcgi-wasm-send-file"), Vec::<String>::new());
    assert_eq!((answer.status(), answer.body().len()), (200, 0));
    let answer = Program::serve(&app, &[]).ask(&naming);
    assert_eq!(answer.status(), 500);
    assert_eq!(answer.headers("fcgi-wasm-send-file"), Vec::<String>::new());
    Ok(())
}

fn mapping(server: &setup::Server) -> [&'static str; 2] {
    match server.name {
        "nginx" => ["--send-file", "/files=/internal"],
        _ => ["--send-file", "/files=/srv/files"],
    }
}

fn write(behind: &setup::Behind, name: &str, bytes: &[u8]) {
    let folder = behind.files.path().join("files");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join(name), bytes).expect("written");
}

fn sends(server: &'static setup::Server) -> Outcome {
    let behind = server.as_in("send-file", "naughty", &mapping(server))?;
    let bytes: Vec<u8> = (0..100_000_u32).map(|index| (index % 251) as u8).collect();
    write(&behind, NAME, &bytes);
    let target = format!("/send-file/files/{ENCODED}");
    let reply = behind.connect().get(&target);
    assert_eq!(reply.head.status, 200, "{}", behind.daemon.error_log());
    assert!(reply.body == bytes, "{} bytes", reply.body.len());
    for name in ["fcgi-wasm-send-file", "x-accel-redirect", "x-sendfile"] {
        assert_eq!(reply.head.field(name), None);
    }

    let asking = |method: &str, field: &str| {
        let mut client = behind.connect();
        client.send(&format!(
            "{method} {target} HTTP/1.1\r\nHost: test.example\r\n{field}\r\n\r\n"
        ));
        client.reply(method == "HEAD")
    };
    let part = asking("GET", "Range: bytes=1000-1009");
    assert_eq!(
        (part.head.status, part.body.as_slice()),
        (206, &bytes[1000..1010])
    );
    let head = asking("HEAD", "X-Nothing: 1");
    assert_eq!(head.head.field("content-length"), Some("100000"));
    // lighttpd tells no time of files that it was asked for like this.
    if server.name != "lighttpd" {
        let changed = reply.head.field("last-modified").expect("a time");
        let unchanged = asking("GET", &format!("If-Modified-Since: {changed}"));
        assert_eq!(unchanged.head.status, 304);
    }
    Ok(())
}

fn nothing_else(server: &'static setup::Server) -> Outcome {
    let behind = server.as_in("send-file", "naughty", &mapping(server))?;
    write(&behind, "../secret", b"secret\n");
    for target in [
        "/send-file/etc/passwd",
        "/send-file?/files/../secret",
        "/send-file?/files/x/../../secret",
        "/send-file?/files",
        "/send-file?/internal/x",
        "/send-file?files/x",
    ] {
        let reply = behind.connect().get(target);
        assert_eq!(reply.head.status, 500, "{target}: {}", reply.text());
        assert!(!reply.text().contains("secret"), "{target}");
    }
    wait_until("the flag is named", || {
        behind
            .daemon
            .error_log()
            .contains("in no folder of --send-file")
    });
    // What is mapped but not there is the web server's 404.
    let missing = behind.connect().get("/send-file/files/missing");
    assert_eq!(missing.head.status, 404);
    // And without any mapping nothing is.
    let unmapped = server.as_in("send-file", "naughty", &[])?;
    write(&unmapped, "x", b"a file\n");
    let reply = unmapped.connect().get("/send-file/files/x");
    assert_eq!(reply.head.status, 500);
    unmapped_is_named(&unmapped);
    Ok(())
}

fn unmapped_is_named(behind: &setup::Behind) {
    wait_until("the flag is named", || behind.log().contains("--send-file"));
}
