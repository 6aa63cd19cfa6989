//! Started by the process managers of a distribution.

use std::fs;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::guest_build::guest;
use crate::support::http_client::Client;
use crate::support::load::Load;
use crate::support::nginx::{KEPT, Nginx};
use crate::support::process::{self, Program};
use crate::support::started::{PROGRAM, Started, cache, command, kernels_view, run, spawn};
use crate::support::web_server::*;
use crate::support::{Outcome, Skip, wait_until};

tests![
    conformance_83_supervisor_restarts_one_of_two_and_no_request_is_lost,
    conformance_80_a_socket_that_others_hold_outlives_a_restart,
    conformance_81_spawn_fcgis_null_streams_are_no_problem,
    conformance_82_multiwatch_stops_and_reloads_its_two,
    conformance_77_systemd_socket_activate_names_its_sockets,
    conformance_84_one_process_one_request_as_mod_fcgid_has_it,
    conformance_82_the_init_script_does_what_it_is_asked,
    conformance_76_a_terminal_is_told_what_is_missing_and_stops_it,
];

/// spawn-fcgi wants to know where it is.
const MULTIWATCH: &str = "/usr/bin/multiwatch";

fn conformance_83_supervisor_restarts_one_of_two_and_no_request_is_lost() -> Outcome {
    let app = guest("hello")?;
    let mut started = Started::nothing();
    let configuration = format!(
        "[supervisord]\nnodaemon=true\nlogfile={folder}/supervisord.log\n\
         pidfile={folder}/supervisord.pid\n\
         [unix_http_server]\nfile={folder}/control\n\
         [rpcinterface:supervisor]\n\
         supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n\
         [supervisorctl]\nserverurl=unix://{folder}/control\n\
         [fcgi-program:app]\n\
         command={PROGRAM} {app} --log {folder}/log\n\
         socket=unix://{folder}/s\n\
         process_name=%(program_name)s_%(process_num)02d\n\
         numprocs=2\nstopwaitsecs=75\n",
        folder = started.folder().display(),
        app = app.display(),
    );
    let file = started.path("supervisord.conf");
    fs::write(&file, configuration).expect("written");
    let mut supervisord = command("supervisord");
    supervisord.arg("-c").arg(&file);
    started.start(supervisord)?;
    started.wait_for_servers(2);
    let control = |arguments: &[&str]| {
        let mut control = command("supervisorctl");
        run(control.arg("-c").arg(&file).args(arguments))
    };
    wait_until("both run", || {
        let mut status = command("supervisorctl");
        status.arg("-c").arg(&file).arg("status");
        let output = status.stdout(Stdio::piped()).output().expect("started");
        String::from_utf8_lossy(&output.stdout)
            .matches("RUNNING")
            .count()
            == 2
    });
    let before = started.servers();
    // Web servers that keep no connection, and one that keeps them.
    let nginx = Nginx::start(&started.socket(), KEPT.0, KEPT.1)?;
    let http = nginx.socket();
    let loads = [
        Load::start(4, asking(started.socket(), "/")),
        Load::start(4, move || {
            assert_eq!(Client::connect(&http).get("/").head.status, 200);
        }),
    ];
    for _ in 0..2 {
        for name in ["app:app_00", "app:app_01"] {
            loads.iter().for_each(|load| load.wait_for(250));
            control(&["restart", name])?;
        }
    }
    loads.iter().for_each(|load| load.wait_for(250));
    let answered: usize = loads.into_iter().map(Load::stop).sum();
    assert!(answered >= 2500, "{answered} requests");
    let after = started.servers();
    assert_eq!(after.len(), 2);
    assert!(after.iter().all(|pid| !before.contains(pid)), "restarted");
    assert!(started.socket().exists(), "it is Supervisor's to remove");
    let log = fs::read_to_string(started.path("supervisord.log")).expect("a log");
    assert_eq!(log.matches("(exit status 0").count(), 4, "{log}");
    Ok(())
}

/// A web server that keeps no connection.
fn asking(socket: PathBuf, path: &'static str) -> impl Fn() + Clone {
    move || {
        let answer = Peer::connect(&socket).ask(1, &get(1, path, false));
        assert_eq!(answer.status(), 200);
    }
}

/// What systemd does: the socket is there, and one server after the other.
fn conformance_80_a_socket_that_others_hold_outlives_a_restart() -> Outcome {
    let app = guest("hello")?;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s");
    let listener = UnixListener::bind(&path).expect("bound");
    let load = Load::start(4, asking(path, "/"));
    for _ in 0..3 {
        let mut serve = process::command(&["serve"]);
        let socket = listener.try_clone().expect("cloned");
        serve.arg(&app).stdin(Stdio::from(OwnedFd::from(socket)));
        let mut program = Program::start(serve, tempfile::tempdir().expect("a folder"));
        load.wait_for(300);
        program.signal(Signal::TERM);
        assert!(program.wait().success());
    }
    let mut serve = process::command(&["serve"]);
    serve.arg(&app).stdin(Stdio::from(OwnedFd::from(listener)));
    let _last = Program::start(serve, folder);
    load.wait_for(300);
    assert!(load.stop() >= 1200);
    Ok(())
}

