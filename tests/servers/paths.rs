//! Where an application is mounted, and what it is asked for.

use libtest_mimic::Trial;

use super::setup::{SERVERS, Server};
use crate::support::manual::blocks;
use crate::support::{Outcome, trial};

/// The guest says what it was asked for: the path in the URL, SCRIPT_NAME and PATH_INFO.
#[track_caller]
fn check(server: &str, text: &str, target: &str, script_name: &str, path_info: &str) {
    let path = target.split('?').next().expect("a path");
    let expected = format!("GET {path}: {script_name} + {path_info}\n");
    assert!(text.ends_with(&expected), "{server}: {expected}{text}");
}

pub(super) fn the_url_root(server: &'static Server) -> Outcome {
    let behind = server.root("hello", &[])?;
    for (target, path_info) in [
        ("/", "/"),
        ("/p", "/p"),
        ("/foo%20bar/x/y?q=1%202&x=%26+y", "/foo bar/x/y"),
        ("/p/", "/p/"),
        ("/a%2Fb/100%25/x?y=%2F", "/a/b/100%/x"),
    ] {
        let text = behind.connect().get(target).text();
        check(server.name, &text, target, "", path_info);
    }
    Ok(())
}

pub(super) fn a_sub_path(server: &'static Server) -> Outcome {
    let behind = server.sub_path("hello")?;
    for (target, path_info) in [
        ("/app", ""),
        ("/app/", "/"),
        ("/app/foo%20bar/app/y?q=1%202&x=%26+y", "/foo bar/app/y"),
        ("/app/a%2Fb/100%25/x?y=%2F", "/a/b/100%/x"),
    ] {
        let text = behind.connect().get(target).text();
        check(server.name, &text, target, "/app", path_info);
    }
    let elsewhere = behind.connect().get("/apple/x");
    let text = elsewhere.text();
    assert!(!text.contains(": /app +"), "{}: {text}", server.name);
    Ok(())
}

/// The URL as the client wrote it. A web server may put `//` and `..` in order.
pub(super) fn targets(server: &'static Server) -> Outcome {
    let behind = server.root("naughty", &[])?;
    for (written, in_order) in [
        ("/target/a%2Fb%2fc?x=%2F&y", ""),
        ("/target/%C3%A9%20%25%3B%3d", ""),
        ("/target/x?", "/target/x"),
        ("/target/?q=1&q=2&%C3%A9=+", ""),
        ("/target//x", "/target/x"),
        ("/target/x/../y", "/target/y"),
        ("/x/%2e%2e/target/y", "/target/y"),
    ] {
        let reply = behind.connect().get(written);
        let text = reply.text();
        // One that refuses what it finds suspect is within its rights.
        let is_refused = !in_order.is_empty() && matches!(reply.head.status, 400 | 403 | 404);
        let is_kept = text == written || (!in_order.is_empty() && text == in_order);
        let name = server.name;
        let status = reply.head.status;
        assert!(
            is_kept || is_refused,
            "{name}: {written}: {status} {text:?}"
        );
    }
    Ok(())
}

/// What only some web servers do, with the flags that the manual says.
pub(super) fn tests() -> Vec<Trial> {
    type Case = (
        &'static str,
        &'static str,
        &'static [&'static str],
        &'static str,
    );
    const CASES: &[Case] = &[
        ("apache", "recipe", &[], "/app"),
        ("apache", "recipe", &["--mount", "/app"], "/app"),
        ("lighttpd", "quirk", &["--mount", "/"], ""),
        ("lighttpd", "rewrite", &[], ""),
        ("lighttpd", "rewrite", &["--mount", "/"], ""),
    ];
    let case = |&(server, block, flags, script_name): &Case| {
        let how = if flags.is_empty() {
            "as_it_is"
        } else {
            "with_mount"
        };
        let name = format!("conformance_35_{block}_of_{server}_{how}");
        trial(module_path!(), &name, move || {
            let server = SERVERS.iter().find(|known| known.name == server);
            let server = server.expect("a server");
            let behind = server.as_in(block, "hello", flags)?;
            for path_info in ["/p", "/p/x/y"] {
                let target = format!("{script_name}{path_info}");
                let text = behind.connect().get(&target).text();
                check(server.name, &text, &target, script_name, path_info);
            }
            Ok(())
        })
    };
    let mut trials: Vec<Trial> = CASES.iter().map(case).collect();
    trials.push(trial(
        module_path!(),
        "every_block_of_the_manual_is_run",
        || {
            for (language, name) in blocks() {
                let is_case = CASES
                    .iter()
                    .any(|case| case.0 == language && case.1 == name);
                let is_run = SERVERS.iter().any(|server| server.runs(language, name));
                let is_file = super::send_file::SERVERS.contains(&language) && name == "send-file";
                let is_script = (language, name) == ("sh", "fcgid");
                assert!(
                    is_case || is_run || is_file || is_script,
                    "{language} {name}"
                );
            }
            Ok(())
        },
    ));
    trials
}
