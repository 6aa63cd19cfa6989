//! Authorizers with the real modules of lighttpd and Apache: whoever is to pass
//! does, and nobody else, whatever goes wrong.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::authorizer::*;
use crate::support::daemon::{Daemon, free_port, open_folder};
use crate::support::guest_build::guest;
use crate::support::http_client::{Client, Reply};
use crate::support::process::Program;
use crate::support::{Outcome, Skip, apache, lighttpd, script};

tests![
    lighttpd_guards_files,
    lighttpd_guards_an_application_that_learns_the_variables,
    conformance_27_lighttpd_never_lets_pass_what_fails,
    conformance_27_lighttpd_lets_nobody_pass_when_the_server_ends,
    apache_guards_files,
    apache_guards_an_application_that_learns_the_variables,
    conformance_27_apache_never_lets_pass_what_fails,
    conformance_27_apache_lets_nobody_pass_when_the_server_ends,
    mod_fcgid_guards_files,
    conformance_27_mod_fcgid_never_lets_pass_what_fails,
];

/// Requests of which none may pass, for the authorizer that misbehaves by path.
const REFUSED: &[&str] = &[
    "/private/deny",
    "/private/nowhere",
    "/private/status/204",
    "/private/status/401",
    "/private/login",
    "/private/error",
    "/private/commands",
    "/private/sent-deny",
    "/private/sent-allow",
    "/private/variable/A=xLFy",
    "/private/variables/2000",
    "/private/trap",
    "/private/exit/0",
    "/private/exit/1",
    "/private/fail",
    "/private/spin",
    "/private/sleep",
    "/private/grow",
];

/// Asks again and again for what may pass while all places are taken.
#[track_caller]
fn check_overloaded(program: &Program, ask: impl Fn() -> Reply) {
    // Its place is taken for as long as the connection is there.
    let mut busy = program.connect();
    busy.send(&judge(1, "/private/sleep", true));
    let refused = loop {
        let reply = ask();
        if reply.head.status != 200 {
            break reply;
        }
    };
    check_kept_out(&refused, "overload");
}

/// An authorizer with one place, and without a queue.
const CROWDED: &[&str] = &["--max-concurrent", "1", "--queue", "0", "--timeout", "1h"];

fn lighttpd_with(authorizer: &Path) -> Result<Daemon, Skip> {
    let socket = authorizer.display();
    let lighttpd = lighttpd::start(&format!(
        r#"server.modules += ("mod_fastcgi")
        fastcgi.server = ("/private" => (("socket" => "{socket}", "mode" => "authorizer",
            "check-local" => "disable", "docroot" => "@FOLDER@/files")))"#
    ))?;
    hide(&lighttpd.path("files"), REFUSED);
    hide(&lighttpd.path("files"), &["/private/allow"]);
    Ok(lighttpd)
}

fn lighttpd_guards_files() -> Outcome {
    let program = Program::serve(&guest("naughty-roles")?, &[]);
    let lighttpd = lighttpd_with(&program.socket())?;
    let reply = lighttpd.connect().get("/private/allow");
    assert_eq!((reply.head.status, reply.text().as_str()), (200, SECRET));
    // Paths that lighttpd cleans are judged as cleaned.
    let reply = lighttpd.connect().get("/private/deny/../allow");
    assert_eq!((reply.head.status, reply.text().as_str()), (200, SECRET));
    let reply = lighttpd.connect().get("/private/allow/../deny");
    assert_eq!(
        (reply.head.status, reply.text().as_str()),
        (403, "Members only.\n")
    );
    let reply = lighttpd.connect().get("/private/login");
    assert_eq!(
        (reply.head.status, reply.head.field("location")),
        (303, Some("/login"))
    );
    let reply = lighttpd.connect().get("/private/error");
    assert_eq!(
        (reply.head.status, reply.text().as_str()),
        (401, "Who are you?\n")
    );
    // A POST has no STDIN record at all; files answer none.
    let reply = lighttpd.connect().post("/private/deny", b"body");
    assert_eq!(reply.head.status, 403);
    Ok(())
}