fn conformance_81_spawn_fcgis_null_streams_are_no_problem() -> Outcome {
    let app = guest("naughty")?;
    let started = Started::nothing();
    let mut spawner = command("spawn-fcgi");
    spawner.arg("-s").arg(started.socket()).args(["-M", "0660"]);
    spawner.arg("-P").arg(started.path("pid")).arg("--");
    spawner.arg(PROGRAM).arg(&app);
    run(spawner.arg("--log").arg(started.path("log")))?;
    let pid = fs::read_to_string(started.path("pid")).expect("a pid file");
    let pid = pid.trim().parse().ok().and_then(Pid::from_raw);
    let pid = pid.expect("a process");
    for path in ["/hello", "/trap", "/log/10", "/hello"] {
        let answer = started.ask(&get(1, path, false));
        assert!(answer.status() == 200 || path == "/trap", "{path}");
    }
    started.wait_for_log("the application crashed");
    for number in 0..3 {
        let file = fs::read_link(kernels_view(pid).join(format!("fd/{number}")));
        assert_eq!(file.expect("open").to_str(), Some("/dev/null"), "{number}");
    }
    kill_process(pid, Signal::TERM).expect("signalled");
    started.wait_for_servers(0);
    started.wait_for_log("stopping");
    assert!(started.socket().exists(), "conformance_80: it is not ours");
    Ok(())
}

fn conformance_82_multiwatch_stops_and_reloads_its_two() -> Outcome {
    let app = guest("naughty")?;
    if !Path::new(MULTIWATCH).exists() {
        return Err(Skip("there is no multiwatch".to_owned()));
    }
    for to_all in [false, true] {
        let mut started = Started::nothing();
        let mut spawner = command("spawn-fcgi");
        spawner.arg("-n").arg("-s").arg(started.socket());
        spawner.args(["--", MULTIWATCH, "-f", "2", "--", PROGRAM]);
        spawner.arg(&app).arg("--log").arg(started.path("log"));
        started.start(spawner)?;
        started.wait_for_servers(2);
        wait_until("both listen", || {
            started.log().matches("listening on").count() == 2
        });
        fs::rename(started.path("log"), started.path("log.1")).expect("renamed");
        started.signal(Signal::USR2, false);
        wait_until("both log to a new file", || {
            started.log().matches("reloaded").count() == 2
        });
        // One after the other is started anew on the same socket.
        let load = Load::start(2, asking(started.socket(), "/hello"));
        for (server, anew) in started.servers().into_iter().zip(1..) {
            load.wait_for(100);
            kill_process(server, Signal::TERM).expect("signalled");
            // One that multiwatch has only forked still has its handlers, and
            // what is sent to it then is lost.
            wait_until("another one runs", || {
                let servers = started.servers();
                let has_begun = started.log().matches("listening on").count() == anew;
                servers.len() == 2 && !servers.contains(&server) && has_begun
            });
        }
        load.wait_for(100);
        load.stop();
        let mut busy: Vec<_> = (0..4).map(|_| Peer::connect(&started.socket())).collect();
        for peer in &mut busy {
            peer.send(&post_head(1, "/early", 5, true));
            assert_eq!(peer.read_record().expect("it runs").kind, STDOUT);
        }
        // To all as systemd does it: then each gets SIGTERM, and SIGUSR1 of
        // multiwatch besides.
        started.signal(Signal::TERM, to_all);
        // Two have stopped before.
        let stopping = || started.log().matches("a second signal").count();
        wait_until("these stop", || stopping() > 2);
        for peer in &mut busy {
            peer.send(&stdin(1, b"rest\n"));
            assert_eq!(peer.answer(1).stdout, b"rest\n");
        }
        assert!(started.wait(), "multiwatch has seen good ends");
        assert!(!started.log().contains("stopped at once"));
    }
    Ok(())
}

fn conformance_77_systemd_socket_activate_names_its_sockets() -> Outcome {
    let app = guest("hello")?;
    let mut started = Started::nothing();
    let mut activate = command("systemd-socket-activate");
    activate
        .arg("-l")
        .arg(started.socket())
        .arg("--fdname=shop");
    activate
        .arg("-E")
        .arg(format!("XDG_CACHE_HOME={}", cache().display()));
    activate.arg(PROGRAM).arg(&app);
    activate.arg("--log").arg(started.path("log"));
    activate.stderr(Stdio::null());
    started.start(activate)?;
    // Its socket has a name before it listens.
    wait_until("it listens", || {
        UnixStream::connect(started.socket()).is_ok()
    });
    assert_eq!(started.ask(&get(1, "/", false)).status(), 200);
    started.wait_for_log("(socket shop of systemd)");
    started.signal(Signal::TERM, false);
    assert!(started.wait());
    assert!(started.socket().exists(), "conformance_80: it is systemd's");
    Ok(())
}

