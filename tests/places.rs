//! Where the program listens, and how it stops.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::process::Stdio;

use rustix::process::Signal;

use crate::support::guest_build::guest;
use crate::support::http_client::Client;
use crate::support::process::{Program, command};
use crate::support::setting::setting;
use crate::support::web_server::*;
use crate::support::{Outcome, PATIENCE, wait_until};

tests![
    several_places_at_once,
    a_socket_has_the_mode_and_owner_that_were_asked_for,
    conformance_76_a_listening_socket_on_fd_0_is_used,
    conformance_77_systemds_sockets_are_used,
    conformance_80_an_inherited_sockets_file_is_left_alone,
    conformance_82_each_stop_signal_drains_and_removes_the_socket,
    conformance_82_work_after_the_answer_is_let_finish,
    conformance_86_no_home_is_no_problem,
    conformance_82_a_signal_while_compiling_stops_too,
    conformance_82_a_second_signal_stops_at_once,
    conformance_73_running_out_of_file_descriptors_passes,
    conformance_81_closed_standard_streams_are_no_problem,
    http_for_development_serves_the_same_app,
];

/// The address that the log names, such as `listening on 127.0.0.1:4711`.
fn logged_address(program: &Program) -> String {
    let find = || {
        let log = program.log();
        let lines = log
            .lines()
            .filter_map(|line| line.split("listening on ").nth(1));
        lines
            .map(str::to_owned)
            .find(|place| place.starts_with("127.0.0.1:"))
    };
    wait_until("an address is logged", || find().is_some());
    find().expect("an address")
}

fn several_places_at_once() -> Outcome {
    let program = Program::serve(&guest("hello")?, &["--listen", "127.0.0.1:0"]);
    assert_eq!(program.ask(&get(1, "/", false)).status(), 200);
    let mut tcp = TcpStream::connect(logged_address(&program)).expect("connected");
    tcp.write_all(&get(1, "/x", false)).expect("sent");
    let mut answer = Vec::new();
    tcp.read_to_end(&mut answer).expect("an answer");
    assert!(String::from_utf8_lossy(&answer).contains("Hello from /x"));
    Ok(())
}

fn a_socket_has_the_mode_and_owner_that_were_asked_for() -> Outcome {
    let app = guest("hello")?;
    let program = setting(&app, &["serve"]).start();
    let meta = fs::metadata(program.socket()).expect("a socket");
    assert_eq!(meta.permissions().mode() & 0o777, 0o660);
    let group = meta.gid().to_string();
    let arguments = ["serve", "--socket-mode", "0606", "--socket-group", &group];
    let program = setting(&app, &arguments).start();
    let meta = fs::metadata(program.socket()).expect("a socket");
    assert_eq!(meta.permissions().mode() & 0o777, 0o606);
    Ok(())
}

fn conformance_76_a_listening_socket_on_fd_0_is_used() -> Outcome {
    let app = guest("hello")?;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s");
    let listener = UnixListener::bind(&path).expect("bound");
    let mut serve = command(&["serve"]);
    serve.arg(&app).stdin(Stdio::from(OwnedFd::from(listener)));
    let mut program = Program::start(serve, folder);
    assert_eq!(program.ask(&get(1, "/", false)).status(), 200);
    program.signal(Signal::TERM);
    assert!(program.wait().success());
    assert!(path.exists(), "conformance_80: it is not ours to remove");
    Ok(())
}

fn conformance_77_systemds_sockets_are_used() -> Outcome {
    let app = guest("hello")?;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s");
    let listener = UnixListener::bind(&path).expect("bound");
    let program = env!("CARGO_BIN_EXE_fcgi-wasm");
    // A shell puts the socket where systemd would, and knows the process id.
    let line =
        "exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" serve \"$1\" --no-cache";
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", line, program]).arg(&app);
    shell.stdin(Stdio::from(OwnedFd::from(
        listener.try_clone().expect("cloned"),
    )));
    let program = Program::start(shell, folder);
    assert_eq!(program.ask(&get(1, "/", false)).status(), 200);
    drop(program);
    // Meant for another process: there is nowhere to listen then.
    let mut other = command(&["serve"]);
    other
        .arg(&app)
        .env("LISTEN_FDS", "1")
        .env("LISTEN_PID", "1");
    let output = other.output().expect("started");
    assert!(String::from_utf8_lossy(&output.stderr).contains("nowhere to listen"));
    Ok(())
}