fn lighttpd_guards_an_application_that_learns_the_variables() -> Outcome {
    let gate = Program::serve(&guest("naughty-roles")?, &[]);
    let app = Program::serve(&guest("naughty-cgi")?, &["--mount", "/private/allow"]);
    let (gate, app) = (gate.socket(), app.socket());
    let lighttpd = lighttpd::start(&format!(
        r#"server.modules += ("mod_fastcgi")
        fastcgi.server = ("/private" => (
            "gate" => ("socket" => "{}", "mode" => "authorizer", "check-local" => "disable"),
            "app" => ("socket" => "{}", "mode" => "responder", "check-local" => "disable")))"#,
        gate.display(),
        app.display()
    ))?;
    let reply = lighttpd.connect().get("/private/allow");
    let text = reply.text();
    assert_eq!(reply.head.status, 200, "{text}");
    assert!(text.contains("\nREMOTE_USER=alice\n"), "{text}");
    assert!(text.contains("\nX_FOO=bar\n"), "{text}");
    // The application gets the body that the authorizer did not.
    let reply = lighttpd
        .connect()
        .post("/private/allow/upload", &[b'x'; 100_000]);
    assert_eq!(reply.text(), "100000 bytes\n");
    check_kept_out(&lighttpd.connect().get("/private/trap"), "trap");
    Ok(())
}

fn conformance_27_lighttpd_never_lets_pass_what_fails() -> Outcome {
    let program = Program::serve(&guest("naughty-roles")?, LIMITS);
    let lighttpd = lighttpd_with(&program.socket())?;
    for path in REFUSED {
        check_kept_out(&lighttpd.connect().get(path), path);
        let head = format!("HEAD {path} HTTP/1.1\r\nHost: h\r\n\r\n");
        let mut client = lighttpd.connect();
        client.send(&head);
        check_kept_out(&client.reply(true), path);
    }
    // Nobody there who could judge: no such role, and no application at all.
    let hello = Program::serve(&guest("hello")?, &[]);
    let no_role = lighttpd_with(&hello.socket())?;
    check_kept_out(&no_role.connect().get("/private/allow"), "no such role");
    drop(hello);
    let gone = no_role.connect().get("/private/allow");
    check_kept_out(&gone, "gone");
    assert_eq!(gone.head.status, 503);
    let crowded = Program::serve(&guest("naughty-roles")?, CROWDED);
    let lighttpd = lighttpd_with(&crowded.socket())?;
    check_overloaded(&crowded, || lighttpd.connect().get("/private/allow"));
    Ok(())
}

/// An authorizer that does not wait long for its requests when it is told to
/// stop.
const STOPPED: &[&str] = &["--timeout", "1h", "--drain-timeout", "100ms"];

/// Ends the authorizer, in either way, while it judges.
#[track_caller]
fn check_ended(program: &mut Program, signal: Signal, mut client: Client<TcpStream>) {
    client.send("GET /private/sleep HTTP/1.1\r\nHost: h\r\nAuthorization: Basic YWRhOnB3\r\n\r\n");
    // It has begun to judge when it says so.
    program.wait_for_log("judging");
    program.signal(signal);
    check_kept_out(&client.reply(false), "the authorizer ended");
    program.wait();
}

fn conformance_27_lighttpd_lets_nobody_pass_when_the_server_ends() -> Outcome {
    for signal in [Signal::TERM, Signal::KILL] {
        let mut program = Program::serve(&guest("naughty-roles")?, STOPPED);
        let lighttpd = lighttpd_with(&program.socket())?;
        check_ended(&mut program, signal, lighttpd.connect());
        let after = lighttpd.connect().get("/private/allow");
        check_kept_out(&after, "nobody there");
    }
    Ok(())
}

