//! Sockets that were passed, for many applications by one configuration, and
//! what the manager who passed them is told.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::support::hosting::{deploy, get_with};
use crate::support::process::{Program, command};
use crate::support::setting::complaint;
use crate::support::started::PROGRAM;
use crate::support::web_server::*;
use crate::support::{Outcome, PATIENCE, wait_until};

tests![
    a_socket_on_fd_0_is_served_by_a_configuration,
    systemds_names_choose_among_tables,
    sockets_that_nobody_takes_or_passes_are_told,
    only_the_web_servers_that_the_environment_names_are_served,
    systemd_is_told_of_the_whole_of_a_reload,
    who_may_connect_changes_with_the_configuration,
    too_few_file_descriptors_are_told_at_the_start,
    a_server_is_found_by_its_configuration,
];

const CONFIG: &str = "
[app.blog]
file = \"blog.wasm\"
routes = [\"/\"]
[app.shop]
file = \"shop.wasm\"
";

fn folder(sockets: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["blog", "shop"] {
        deploy(&folder.path().join(format!("{name}.wasm")), name);
    }
    configure(folder.path(), sockets);
    folder
}

fn configure(folder: &Path, sockets: &str) {
    fs::write(folder.join("main.toml"), format!("{CONFIG}{sockets}")).expect("written");
}

fn serve(folder: &Path) -> Command {
    let mut serve = command(&["serve", "--config"]);
    serve.arg(folder.join("main.toml"));
    serve
}

fn a_socket_on_fd_0_is_served_by_a_configuration() -> Outcome {
    let folder = folder("[socket.web]\ninherited = true\n");
    let path = folder.path().join("s");
    let listener = UnixListener::bind(&path).expect("bound");
    let mut serve = serve(folder.path());
    serve.stdin(Stdio::from(OwnedFd::from(listener)));
    let main = folder.path().to_owned();
    let mut program = Program::start(serve, folder);
    assert_eq!(program.ask(&get(1, "/", false)).text(), "blog");
    // A reload keeps it; one that wants another is refused.
    configure(&main, "[socket.other]\ninherited = true\n");
    program.signal(Signal::HUP);
    program.wait_for_log("no socket was passed for [socket.other]");
    assert_eq!(program.ask(&get(1, "/", false)).text(), "blog");
    configure(&main, "[socket.web]\ninherited = true\napp = \"shop\"\n");
    program.signal(Signal::HUP);
    wait_until("the other application answers", || {
        program.ask(&get(1, "/", false)).text() == "shop"
    });
    program.signal(Signal::TERM);
    assert!(program.wait().success());
    assert!(path.exists(), "it is not ours to remove");
    Ok(())
}

fn systemds_names_choose_among_tables() -> Outcome {
    let folder = folder(
        "[socket.web]\ninherited = true\n[socket.shop]\ninherited = true\napp = \"shop\"\n\
         [socket.own]\nunix = \"own\"\n",
    );
    let bind = |name| UnixListener::bind(folder.path().join(name)).expect("bound");
    let mut shell = Command::new("sh");
    // A shell puts the sockets where systemd would, and knows the process id.
    let line = "exec 3<&0 4<&1 0</dev/null 1>/dev/null; LISTEN_FDS=2 LISTEN_FDNAMES=shop:web \
                LISTEN_PID=$$ exec \"$0\" serve --config \"$1\"";
    shell.args(["-c", line, PROGRAM]);
    shell.arg(folder.path().join("main.toml"));
    shell.stdin(Stdio::from(OwnedFd::from(bind("first"))));
    shell.stdout(Stdio::from(OwnedFd::from(bind("second"))));
    let path = folder.path().to_owned();
    let _program = Program::start(shell, folder);
    for (socket, expected) in [("first", "shop"), ("second", "blog"), ("own", "blog")] {
        wait_until("it listens", || path.join(socket).exists());
        let answer = Peer::connect(&path.join(socket)).ask(1, &get(1, "/", false));
        assert_eq!(answer.text(), expected, "{socket}");
    }
    Ok(())
}

fn sockets_that_nobody_takes_or_passes_are_told() -> Outcome {
    for (sockets, is_passed, expected) in [
        (
            "[socket.s]\nunix = \"own\"\n",
            true,
            "no [socket.NAME] takes it: write `inherited = true` in one",
        ),
        (
            "[socket.a]\ninherited = true\n[socket.b]\ninherited = true\n",
            true,
            "several [socket.NAME] are inherited: name it like one of them",
        ),
        (
            "[socket.a]\ninherited = true\n",
            false,
            "no socket was passed for [socket.a]",
        ),
        (
            "[socket.a]\ninherited = true\nunix = \"s\"\n",
            false,
            "socket.a.inherited: a socket has one place",
        ),
    ] {
        let folder = folder(sockets);
        let mut serve = serve(folder.path());
        if is_passed {
            let listener = UnixListener::bind(folder.path().join("s")).expect("bound");
            serve.stdin(Stdio::from(OwnedFd::from(listener)));
        }
        let said = complaint(&serve.output().expect("started"));
        assert!(said.contains(expected), "{said}");
    }
    Ok(())
}

fn only_the_web_servers_that_the_environment_names_are_served() -> Outcome {
    for (servers, is_served) in [("127.0.0.1", true), ("192.0.2.7", false)] {
        let passed = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = passed.local_addr().expect("an address");
        let folder = folder("[socket.web]\ninherited = true\n[socket.s]\nunix = \"s\"\n");
        let mut serve = serve(folder.path());
        serve.env("FCGI_WEB_SERVER_ADDRS", servers);
        serve.stdin(Stdio::from(OwnedFd::from(passed)));
        let program = Program::start(serve, folder);
        wait_until("it listens", || program.socket().exists());
        let stream = TcpStream::connect(address).expect("connected");
        assert_eq!(answers(stream), is_served, "{servers}");
        assert!(program.connect().is_gone(), "{servers}");
    }
    Ok(())
}

fn answers(mut stream: TcpStream) -> bool {
    use std::io::{Read, Write};

    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut answer = Vec::new();
    // Who is hung up on may see an error instead of an end.
    let sent = stream.write_all(&get(1, "/", false));
    let read = sent.and_then(|()| stream.read_to_end(&mut answer));
    read.is_ok() && String::from_utf8_lossy(&answer).contains("blog")
}

fn systemd_is_told_of_the_whole_of_a_reload() -> Outcome {
    let folder = folder("[socket.s]\nunix = \"s\"\n");
    let path = folder.path().to_owned();
    let systemd = UnixDatagram::bind(path.join("notify")).expect("bound");
    systemd.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut serve = serve(&path);
    serve.env("NOTIFY_SOCKET", path.join("notify"));
    let program = Program::start(serve, folder);
    let next = || {
        let mut message = [0; 1000];
        let length = systemd.recv(&mut message).expect("a message");
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    assert!(next().starts_with("READY=1\nSTATUS=serving "));
    // A reload that has much to do: applications are made ready first.
    let many: String = (0..20)
        .map(|number| {
            deploy(&path.join(format!("{number}.wasm")), &format!("{number}"));
            format!(
                "[app.a{number}]\nfile = \"{number}.wasm\"\npreload = true\n\
                 routes = [\"a{number}.example/\"]\n"
            )
        })
        .collect();
    for (sockets, expected) in [
        (format!("{many}[socket.s]\nunix = \"s\"\n"), "19"),
        // One that is refused ends too.
        ("[nonsense]\n".to_owned(), "19"),
    ] {
        configure(&path, &sockets);
        program.signal(Signal::HUP);
        assert!(next().starts_with("RELOADING=1\nMONOTONIC_USEC="));
        assert!(next().starts_with("READY=1"));
        let answer = program.ask(&get_with("/", &[("HTTP_HOST", "a19.example")]));
        assert_eq!(answer.text(), expected);
    }
    Ok(())
}

fn who_may_connect_changes_with_the_configuration() -> Outcome {
    let of = |access: &str| format!("[socket.web]\nunix = \"s\"\n{access}\n");
    let folder = folder(&of("mode = \"0666\""));
    let (main, path) = (folder.path().to_owned(), folder.path().join("s"));
    let program = Program::start(serve(folder.path()), folder);
    wait_until("it listens", || path.exists());
    let seen = || fs::metadata(&path).expect("a socket");
    let made = seen();
    assert_eq!(made.mode() & 0o777, 0o666);
    let mut kept = Peer::connect(&path);
    let reload = |access: &str| {
        configure(&main, &of(access));
        let before = program.log().matches("was read again").count();
        program.signal(Signal::HUP);
        wait_until("it is read again", || {
            program.log().matches("was read again").count() > before
        });
    };
    reload("mode = \"0600\"");
    assert_eq!(seen().mode() & 0o777, 0o600);
    if rustix::process::geteuid().is_root() {
        reload("mode = \"0620\"\nowner = \"65534\"\ngroup = \"65534\"");
        let given = (seen().mode() & 0o777, seen().uid(), seen().gid());
        assert_eq!(given, (0o620, 65534, 65534));
    }
    reload("");
    let back = (seen().mode() & 0o777, seen().uid(), seen().gid());
    assert_eq!(back, (0o660, made.uid(), made.gid()));
    assert_eq!(seen().ino(), made.ino(), "it was not made anew");
    assert_eq!(kept.ask(1, &get(1, "/", false)).text(), "blog");
    // What somebody else put there is not touched.
    fs::remove_file(&path).expect("removed");
    fs::write(&path, "precious").expect("written");
    let strange = seen().mode();
    reload("mode = \"0666\"");
    assert_eq!(seen().mode(), strange);
    program.wait_for_log("it is not the socket that was made there");
    Ok(())
}

/// By its command line, for it may have no unix socket of its own.
fn too_few_file_descriptors_are_told_at_the_start() -> Outcome {
    for (limit, is_told) in [("400", true), ("4000", false)] {
        let folder = folder("[socket.s]\nunix = \"s\"\nmax_connections = 300\n");
        let path = folder.path().join("s");
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -n $0; exec \"$@\"", limit, PROGRAM]);
        shell
            .args(["serve", "--config"])
            .arg(folder.path().join("main.toml"));
        let program = Program::start(shell, folder);
        wait_until("it listens", || path.exists());
        let log = program.log();
        let told = "400 files may be open, of which applications may have half, and 335 are needed \
                    besides (connections: 300, sockets: 1, logs: 0, loaded applications: 2)";
        assert_eq!(log.contains(told), is_told, "{log}");
        assert_eq!(log.contains("allow 670 (`ulimit -n`"), is_told, "{log}");
    }
    Ok(())
}