fn conformance_80_an_inherited_sockets_file_is_left_alone() -> Outcome {
    // Another server may have taken the place of our socket meanwhile.
    let mut program = Program::serve(&guest("hello")?, &[]);
    fs::remove_file(program.socket()).expect("removed");
    let _other = UnixListener::bind(program.socket()).expect("bound");
    program.signal(Signal::TERM);
    assert!(program.wait().success());
    assert!(program.socket().exists());
    Ok(())
}

fn conformance_82_each_stop_signal_drains_and_removes_the_socket() -> Outcome {
    for signal in [Signal::TERM, Signal::INT, Signal::QUIT, Signal::USR1] {
        let mut program = Program::serve(&guest("naughty")?, &[]);
        let mut idle = program.connect();
        assert_eq!(idle.ask(1, &get(1, "/hello", true)).status(), 200);
        let mut busy = program.connect();
        busy.send(&post_head(1, "/early", 5, true));
        assert_eq!(busy.read_record().expect("it runs").kind, STDOUT);
        program.signal(signal);
        wait_until("the socket is removed", || !program.socket().exists());
        assert!(idle.is_closed());
        assert!(program.is_running());
        busy.send(&stdin(1, b"rest\n"));
        assert_eq!(busy.answer(1).stdout, b"rest\n");
        assert!(program.wait().success(), "{signal:?}");
    }
    Ok(())
}

fn conformance_82_work_after_the_answer_is_let_finish() -> Outcome {
    let mut program = Program::serve(&guest("naughty")?, &[]);
    assert_eq!(program.ask(&get(1, "/work-on", false)).text(), "answered\n");
    program.signal(Signal::TERM);
    assert!(program.wait().success());
    assert!(program.log().contains("worked on"), "{}", program.log());
    Ok(())
}

fn conformance_86_no_home_is_no_problem() -> Outcome {
    let app = guest("hello")?;
    for home in [None, Some("/proc")] {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("s");
        let mut serve = command(&["serve"]);
        serve.arg(&app).arg("--socket").arg(&socket).env_clear();
        serve.envs(home.map(|home| ("HOME", home)));
        let program = Program::start(serve, folder);
        wait_until("it listens", || socket.exists());
        assert_eq!(program.ask(&get(1, "/", false)).status(), 200);
        program.wait_for_log("--cache");
    }
    Ok(())
}

fn conformance_82_a_signal_while_compiling_stops_too() -> Outcome {
    let app = guest("axum-example")?;
    for _ in 0..3 {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("s");
        let mut serve = command(&["serve", "--no-cache"]);
        serve.arg(&app).arg("--socket").arg(&socket);
        let mut program = Program::start(serve, folder);
        wait_until("it listens", || socket.exists());
        program.signal(Signal::TERM);
        assert!(program.wait().success());
        assert!(!socket.exists());
    }
    Ok(())
}

fn conformance_82_a_second_signal_stops_at_once() -> Outcome {
    let mut program = Program::serve(&guest("naughty")?, &[]);
    let mut busy = program.connect();
    busy.send(&post_head(1, "/early", 5, true));
    assert_eq!(busy.read_record().expect("it runs").kind, STDOUT);
    program.signal(Signal::TERM);
    program.wait_for_log("a second signal stops at once");
    wait_until("it ends", || {
        // The first ones count as one with what went before.
        program.signal(Signal::TERM);
        !program.is_running()
    });
    assert!(program.wait().success(), "conformance_85: it was asked to");
    program.wait_for_log("stopped at once");
    // Or the time for draining ends.
    let mut program = Program::serve(&guest("naughty")?, &["--drain-timeout", "200ms"]);
    let mut busy = program.connect();
    busy.send(&post_head(1, "/early", 5, true));
    assert_eq!(busy.read_record().expect("it runs").kind, STDOUT);
    program.signal(Signal::TERM);
    assert!(program.wait().success());
    program.wait_for_log("--drain-timeout");
    Ok(())
}

