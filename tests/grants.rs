//! What a guest reaches beyond its request: nothing, until a flag grants it,
//! and a refusal names the flag.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use crate::support::Outcome;
use crate::support::guest_build::guest;
use crate::support::process::Program;
use crate::support::web_server::*;

tests![
    files_are_there_by_dir_only,
    links_do_not_lead_out_of_a_folder,
    a_link_does_not_take_the_place_of_a_folder,
    folders_that_are_none_are_a_setup_error,
    variables_are_there_by_env_only,
    sockets_connect_by_allow_net_only,
    names_are_looked_up_by_allow_net_only,
    http_goes_out_by_allow_host_only,
    private_addresses_take_a_flag_of_their_own,
    settings_come_from_the_operator_and_the_web_server,
    secrets_come_from_files_and_are_not_told,
    the_log_takes_levels_and_contexts,
    any_component_may_ask_what_the_web_server_says,
    clocks_and_random_numbers_are_always_there,
];

/// A server that answers each connection with these bytes.
fn answering(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut some = [0; 1024];
            let _ = stream.read(&mut some);
            let _ = stream.write_all(answer);
        }
    });
    address
}

fn files_are_there_by_dir_only() -> Outcome {
    let app = guest("naughty-cgi")?;
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("note"), "of the host").expect("written");
    fs::write(folder.path().join("../outside-fcgi-wasm"), "secret").expect("written");
    let host = folder.path().display();

    let program = Program::serve(&app, &[]);
    let refused = program.ask(&get(1, "/read/data/note", false)).text();
    assert!(!refused.contains("of the host"), "{refused}");
    program.wait_for_log("--dir");

    let grant = format!("{host}::/data");
    let program = Program::serve(&app, &["--dir", &grant]);
    let ask = |path: &str| program.ask(&get(1, path, false)).text();
    assert_eq!(ask("/read/data/note"), "read of the host\n");
    assert_eq!(ask("/write/data/new"), "written\n");
    assert_eq!(ask("/read/data/new"), "read written by the guest\n");
    let outside = ask("/read/data/../outside-fcgi-wasm");
    assert!(!outside.contains("secret"), "{outside}");
    let _ = fs::remove_file(folder.path().join("../outside-fcgi-wasm"));

    let program = Program::serve(&app, &["--dir", &format!("{grant}:ro")]);
    let ask = |path: &str| program.ask(&get(1, path, false)).text();
    assert_eq!(ask("/read/data/note"), "read of the host\n");
    let refused = ask("/write/data/note");
    assert!(!refused.contains("written"), "{refused}");
    let kept = fs::read_to_string(folder.path().join("note"));
    assert_eq!(kept.expect("read"), "of the host");
    Ok(())
}