fn a_server_is_found_by_its_configuration() -> Outcome {
    let folder = folder("[socket.web]\ninherited = true\n");
    let (main, path) = (folder.path().to_owned(), folder.path().join("s"));
    let reload = |file: &Path| {
        let mut reload = command(&["reload", "--config"]);
        let output = reload.arg(file).output().expect("started");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        (output.status.success(), said)
    };
    let (is_found, said) = reload(&main.join("main.toml"));
    assert!(!is_found && said.contains("nobody serves"), "{said}");

    let listener = UnixListener::bind(&path).expect("bound");
    let start = |of: Command| {
        let mut serve = of;
        let socket = listener.try_clone().expect("cloned");
        serve.stdin(Stdio::from(OwnedFd::from(socket)));
        let program = Program::start(serve, tempfile::tempdir().expect("a folder"));
        program.wait_for_log("listening on");
        program
    };
    // One is told a path from where it was started, and another one the whole.
    let mut nearby = command(&["serve", "--config=main.toml"]);
    nearby.current_dir(&main);
    let programs = [start(nearby), start(serve(&main))];
    fs::copy(main.join("main.toml"), main.join("other.toml")).expect("copied");
    let mut other = command(&["serve", "--config"]);
    other.arg(main.join("other.toml"));
    let other = start(other);

    let (is_found, said) = reload(&main.join("./main.toml"));
    assert!(is_found, "{said}");
    for program in &programs {
        assert!(said.contains(&program.id().to_string()), "{said}");
        program.wait_for_log("was read again");
    }
    assert!(!said.contains(&other.id().to_string()), "{said}");
    assert!(!other.log().contains("was read again"));
    Ok(())
}
