//! The manual's page about what web servers log when something is wrong: each
//! line that it quotes is one that the web server really writes.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::{fs, thread};

use tempfile::TempDir;

use crate::support::daemon::{Daemon, open_folder, unprivileged};
use crate::support::guest_build::guest;
use crate::support::process::{Program, run};
use crate::support::web_server::{END_REQUEST, STDOUT, record};
use crate::support::{Outcome, Skip, apache, caddy, haproxy, lighttpd, wait_until};

tests![
    a_missing_socket_is_logged_as_the_page_says,
    a_socket_without_a_server_is_logged_as_the_page_says,
    a_socket_out_of_reach_is_logged_as_the_page_says,
    a_large_head_is_logged_as_the_page_says,
    a_slow_answer_is_logged_as_the_page_says,
    a_server_that_ends_is_logged_as_the_page_says,
    an_answer_without_a_head_is_logged_as_the_page_says,
    a_failed_application_is_logged_as_the_page_says,
    a_large_upload_is_logged_as_the_page_says,
    missing_params_are_logged_as_the_page_says,
    another_protocol_is_logged_as_the_page_says,
    a_start_that_fails_says_what_the_page_says,
    all_sections_are_tested,
];

const PAGE: &str = include_str!("../host/docs/troubleshooting.md");

/// The sections of the page that quote a log.
const SECTIONS: &[&str] = &[
    "The socket is not there",
    "Nobody listens on the socket",
    "The web server may not connect",
    "The answer's head is too large",
    "The web server did not wait long enough",
    "The server went away in the middle",
    "The answer is no CGI response",
    "The application failed",
    "The upload is too large for the web server",
    "400 for every request",
    "Something else than FastCGI is spoken",
    "It does not start",
];

/// Each quoted line of a section: who logs it, and what.
#[track_caller]
fn quotes(section: &str) -> Vec<(&'static str, &'static str)> {
    assert!(SECTIONS.contains(&section));
    let heading = format!("\n## {section}\n");
    let (_, text) = PAGE.split_once(&heading).expect("the section");
    let text = text.split("\n## ").next().unwrap_or_default();
    let (_, block) = text.split_once("```log\n").expect("a log");
    let (block, _) = block.split_once("```").expect("its end");
    let quote = |line: &'static str| line.split_once(' ').expect("who and what");
    block
        .lines()
        .map(quote)
        .map(|(who, what)| (who, what.trim_start()))
        .collect()
}

/// Lets each web server that the section quotes ask for a path, and waits for
/// the line in its log.
#[track_caller]
fn check(section: &str, socket: &Path, path: &str) -> Outcome {
    check_with(section, socket, |daemon| ask(daemon, path))
}

fn check_with(section: &str, socket: &Path, provoke: impl Fn(&Daemon)) -> Outcome {
    let mut running: Vec<(&str, Daemon)> = Vec::new();
    for (server, quote) in quotes(section) {
        if server == "fcgi-wasm" {
            continue;
        }
        if running.iter().all(|(known, _)| *known != server) {
            let daemon = start(server, socket)?;
            provoke(&daemon);
            running.push((server, daemon));
        }
        let (_, daemon) = running.last().expect("one that runs");
        let quote = quote.replace("/run/app.sock", &socket.display().to_string());
        let what = format!("{server} logs {quote:?}");
        wait_until(&what, || daemon.error_log().contains(&quote));
    }
    Ok(())
}