fn conformance_73_running_out_of_file_descriptors_passes() -> Outcome {
    let app = guest("hello")?;
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("s");
    let program = env!("CARGO_BIN_EXE_fcgi-wasm");
    let line = "ulimit -n 40; exec \"$0\" serve \"$1\" --socket \"$2\" --no-cache";
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", line, program]).arg(&app).arg(&socket);
    let program = Program::start(shell, folder);
    wait_until("it listens", || socket.exists());
    let mut peers: Vec<Peer> = (0..60).map(|_| program.connect()).collect();
    program.wait_for_log("cannot accept a connection, trying again");
    // Those that were accepted work, and the others as soon as there is room.
    assert_eq!(peers[0].ask(1, &get(1, "/", true)).status(), 200);
    let mut last = peers.pop().expect("a peer");
    last.send(&get(1, "/", true));
    peers.clear();
    assert_eq!(last.answer(1).status(), 200);
    Ok(())
}

fn conformance_81_closed_standard_streams_are_no_problem() -> Outcome {
    let app = guest("naughty")?;
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("s");
    let program = env!("CARGO_BIN_EXE_fcgi-wasm");
    let line = "exec \"$0\" serve \"$1\" --socket \"$2\" --no-cache <&- >&- 2>&-";
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", line, program]).arg(&app).arg(&socket);
    let mut program = Program::start(shell, folder);
    wait_until("it listens", || socket.exists());
    for path in ["/hello", "/trap", "/log/10", "/hello"] {
        let answer = program.ask(&get(1, path, false));
        assert!(answer.status() == 200 || path == "/trap", "{path}");
    }
    assert!(program.is_running());
    Ok(())
}

fn http_for_development_serves_the_same_app() -> Outcome {
    let program = Program::serve(&guest("naughty")?, &["--http", "127.0.0.1:0"]);
    let address = logged_address(&program);
    let connect = || {
        let stream = TcpStream::connect(&address).expect("connected");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Client::over(stream)
    };
    let mut client = connect();
    assert_eq!(client.get("/hello").text(), "hello\n");
    assert_eq!(client.get("/count").text(), "1\n");
    let params = client.get("/params/a%20b?q=1").text();
    for expected in [
        "PATH_INFO=/params/a b\n",
        "QUERY_STRING=q=1\n",
        "REMOTE_ADDR=127.0.0.1\n",
    ] {
        assert!(params.contains(expected), "{expected:?} in {params}");
    }
    assert_eq!(client.get("/target/a%2Fb?").text(), "/target/a%2Fb?");
    assert_eq!(
        client.post("/upload", &[1; 100_000]).text(),
        "100000 bytes, sum 100000\n"
    );
    assert_eq!(client.get("/trap").head.status, 502);
    assert_eq!(client.get("/hello").text(), "hello\n");
    client.send("HEAD /hello HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.reply(true).head.field("content-length"), Some("6"));
    // A streamed answer that breaks off is not taken for a whole one.
    let mut half = TcpStream::connect(&address).expect("connected");
    let request = b"GET /half HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    half.write_all(request).expect("sent");
    let mut answer = Vec::new();
    let _ = half.read_to_end(&mut answer);
    assert!(!answer.ends_with(b"0\r\n\r\n"));
    let mut early = connect();
    early.send("POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(early.head().status, 200);
    early.read_chunks_until("first\n");
    early.send("rest\n");
    early.read_chunks_until("rest\n");
    Ok(())
}