/// Serves over TCP: mod_authnz_fcgi takes nothing else.
fn over_tcp(app: &str, arguments: &[&str]) -> Result<(Program, u16), Skip> {
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let arguments = [&["--listen", &address], arguments].concat();
    Ok((Program::serve(&guest(app)?, &arguments), port))
}

/// As provider of authentication and authorization.
const AUTHNZ: &str = r#"<Location "/private">
        AuthType Basic
        AuthName "private"
        AuthBasicProvider GATE
        Require GATE
    </Location>"#;

/// As whoever authenticates without a password.
const CHECK: &str = r#"<Location "/private">
        AuthType None
        AuthName "private"
        AuthnzFcgiCheckAuthnProvider GATE Authoritative On RequireBasicAuth Off UserExpr "%{reqenv:REMOTE_USER}"
        Require valid-user
    </Location>"#;

fn apache_with(port: u16, kind: &str, location: &str, site: &str) -> Result<Daemon, Skip> {
    let server = format!("AuthnzFcgiDefineProvider {kind} GATE fcgi://127.0.0.1:{port}/");
    let apache = apache::start_with(&server, &format!("{location}\n{site}"))?;
    hide(&apache.path("files"), REFUSED);
    hide(&apache.path("files"), &["/private/allow"]);
    Ok(apache)
}

/// One GET with a name and a password, which Apache wants to see before it asks.
#[track_caller]
fn get_as_ada<S: Read + Write>(client: &mut Client<S>, path: &str) -> Reply {
    client.send(&format!(
        "GET {path} HTTP/1.1\r\nHost: test.example\r\nAuthorization: Basic YWRhOnB3\r\n\r\n"
    ));
    client.reply(false)
}

fn apache_guards_files() -> Outcome {
    let (_program, port) = over_tcp("naughty-roles", &[])?;
    let apache = apache_with(port, "authnz", AUTHNZ, "")?;
    let reply = get_as_ada(&mut apache.connect(), "/private/allow");
    let log = apache.error_log();
    assert_eq!(
        (reply.head.status, reply.text().as_str()),
        (200, SECRET),
        "{log}"
    );
    assert_eq!(apache.connect().get("/private/allow").head.status, 401);
    let reply = get_as_ada(&mut apache.connect(), "/private/deny");
    assert_eq!(reply.head.status, 401);
    let apache = apache_with(port, "authn", CHECK, "")?;
    let reply = apache.connect().get("/private/allow");
    let log = apache.error_log();
    assert_eq!(
        (reply.head.status, reply.text().as_str()),
        (200, SECRET),
        "{log}"
    );
    let reply = apache.connect().get("/private/deny");
    assert_eq!(
        (reply.head.status, reply.text().as_str()),
        (403, "Members only.\n")
    );
    let reply = apache.connect().get("/private/allow/../deny");
    assert_eq!(reply.head.status, 403);
    Ok(())
}

fn apache_guards_an_application_that_learns_the_variables() -> Outcome {
    let (_gate, gate_port) = over_tcp("naughty-roles", &[])?;
    let (_app, app_port) = over_tcp("naughty-cgi", &["--mount", "/private/allow"])?;
    let site = format!("ProxyPass /private/allow fcgi://127.0.0.1:{app_port}/private/allow");
    for (kind, location) in [("authnz", AUTHNZ), ("authn", CHECK)] {
        let apache = apache_with(gate_port, kind, location, &site)?;
        let reply = get_as_ada(&mut apache.connect(), "/private/allow");
        let text = reply.text();
        assert_eq!(reply.head.status, 200, "{text} {}", apache.error_log());
        let user = if kind == "authnz" { "ada" } else { "alice" };
        assert!(
            text.contains(&format!("\nREMOTE_USER={user}\n")),
            "{kind}: {text}"
        );
        assert!(text.contains("\nX-Foo=bar\n"), "{kind}: {text}");
    }
    Ok(())
}