/// One GET, whatever comes of it.
fn ask(daemon: &Daemon, path: &str) {
    let mut stream = std::net::TcpStream::connect(daemon.address()).expect("connected");
    let request = format!("GET {path} HTTP/1.1\r\nHost: test.example\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let _ = stream.read_to_end(&mut Vec::new());
}

/// A web server that passes all to this socket, and waits for a second only.
fn start(server: &str, socket: &Path) -> Result<Daemon, Skip> {
    let socket = socket.display();
    let user = |line: &str| unprivileged().map_or(String::new(), |user| line.replace("USER", user));
    match server {
        "nginx" => {
            let pass = format!("fastcgi_pass unix:{socket};");
            start_nginx(&pass)
        }
        "Apache" => apache::start(&format!(
            "ProxyPass \"/\" \"unix:{socket}|fcgi://app/\" timeout=1"
        )),
        "lighttpd" => lighttpd::start(&format!(
            "server.modules = (\"mod_fastcgi\")\n{}\nfastcgi.server = (\"/\" => ((\"socket\" => \
             \"{socket}\", \"check-local\" => \"disable\", \"fix-root-scriptname\" => \"enable\", \
             \"read-timeout\" => 1)))",
            user("server.username = \"USER\"\nserver.groupname = \"USER\"")
        )),
        "Caddy" => caddy::start(&format!(
            "http://:@PORT@ {{\n bind 127.0.0.1\n reverse_proxy unix/{socket} {{\n  transport \
             fastcgi {{\n   read_timeout 1s\n  }}\n }}\n}}"
        )),
        "HAProxy" => haproxy::start(&format!(
            "global\n log stdout format raw local0\ndefaults\n mode http\n log global\n option \
             httplog\n timeout connect 5s\n timeout client 30s\n timeout server 1s\nfcgi-app app\n \
             log-stderr global\n docroot /\n path-info ^()(/.*)$\nfrontend web\n bind \
             127.0.0.1:@PORT@\n default_backend app\nbackend app\n use-fcgi-app app\n server app \
             unix@{socket} proto fcgi\n"
        )),
        other => panic!("the page quotes {other}, which nobody here can start"),
    }
}

fn start_nginx(pass: &str) -> Result<Daemon, Skip> {
    let user = unprivileged().map_or(String::new(), |user| format!("user {user};"));
    let configuration = format!(
        "{user} daemon off; worker_processes 1; pid @FOLDER@/pid; error_log @FOLDER@/error.log;
        events {{ worker_connections 64; }}
        http {{ access_log off;
            client_body_temp_path @FOLDER@/body; fastcgi_temp_path @FOLDER@/fastcgi;
            proxy_temp_path @FOLDER@/proxy; scgi_temp_path @FOLDER@/scgi;
            uwsgi_temp_path @FOLDER@/uwsgi;
            server {{ listen 127.0.0.1:@PORT@; server_name test.example;
                location / {{ include /etc/nginx/fastcgi_params;
                    fastcgi_param PATH_INFO $fastcgi_script_name; fastcgi_param SCRIPT_NAME \"\";
                    fastcgi_read_timeout 1s; {pass} }} }} }}"
    );
    let arguments = ["-c", "@FOLDER@/configuration", "-e", "@FOLDER@/error.log"];
    Daemon::start("nginx", &arguments, &configuration, Daemon::has_port)
}

/// A server that reads a request and then does something wrong.
struct Faulty {
    folder: TempDir,
}

impl Faulty {
    fn serve(answer: impl Fn(&mut UnixStream) + Send + 'static) -> Self {
        let folder = open_folder();
        let listener = UnixListener::bind(folder.path().join("s")).expect("bound");
        set_mode(&folder.path().join("s"), 0o666);
        // Ends with the process of the tests.
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                read_request(&mut stream);
                answer(&mut stream);
            }
        });
        Self { folder }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("s")
    }
}

