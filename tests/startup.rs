//! What the program makes of how it was started: its environment, its file
//! descriptors, its signals.

use std::fs::{self, File};
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use crate::support::guest_build::guest;
use crate::support::process::{Program, command, run};
use crate::support::setting::{complaint, setting};
use crate::support::started::PROGRAM;
use crate::support::web_server::*;
use crate::support::{Outcome, PATIENCE, wait_until};

tests![
    conformance_76_whatever_else_is_on_fd_0_is_named,
    conformance_77_sockets_of_others_and_connections_are_not_taken,
    conformance_78_only_the_web_servers_that_are_named_are_served,
    conformance_78_a_list_that_makes_no_sense_keeps_it_from_starting,
    conformance_79_the_number_of_children_is_nothing_to_us,
    conformance_80_two_share_a_socket_and_leave_it_alone,
    conformance_82_signals_that_kill_others_do_not_kill_it,
    conformance_82_signals_of_several_managers_are_one,
    conformance_82_systemd_is_told_what_happens,
    conformance_85_the_exit_status_tells_failures_from_wishes,
    conformance_86_a_folder_that_is_gone_and_no_environment_are_no_problem,
    conformance_95_beyond_this_machine_clients_have_to_be_named,
];

fn conformance_76_whatever_else_is_on_fd_0_is_named() -> Outcome {
    let app = guest("hello")?;
    let (ours, _theirs) = UnixStream::pair().expect("a pair");
    let inputs = [
        (Stdio::null(), "0, which is a device like /dev/null"),
        (Stdio::piped(), "0, which is a pipe"),
        (
            Stdio::from(File::open(&app).expect("a file")),
            "0, which is a file",
        ),
        (
            Stdio::from(OwnedFd::from(ours)),
            "0, which is a socket that does not listen",
        ),
    ];
    for (input, expected) in inputs {
        let mut nowhere = command(&["serve"]);
        let output = nowhere.arg(&app).stdin(input).output().expect("started");
        let said = complaint(&output);
        assert!(said.contains(expected), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    let mut cgi = command(&["serve"]);
    cgi.arg(&app).env("GATEWAY_INTERFACE", "CGI/1.1");
    let said = complaint(&cgi.output().expect("started"));
    assert!(said.contains("as a CGI program"), "{said}");
    // None of it matters to a server that is told where to listen.
    let mut told = setting(&app, &["serve"]);
    told.serve.stdin(Stdio::piped());
    assert_eq!(told.start().ask(&get(1, "/", false)).status(), 200);
    Ok(())
}

fn conformance_77_sockets_of_others_and_connections_are_not_taken() -> Outcome {
    let app = guest("hello")?;
    let (ours, _theirs) = UnixStream::pair().expect("a pair");
    let ours = OwnedFd::from(ours);
    for (variables, expected) in [
        ("LISTEN_FDS=1", "nowhere to listen"),
        ("LISTEN_FDS=1 LISTEN_PID=", "nowhere to listen"),
        ("LISTEN_FDS=1 LISTEN_PID=1", "nowhere to listen"),
        ("LISTEN_FDS=1 LISTEN_PID=$$", "Accept=yes"),
    ] {
        let line = format!("exec 3<&0 0</dev/null; {variables} exec \"$0\" serve \"$1\"");
        let mut shell = Command::new("sh");
        shell.args(["-c", &line, PROGRAM]).arg(&app);
        shell.stdin(Stdio::from(ours.try_clone().expect("cloned")));
        let said = complaint(&shell.output().expect("started"));
        assert!(said.contains(expected), "{variables}: {said}");
    }
    Ok(())
}

fn conformance_78_only_the_web_servers_that_are_named_are_served() -> Outcome {
    let app = guest("hello")?;
    for (servers, is_served) in [
        ("127.0.0.1", true),
        ("192.0.2.7, 127.0.0.1", true),
        ("192.0.2.7,::1", false),
    ] {
        // A socket of TCP that was passed, and one of our own.
        let passed = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = passed.local_addr().expect("an address");
        let mut setting = setting(&app, &["serve", "--listen", "127.0.0.1:0"]);
        setting.serve.env("FCGI_WEB_SERVER_ADDRS", servers);
        setting.serve.stdin(Stdio::from(OwnedFd::from(passed)));
        let program = setting.start();
        for address in [address, logged_address(&program)] {
            let answer = ask_over_tcp(address);
            assert_eq!(
                answer.contains("Status: 200"),
                is_served,
                "{servers}: {answer}"
            );
            assert!(is_served || answer.is_empty(), "{servers}: {answer}");
        }
        // §3.2: "including the possibility that the connection didn't use
        // TCP/IP transport".
        assert!(program.connect().is_gone(), "{servers}");
        program.wait_for_log("FCGI_WEB_SERVER_ADDRS is set");
    }
    Ok(())
}

/// The address of the TCP socket that it has made itself.
fn logged_address(program: &Program) -> SocketAddr {
    let find = || {
        let log = program.log();
        let mut places = log
            .lines()
            .filter_map(|line| line.split("listening on ").nth(1));
        places.find_map(|place| place.parse().ok())
    };
    wait_until("an address is logged", || find().is_some());
    find().expect("an address")
}

/// The bytes that come back for a GET; none if the connection is refused.
fn ask_over_tcp(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).expect("connected");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut answer = Vec::new();
    // It may be hung up on before, while or after it is sent.
    let _ = stream.write_all(&get(1, "/", false));
    let _ = std::io::Read::read_to_end(&mut stream, &mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn conformance_78_a_list_that_makes_no_sense_keeps_it_from_starting() -> Outcome {
    let app = guest("hello")?;
    for list in ["", "web.example", "10.0.0.0/8", "127.0.0.1;127.0.0.2"] {
        let mut setting = setting(&app, &["serve"]);
        setting.serve.env("FCGI_WEB_SERVER_ADDRS", list);
        let said = complaint(&setting.serve.output().expect("started"));
        assert!(said.contains(&format!("ADDRS is {list:?}")), "{said}");
        assert!(!setting.path("s").exists());
    }
    Ok(())
}

fn conformance_79_the_number_of_children_is_nothing_to_us() -> Outcome {
    let mut setting = setting(&guest("hello")?, &["serve"]);
    setting.serve.env("PHP_FCGI_CHILDREN", "5");
    let program = setting.start();
    assert_eq!(program.ask(&get(1, "/", false)).status(), 200);
    let id = program.id();
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
    assert_eq!(children.expect("running"), "");
    Ok(())
}

fn conformance_80_two_share_a_socket_and_leave_it_alone() -> Outcome {
    let app = guest("hello")?;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s");
    let listener = UnixListener::bind(&path).expect("bound");
    let start = || {
        let mut serve = command(&["serve", "-v"]);
        let socket = listener.try_clone().expect("cloned");
        serve.arg(&app).stdin(Stdio::from(OwnedFd::from(socket)));
        Program::start(serve, tempfile::tempdir().expect("a folder"))
    };
    let mut both = [start(), start()];
    for program in &both {
        program.wait_for_log("listening on");
    }
    // Each connection wakes both, and one finds nothing (EAGAIN).
    let has_served = |program: &Program| program.log().contains("served");
    wait_until("both have served", || {
        let mut peers: Vec<_> = (0..8).map(|_| Peer::connect(&path)).collect();
        for peer in &mut peers {
            peer.send(&get(1, "/", true));
        }
        for peer in &mut peers {
            assert_eq!(peer.answer(1).status(), 200);
        }
        both.iter().all(has_served)
    });
    for program in &mut both {
        assert!(program.is_running());
        assert!(
            !program.log().contains("cannot accept"),
            "{}",
            program.log()
        );
        program.signal(Signal::TERM);
        assert!(program.wait().success());
        assert!(path.exists());
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }
    Ok(())
}

fn conformance_82_signals_that_kill_others_do_not_kill_it() -> Outcome {
    let mut program = Program::serve(&guest("naughty")?, &[]);
    // A reload that comes during another takes its place, so each is waited for.
    for (index, signal) in [Signal::HUP, Signal::USR2].into_iter().enumerate() {
        program.signal(signal);
        wait_until("the reload is done", || {
            program.log().matches("reloaded").count() == index + 1
        });
    }
    for signal in [Signal::PIPE, Signal::XFSZ] {
        program.signal(signal);
        assert_eq!(program.ask(&get(1, "/hello", false)).status(), 200);
    }
    assert!(program.is_running());
    // A log that reaches `ulimit -f` is one that ends, and nothing more. The
    // shell has them ignored, as Supervisor does.
    for trap in ["", "trap '' PIPE XFSZ;"] {
        let line = format!(
            "{trap} ulimit -f 1; exec \"$0\" serve -vv \"$1\" --socket \"$2\" --log \"$3\""
        );
        let folder = tempfile::tempdir().expect("a folder");
        let (socket, log) = (folder.path().join("s"), folder.path().join("app.log"));
        let mut shell = Command::new("sh");
        shell.args(["-c", &line, PROGRAM]).arg(guest("naughty")?);
        let cache = crate::support::started::cache();
        shell.arg(&socket).arg(&log).env("XDG_CACHE_HOME", cache);
        let mut limited = Program::start(shell, folder);
        wait_until("it listens", || socket.exists());
        let is_full = || fs::metadata(&log).is_ok_and(|file| file.len() >= 512);
        wait_until("the log is full", || {
            limited.ask(&get(1, "/hello", false)).status() == 200 && is_full()
        });
        assert_eq!(limited.ask(&get(1, "/hello", false)).status(), 200);
        assert!(limited.is_running());
    }
    Ok(())
}

fn conformance_82_signals_of_several_managers_are_one() -> Outcome {
    let app = guest("naughty")?;
    let is_answered = || {
        let mut program = Program::serve(&app, &[]);
        let mut busy = program.connect();
        busy.send(&post_head(1, "/early", 5, true));
        assert_eq!(busy.read_record().expect("it runs").kind, STDOUT);
        program.signal(Signal::TERM);
        program.wait_for_log("a second signal stops at once");
        program.signal(Signal::USR1);
        // It would end before this is answered.
        wait_until("the socket is removed", || !program.socket().exists());
        std::thread::sleep(Duration::from_millis(100));
        if !program.is_running() {
            return false;
        }
        busy.send(&stdin(1, b"rest\n"));
        assert_eq!(busy.answer(1).stdout, b"rest\n");
        assert!(program.wait().success());
        true
    };
    // A machine so busy that a second lies between the two is not so each time.
    assert!((0..5).any(|_| is_answered()));
    Ok(())
}

fn conformance_82_systemd_is_told_what_happens() -> Outcome {
    let mut setting = setting(&guest("hello")?, &["serve"]);
    let path = setting.path("notify");
    let systemd = UnixDatagram::bind(&path).expect("bound");
    systemd.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    setting.serve.env("NOTIFY_SOCKET", &path);
    setting.serve.env("WATCHDOG_USEC", "200000");
    let mut program = setting.start();
    let next = |expected: &str| loop {
        let mut message = [0; 1000];
        let length = systemd.recv(&mut message).expect("a message");
        let message = String::from_utf8_lossy(&message[..length]).into_owned();
        // It may say that it lives at any time.
        if message.lines().any(|line| line == expected) {
            break message;
        }
        assert_eq!(message.trim(), "WATCHDOG=1", "before {expected}");
    };
    assert!(next("READY=1").contains("STATUS=serving "));
    assert_eq!(program.ask(&get(1, "/", false)).status(), 200);
    next("WATCHDOG=1");
    program.signal(Signal::HUP);
    assert!(next("RELOADING=1").contains("\nMONOTONIC_USEC="));
    next("READY=1");
    program.signal(Signal::TERM);
    next("STOPPING=1");
    assert!(program.wait().success());
    Ok(())
}

fn conformance_85_the_exit_status_tells_failures_from_wishes() -> Outcome {
    let mut program = Program::serve(&guest("naughty")?, &["--timeout", "200ms"]);
    for path in ["/trap", "/spin", "/grow", "/exit/3", "/hello"] {
        program.ask(&get(1, path, false));
    }
    assert!(program.is_running(), "what guests do is no end");
    program.signal(Signal::TERM);
    assert_eq!(program.wait().code(), Some(0));
    for (arguments, expected) in [
        (
            &["serve", "/nonexistent.wasm", "--listen", "127.0.0.1:0"] as &[&str],
            1,
        ),
        (&["serve"], 2),
        (&["sevre", "app.wasm"], 2),
    ] {
        assert_eq!(
            run(arguments).status.code(),
            Some(expected),
            "{arguments:?}"
        );
    }
    Ok(())
}

fn conformance_86_a_folder_that_is_gone_and_no_environment_are_no_problem() -> Outcome {
    let app = guest("hello")?;
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("s");
    let line = "mkdir \"$1/gone\"; cd \"$1/gone\"; rmdir \"$1/gone\"; \
                exec env -i \"$0\" \"$2\" --no-cache --socket \"$1/s\"";
    let mut shell = Command::new("sh");
    shell
        .args(["-c", line, PROGRAM])
        .arg(folder.path())
        .arg(&app);
    let program = Program::start(shell, folder);
    wait_until("it listens", || socket.exists());
    assert_eq!(program.ask(&get(1, "/", false)).status(), 200);
    Ok(())
}

fn conformance_95_beyond_this_machine_clients_have_to_be_named() -> Outcome {
    let app = guest("hello")?;
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:9000"] {
        for place in ["--listen", "--http"] {
            let mut serve = command(&["serve", place, address]);
            let said = complaint(&serve.arg(&app).output().expect("started"));
            assert!(
                said.contains("--allowed-clients"),
                "{place} {address}: {said}"
            );
        }
    }
    for (clients, is_served) in [("192.0.2.7,127.0.0.1", true), ("192.0.2.7,::1", false)] {
        let arguments = [
            "serve",
            "--listen",
            "0.0.0.0:0",
            "--allowed-clients",
            clients,
        ];
        let program = setting(&app, &arguments).start();
        let port = logged_address(&program).port();
        let answer = ask_over_tcp(([127, 0, 0, 1], port).into());
        assert_eq!(
            answer.contains("Status: 200"),
            is_served,
            "{clients}: {answer}"
        );
        assert!(is_served || answer.is_empty(), "{clients}: {answer}");
        // A unix socket has a mode instead.
        assert_eq!(program.ask(&get(1, "/", false)).status(), 200);
    }
    Ok(())
}