/// A script in another folder than the one that it is started in, with nothing
/// in its environment but PATH, and one request.
fn conformance_84_one_process_one_request_as_mod_fcgid_has_it() -> Outcome {
    let app = guest("hello")?;
    let mut started = Started::nothing();
    fs::copy(&app, started.path("app.wasm")).expect("copied");
    let script = started.path("app.fcgi");
    let line = format!("#!/usr/bin/env -S {PROGRAM} serve app.wasm --no-cache\n");
    fs::write(&script, line).expect("written");
    fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).expect("a mode");
    let listener = UnixListener::bind(started.socket()).expect("bound");
    let mut fcgid = command(script.to_str().expect("a path"));
    fcgid.env_clear().env("PATH", "/usr/bin:/bin");
    fcgid
        .current_dir("/")
        .stdin(Stdio::from(OwnedFd::from(listener)));
    fcgid.stderr(fs::File::create(started.path("log")).expect("a log"));
    started.start(fcgid)?;
    assert_eq!(started.ask(&get(1, "/", false)).status(), 200);
    started.signal(Signal::TERM, false);
    assert!(started.wait());
    // Whatever is no script is a second application.
    let mut two = command(PROGRAM);
    two.arg(&app)
        .arg(&app)
        .arg("--socket")
        .arg(started.path("t"));
    let output = two.output().expect("started");
    assert_eq!(output.status.code(), Some(1));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains("only one application"), "{complaint}");
    Ok(())
}

fn conformance_82_the_init_script_does_what_it_is_asked() -> Outcome {
    let app = guest("hello")?;
    let started = Started::nothing();
    let folder = started.folder();
    let settings = format!(
        "DAEMON={PROGRAM}\nAPP={app}\nSOCKET={folder}/s\nPIDFILE={folder}/pid\nLOG={folder}/log\n\
         RUN_AS=\nOPTIONS='--cache {cache}/fcgi-wasm'\n",
        app = app.display(),
        folder = folder.display(),
        cache = cache().display(),
    );
    fs::write(started.path("settings"), settings).expect("written");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/fcgi-wasm.init");
    let script = fs::read_to_string(script).expect("a script");
    let here = started.path("settings").display().to_string();
    let script = script.replace("/etc/default/$NAME", &here);
    fs::write(started.path("init"), script).expect("written");
    let ask = |action: &str| {
        let mut init = command("sh");
        let output = init.arg(started.path("init")).arg(action).output();
        output.expect("started").status.code()
    };
    assert_eq!(ask("status"), Some(3), "LSB: it is not running");
    assert_eq!(ask("start"), Some(0));
    assert_eq!(started.ask(&get(1, "/", false)).status(), 200);
    assert_eq!(ask("status"), Some(0));
    assert_eq!(ask("start"), Some(0), "LSB: it runs already");
    let first = started.servers();
    assert_eq!(first.len(), 1);
    assert_eq!(ask("reload"), Some(0));
    started.wait_for_log("reloaded");
    assert_eq!(ask("restart"), Some(0));
    assert_eq!(started.ask(&get(1, "/", false)).status(), 200);
    assert_ne!(started.servers(), first);
    assert_eq!(ask("stop"), Some(0));
    started.wait_for_servers(0);
    assert!(!started.socket().exists());
    assert_eq!(ask("stop"), Some(0), "LSB: it is stopped already");
    // What keeps it from starting is a failure of the script.
    fs::write(started.socket(), "no socket").expect("written");
    assert_eq!(ask("start"), Some(1));
    started.wait_for_log("exists and is no socket");
    Ok(())
}

fn conformance_76_a_terminal_is_told_what_is_missing_and_stops_it() -> Outcome {
    let app = guest("hello")?;
    let mut started = Started::nothing();
    let in_terminal = |arguments: &str| {
        // `script` gives what it starts a terminal of its own, by a shell. One
        // that stays would get the typed ^C too, and end of it: dash does.
        let mut script = command("script");
        let line = format!("exec {PROGRAM} {} {arguments}", app.display());
        script.args(["--quiet", "--return", "--command", &line]);
        script.arg(started.path("typescript"));
        script.stdin(Stdio::piped());
        script
    };
    let mut nowhere = in_terminal("");
    let output = spawn(nowhere.stdout(Stdio::piped()))?.wait_with_output();
    let output = output.expect("ended");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("0, which is a terminal"), "{said}");

    let socket = started.socket();
    let mut stopped = spawn(&mut in_terminal(&format!("--socket {}", socket.display())))?;
    wait_until("it listens", || socket.exists());
    assert_eq!(started.ask(&get(1, "/", false)).status(), 200);
    let mut keys = stopped.stdin.take().expect("a pipe");
    keys.write_all(b"\x03").expect("typed");
    assert!(stopped.wait().expect("ended").success());
    assert!(!socket.exists());

    // Closing the window ends it as well; SIGHUP alone does not.
    started.start(in_terminal(&format!("--socket {}", socket.display())))?;
    wait_until("it listens", || socket.exists());
    let server = *started.servers().first().expect("a server");
    kill_process(server, Signal::HUP).expect("signalled");
    assert_eq!(started.ask(&get(1, "/", false)).status(), 200);
    started.signal(Signal::KILL, false);
    started.wait_for_servers(0);
    assert!(!socket.exists());
    Ok(())
}