/// Reads up to the empty STDIN record.
fn read_request(stream: &mut UnixStream) {
    let mut header = [0; 8];
    while stream.read_exact(&mut header).is_ok() {
        let content = usize::from(u16::from_be_bytes([header[4], header[5]]));
        let mut rest = vec![0; content + usize::from(header[6])];
        if stream.read_exact(&mut rest).is_err() || (header[1] == 5 && content == 0) {
            return;
        }
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
}

/// An answer of these bytes, and its end.
fn answer(stream: &mut UnixStream, bytes: &[u8]) {
    for piece in bytes.chunks(60_000) {
        let _ = stream.write_all(&record(STDOUT, 1, piece));
    }
    let end = [record(STDOUT, 1, &[]), record(END_REQUEST, 1, &[0; 8])].concat();
    let _ = stream.write_all(&end);
}

fn a_missing_socket_is_logged_as_the_page_says() -> Outcome {
    let folder = open_folder();
    check(SECTIONS[0], &folder.path().join("s"), "/")
}

fn a_socket_without_a_server_is_logged_as_the_page_says() -> Outcome {
    let folder = open_folder();
    let socket = folder.path().join("s");
    drop(UnixListener::bind(&socket).expect("bound"));
    set_mode(&socket, 0o666);
    check(SECTIONS[1], &socket, "/")
}

fn a_socket_out_of_reach_is_logged_as_the_page_says() -> Outcome {
    if unprivileged().is_none() {
        return Err(Skip("only root can shut the web server out".to_owned()));
    }
    let folder = open_folder();
    let socket = folder.path().join("s");
    let _listener = UnixListener::bind(&socket).expect("bound");
    set_mode(&socket, 0o600);
    check(SECTIONS[2], &socket, "/")
}

fn a_large_head_is_logged_as_the_page_says() -> Outcome {
    let faulty = Faulty::serve(|stream| {
        let head = format!("Status: 200 OK\r\nX-Big: {}\r\n\r\n", "v".repeat(70_000));
        answer(stream, head.as_bytes());
    });
    check(SECTIONS[3], &faulty.socket(), "/")
}

fn a_slow_answer_is_logged_as_the_page_says() -> Outcome {
    let faulty = Faulty::serve(|stream| {
        // Until the web server hangs up.
        let _ = stream.read(&mut [0]);
    });
    check(SECTIONS[4], &faulty.socket(), "/")
}

fn a_server_that_ends_is_logged_as_the_page_says() -> Outcome {
    // The stream is closed once this returns.
    let faulty = Faulty::serve(|_| {});
    check(SECTIONS[5], &faulty.socket(), "/")
}

fn an_answer_without_a_head_is_logged_as_the_page_says() -> Outcome {
    let faulty = Faulty::serve(|stream| answer(stream, b"this is no head\n\nbody"));
    check(SECTIONS[6], &faulty.socket(), "/")
}

/// The program; Apache needs the mount, being configured without a recipe.
fn naughty() -> Result<Program, Skip> {
    Ok(Program::serve(&guest("naughty")?, &["--mount", "/"]))
}

fn a_failed_application_is_logged_as_the_page_says() -> Outcome {
    let program = naughty()?;
    check(SECTIONS[7], &program.socket(), "/fail")?;
    let (_, quote) = *quotes(SECTIONS[7]).last().expect("ours");
    program.wait_for_log(quote);
    Ok(())
}

fn a_large_upload_is_logged_as_the_page_says() -> Outcome {
    let program = naughty()?;
    check_with(SECTIONS[8], &program.socket(), |daemon| {
        let reply = daemon.connect().post("/upload", &vec![b'x'; 2_000_000]);
        assert_eq!(reply.head.status, 413);
    })
}

fn missing_params_are_logged_as_the_page_says() -> Outcome {
    let program = naughty()?;
    let pass = format!(
        "}} location /bare {{ fastcgi_pass unix:{};",
        program.socket().display()
    );
    let nginx = start_nginx(&format!("return 204; {pass}"))?;
    let reply = nginx.connect().get("/bare");
    assert_eq!(reply.head.status, 400);
    for (who, quote) in quotes(SECTIONS[9]) {
        match who {
            "nginx" => wait_until(quote, || nginx.error_log().contains(quote)),
            _ => program.wait_for_log(quote),
        }
    }
    Ok(())
}

fn another_protocol_is_logged_as_the_page_says() -> Outcome {
    let program = naughty()?;
    let pass = format!(
        "}} location /http {{ proxy_pass http://unix:{}:/;",
        program.socket().display()
    );
    let nginx = start_nginx(&format!("return 204; {pass}"))?;
    assert_eq!(nginx.connect().get("/http").head.status, 502);
    for (who, quote) in quotes(SECTIONS[10]) {
        match who {
            "nginx" => wait_until(&format!("{quote}: {}", nginx.error_log()), || {
                nginx.error_log().contains(quote)
            }),
            _ => program.wait_for_log(quote),
        }
    }
    Ok(())
}

fn a_start_that_fails_says_what_the_page_says() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("s");
    let socket = socket.to_str().expect("text");
    let app = guest("hello")?;
    let app = app.to_str().expect("text");
    let no_app = folder.path().join("text.wasm");
    fs::write(&no_app, "text").expect("written");
    let no_app = no_app.to_str().expect("text");
    let program = Program::serve(Path::new(app), &[]);
    let taken = program.socket();
    let taken = taken.to_str().expect("text");
    let starts: [&[&str]; 5] = [
        &["serve", app],
        &["serve", app, "--socket", taken],
        &["serve", app, "--socket", "/nonexistent/app.sock"],
        &["serve", "/nonexistent/app.wasm", "--socket", socket],
        &["serve", no_app, "--socket", socket],
    ];
    let quotes = quotes(SECTIONS[11]);
    assert_eq!(quotes.len(), starts.len());
    for ((_, quote), start) in quotes.iter().zip(starts) {
        let output = run(start);
        assert_eq!(output.status.code(), Some(1), "{start:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(quote), "{quote:?} in {said}");
    }
    Ok(())
}

fn all_sections_are_tested() -> Outcome {
    let logs = PAGE.matches("```log\n").count();
    assert_eq!(logs, SECTIONS.len(), "each quoted log has a test");
    SECTIONS
        .iter()
        .for_each(|section| assert!(!quotes(section).is_empty()));
    Ok(())
}