fn conformance_27_apache_never_lets_pass_what_fails() -> Outcome {
    let (_program, port) = over_tcp("naughty-roles", LIMITS)?;
    let (_hello, hello_port) = over_tcp("hello", &[])?;
    let (crowded, crowded_port) = over_tcp("naughty-roles", CROWDED)?;
    for (kind, location) in [("authnz", AUTHNZ), ("authn", CHECK)] {
        let apache = apache_with(port, kind, location, "")?;
        for path in REFUSED {
            check_kept_out(&get_as_ada(&mut apache.connect(), path), path);
        }
        let apache = apache_with(hello_port, kind, location, "")?;
        let reply = get_as_ada(&mut apache.connect(), "/private/allow");
        check_kept_out(&reply, "no such role");
        let apache = apache_with(crowded_port, kind, location, "")?;
        check_overloaded(&crowded, || {
            get_as_ada(&mut apache.connect(), "/private/allow")
        });
        let apache = apache_with(free_port(), kind, location, "")?;
        let reply = get_as_ada(&mut apache.connect(), "/private/allow");
        check_kept_out(&reply, "nobody there");
        assert_eq!(reply.head.status, 500);
    }
    Ok(())
}

fn conformance_27_apache_lets_nobody_pass_when_the_server_ends() -> Outcome {
    for signal in [Signal::TERM, Signal::KILL] {
        for (kind, location) in [("authnz", AUTHNZ), ("authn", CHECK)] {
            let (mut program, port) = over_tcp("naughty-roles", STOPPED)?;
            let apache = apache_with(port, kind, location, "")?;
            check_ended(&mut program, signal, apache.connect());
            let after = get_as_ada(&mut apache.connect(), "/private/allow");
            check_kept_out(&after, "nobody there");
        }
    }
    Ok(())
}

/// Apache with an authorizer that mod_fcgid starts, and its script's folder.
fn fcgid_with(app: &str, flags: &str) -> Result<(Daemon, TempDir), Skip> {
    let app = guest(app)?;
    let cache = script::cache(&app)?;
    let folder = open_folder();
    let gate = folder.path().join("gate.fcgi");
    let program = env!("CARGO_BIN_EXE_fcgi-wasm");
    let (app, cache) = (app.display(), cache.display());
    let text = format!("#!/bin/sh\nexec {program} serve {app} --cache {cache} {flags}\n");
    script::write(&gate, &text);
    let apache = apache::start(&format!(
        r#"<Directory "@FOLDER@/files/private">
            FcgidAccessChecker "{}"
            FcgidAccessCheckerAuthoritative On
        </Directory>"#,
        gate.display()
    ))?;
    hide(&apache.path("files"), REFUSED);
    hide(&apache.path("files"), &["/private/allow"]);
    Ok((apache, folder))
}

fn mod_fcgid_guards_files() -> Outcome {
    let (apache, _folder) = fcgid_with("naughty-roles", "")?;
    let reply = apache.connect().get("/private/allow");
    let log = apache.error_log();
    assert_eq!(
        (reply.head.status, reply.text().as_str()),
        (200, SECRET),
        "{log}"
    );
    // Each no is a 401 of its own, whatever the authorizer's response was.
    let reply = apache.connect().get("/private/deny");
    check_kept_out(&reply, "deny");
    assert_eq!(reply.head.status, 401);
    let reply = apache.connect().get("/private/allow/../deny");
    check_kept_out(&reply, "deny by detour");
    Ok(())
}

fn conformance_27_mod_fcgid_never_lets_pass_what_fails() -> Outcome {
    let (apache, _folder) = fcgid_with("naughty-roles", &LIMITS.join(" "))?;
    for path in REFUSED {
        check_kept_out(&apache.connect().get(path), path);
    }
    let (no_role, _folder) = fcgid_with("hello", "")?;
    check_kept_out(&no_role.connect().get("/private/allow"), "no such role");
    let (gone, folder) = fcgid_with("naughty-roles", "")?;
    script::write(&folder.path().join("gate.fcgi"), "#!/bin/sh\nexit 1\n");
    check_kept_out(&gone.connect().get("/private/allow"), "does not start");
    Ok(())
}