/// The guest makes a link, and a file of the host's is read through it by others.
fn links_do_not_lead_out_of_a_folder() -> Outcome {
    let outer = tempfile::tempdir().expect("a folder");
    let folder = outer.path().join("granted");
    fs::create_dir(&folder).expect("made");
    fs::write(outer.path().join("secret"), "of the host").expect("written");
    let grant = format!("{}::/data", folder.display());
    let app = outer.path().join("links.wat");
    fs::write(
        &app,
        "(module
            (import \"wasi_snapshot_preview1\" \"path_symlink\"
                (func $link (param i32 i32 i32 i32 i32) (result i32)))
            (import \"wasi_snapshot_preview1\" \"fd_write\"
                (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export \"memory\") 1)
            (data (i32.const 8) \"\\10\\00\\00\\00\\0d\\00\\00\\00\")
            (data (i32.const 16) \"Status: 204\\n\\n\")
            (data (i32.const 64) \"../secret\") (data (i32.const 96) \"out\")
            (data (i32.const 128) \"/etc/passwd\") (data (i32.const 160) \"far\")
            (func (export \"_start\")
                (if (call $link (i32.const 64) (i32.const 9) (i32.const 3)
                    (i32.const 96) (i32.const 3)) (then unreachable))
                (if (i32.eqz (call $link (i32.const 128) (i32.const 11) (i32.const 3)
                    (i32.const 160) (i32.const 3))) (then unreachable))
                (drop (call $write
                    (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0)))))",
    )
    .expect("written");
    let program = Program::serve(&app, &["--dir", &grant]);
    let answer = program.ask(&get(1, "/", false));
    assert_eq!(answer.status(), 204, "{answer:?}");
    let link = fs::read_to_string(folder.join("out"));
    assert_eq!(link.expect("it leads out"), "of the host");
    std::os::unix::fs::symlink("/proc/self", folder.join("proc")).expect("a link");

    let program = Program::serve(&guest("naughty-cgi")?, &["--dir", &grant]);
    for path in ["out", "proc/environ", "proc/root/etc/passwd"] {
        let answer = program.ask(&get(1, &format!("/read/data/{path}"), false));
        let text = answer.text();
        assert!(!text.starts_with("read "), "{path}: {text}");
    }
    Ok(())
}

/// Whoever may write to the folder above it, another application for instance, puts one
/// there.
fn a_link_does_not_take_the_place_of_a_folder() -> Outcome {
    let outer = tempfile::tempdir().expect("a folder");
    let path = |name| outer.path().join(name);
    for name in ["granted", "other"] {
        fs::create_dir(path(name)).expect("made");
        fs::write(path(name).join("note"), format!("of {name}")).expect("written");
    }
    let app = guest("naughty-cgi")?;
    let grant = format!("{}::/data", path("granted").display());
    let program = Program::serve(&app, &["--dir", &grant]);
    let ask = |program: &Program| program.ask(&get(1, "/read/data/note", false)).text();
    assert_eq!(ask(&program), "read of granted\n");
    fs::rename(path("granted"), path("moved")).expect("moved");
    std::os::unix::fs::symlink("other", path("granted")).expect("a link");
    let refused = ask(&program);
    assert!(!refused.starts_with("read "), "{refused}");
    program.wait_for_log("it is reached by a symbolic link");
    // A folder is one, and so is a link that was there before.
    let again = Program::serve(&app, &["--dir", &grant]);
    assert_eq!(ask(&again), "read of other\n");
    fs::remove_file(path("granted")).expect("removed");
    fs::rename(path("moved"), path("granted")).expect("moved");
    assert_eq!(ask(&program), "read of granted\n");
    assert_eq!(ask(&again), "read of other\n");
    Ok(())
}

fn folders_that_are_none_are_a_setup_error() -> Outcome {
    let app = guest("naughty-cgi")?;
    let app = app.to_str().expect("text");
    let output = crate::support::process::run(&["request", app, "/", "--dir", "/no/such::/data"]);
    assert_eq!(output.status.code(), Some(1));
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(complaint.contains("/no/such (--dir)"), "{complaint}");
    Ok(())
}

fn variables_are_there_by_env_only() -> Outcome {
    let app = guest("naughty-cgi")?;
    let request = get(1, "/environment", false);
    let program = Program::serve(&app, &["--env", "GREETING=hi", "--env", "SERVER_NAME=mine"]);
    let seen = program.ask(&request).text();
    let lines: Vec<_> = seen.lines().collect();
    assert!(lines.contains(&"GREETING=hi"), "{seen}");
    // What the operator says goes before what the request says.
    assert!(lines.contains(&"SERVER_NAME=mine"), "{seen}");
    assert!(!lines.contains(&"SERVER_NAME=test.example"), "{seen}");
    Ok(())
}

fn sockets_connect_by_allow_net_only() -> Outcome {
    let app = guest("naughty-cgi")?;
    let address = answering(b"hello from outside\n");
    let path = format!("/connect/{address}");

    let program = Program::serve(&app, &[]);
    let refused = program.ask(&get(1, &path, false));
    assert!(!refused.text().contains("hello"), "{}", refused.text());
    let hint = format!("--allow-net {address} allows it");
    assert!(refused.log().contains(&hint), "{}", refused.log());
    program.wait_for_log(&hint);

    let program = Program::serve(&app, &["--allow-net", &address.to_string()]);
    let answer = program.ask(&get(1, &path, false)).text();
    assert_eq!(answer, "hello from outside\n");
    let other = answering(b"hello from elsewhere\n");
    let refused = program
        .ask(&get(1, &format!("/connect/{other}"), false))
        .text();
    assert!(!refused.contains("hello"), "{refused}");
    Ok(())
}

fn names_are_looked_up_by_allow_net_only() -> Outcome {
    let too_long = "a.".repeat(127);
    for (app, found, refused, invalid) in [
        (
            "naughty-cgi",
            "127.0.0.1:80",
            "Non-recoverable error",
            "Invalid argument",
        ),
        (
            "naughty-http3",
            "Ipv4((127, 0, 0, 1))",
            "PermanentResolverFailure",
            "InvalidArgument",
        ),
    ] {
        let app = guest(app)?;
        let look_up = |program: &Program, name: &str| {
            let path = format!("/look-up/{name}");
            program.ask(&get(1, &path, false)).text()
        };
        let program = Program::serve(&app, &[]);
        let answer = look_up(&program, "localhost");
        assert!(answer.contains(refused), "{answer}");
        let program = Program::serve(&app, &["--allow-net", "127.0.0.1"]);
        for name in ["localhost", "127.0.0.1"] {
            let answer = look_up(&program, name);
            assert!(answer.contains(found), "{answer}");
        }
        let answer = look_up(&program, &format!("{too_long}a"));
        assert!(answer.contains(invalid), "{answer}");
    }
    Ok(())
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

fn http_goes_out_by_allow_host_only() -> Outcome {
    let address = answering(OK);
    let path = format!("/outbound/{address}");
    for app in ["naughty-http", "naughty-http3"] {
        let app = guest(app)?;
        let program = Program::serve(&app, &[]);
        let refused = program.ask(&get(1, &path, false));
        assert!(
            refused.text().contains("HttpRequestDenied"),
            "{}",
            refused.text()
        );
        let hint = "--allow-host 127.0.0.1 allows it";
        assert!(refused.log().contains(hint), "{}", refused.log());

        let granted = ["--allow-host", "127.0.0.1", "--allow-private-hosts"];
        let program = Program::serve(&app, &granted);
        let answer = program.ask(&get(1, &path, false)).text();
        assert!(
            answer.contains("200") || answer.contains("Ok(Ok("),
            "{answer}"
        );
    }
    Ok(())
}

fn private_addresses_take_a_flag_of_their_own() -> Outcome {
    let address = answering(OK);
    for app in ["naughty-http", "naughty-http3"] {
        let program = Program::serve(&guest(app)?, &["--allow-host", "*"]);
        for host in ["127.0.0.1", "localhost"] {
            let path = format!("/outbound/{host}:{}", address.port());
            let refused = program.ask(&get(1, &path, false));
            assert!(
                refused.text().contains("DestinationIpProhibited"),
                "{}",
                refused.text()
            );
            assert!(
                refused.log().contains("--allow-private-hosts"),
                "{}",
                refused.log()
            );
        }
    }
    Ok(())
}

/// `wasi:config`; the web server's word goes before the operator's.
fn settings_come_from_the_operator_and_the_web_server() -> Outcome {
    let app = guest("naughty-http")?;
    let request = get(1, "/settings", false);
    let program = Program::serve(&app, &[]);
    assert_eq!(program.ask(&request).text(), "missing: Ok(None)\n");
    let program = Program::serve(&app, &["--setting", "theme=dark", "--config", "lang=en"]);
    let mut list = get_params("/settings");
    list.extend([
        ("WASI_CONFIG_lang", "de"),
        ("WASI_CONFIG_site", "shop"),
        // What clients send begins otherwise.
        ("HTTP_WASI_CONFIG_ROLE", "admin"),
    ]);
    let mut request = begin(1, RESPONDER, false);
    request.extend(params(1, &list));
    request.extend(stdin(1, &[]));
    let expected = "lang=de\nsite=shop\ntheme=dark\nmissing: Ok(None)\n";
    assert_eq!(program.ask(&request).text(), expected);
    Ok(())
}

/// `wasi:logging`
fn the_log_takes_levels_and_contexts() -> Outcome {
    let program = Program::serve(&guest("naughty-http")?, &[]);
    let answer = program.ask(&get(1, "/words", false));
    assert_eq!(answer.text(), "said\n");
    let log = answer.log();
    assert!(log.contains("[warn] shop: the till is empty"), "{log}");
    program.wait_for_log("so is the purse");
    Ok(())
}

fn any_component_may_ask_what_the_web_server_says() -> Outcome {
    let program = Program::serve(&guest("naughty-http")?, &[]);
    let mut list = get_params("/who/x");
    list[1] = ("SCRIPT_NAME", "/who");
    list[2] = ("PATH_INFO", "/x");
    list.push(("REMOTE_USER", "ada"));
    let mut request = begin(1, RESPONDER, false);
    request.extend(params(1, &list));
    request.extend(stdin(1, &[]));
    assert_eq!(program.ask(&request).text(), "ada /who\n");
    Ok(())
}

fn clocks_and_random_numbers_are_always_there() -> Outcome {
    let program = Program::serve(&guest("naughty-cgi")?, &[]);
    let ask = || program.ask(&get(1, "/now", false)).text();
    let (one, two) = (ask(), ask());
    assert_ne!(one, two, "the same random numbers");
    assert!(
        one.starts_with(|first: char| first.is_ascii_digit()),
        "{one}"
    );
    Ok(())
}

fn secrets_come_from_files_and_are_not_told() -> Outcome {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("password");
    fs::write(&file, "hunter2\n").expect("written");
    let set_mode = |mode| {
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(&file, permissions).expect("set");
    };
    set_mode(0o600);
    let secret = format!("password={}", file.display());
    let arguments = [
        "-vv",
        "--secret-setting",
        &secret,
        "--setting",
        "theme=dark",
    ];
    let program = Program::serve(&guest("naughty-http")?, &arguments);
    let expected = "password=hunter2\ntheme=dark\nmissing: Ok(None)\n";
    let answer = program.ask(&get(1, "/settings", false));
    assert_eq!(answer.text(), expected);
    // No request sets it.
    let mut list = get_params("/settings");
    list.push(("WASI_CONFIG_password", "stolen"));
    let mut request = begin(1, RESPONDER, false);
    request.extend(params(1, &list));
    request.extend(stdin(1, &[]));
    assert_eq!(program.ask(&request).text(), expected);
    assert!(!program.log().contains("hunter2"), "{}", program.log());
    let arguments = ["--secret-env", &secret];
    let program = Program::serve(&guest("naughty-cgi")?, &arguments);
    let text = program.ask(&get(1, "/environment", false)).text();
    assert!(text.contains("password=hunter2\n"), "{text}");
    set_mode(0o644);
    let refused = std::process::Command::new(env!("CARGO_BIN_EXE_fcgi-wasm"))
        .arg("serve")
        .arg(guest("naughty-http")?)
        .args(["--secret-setting", &secret, "--listen", "127.0.0.1:0"])
        .output()
        .expect("it ran");
    let complaint = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success());
    assert!(complaint.contains("every user"), "{complaint}");
    assert!(!complaint.contains("hunter2"), "{complaint}");
    Ok(())
}
