//! What `fcgi-wasm reload` says of what came of it, and systemd and the log too.

use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::process::Output;

use crate::support::hosting::{Hosted, deploy};
use crate::support::process::{Program, command, run};
use crate::support::{Outcome, wait_until};

tests![
    a_reload_that_is_done_is_a_success,
    a_refusal_is_told_with_its_place,
    an_application_that_can_not_be_loaded_is_told,
    of_one_application_the_same_is_told,
    who_can_not_ask_is_sent_to_the_log,
];

const CONFIG: &str =
    "[app.blog]\nfile = \"blog.wasm\"\nroutes = [\"/\"]\n[socket.s]\nunix = \"s\"\n";

/// A configuration that is served, and what systemd would be told.
fn serve() -> (Hosted, UnixDatagram) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_owned();
    let told = UnixDatagram::bind(path.join("notify")).expect("bound");
    deploy(&path.join("blog.wasm"), "one");
    fs::write(path.join("main.toml"), CONFIG).expect("written");
    let mut serve = command(&["serve", "--config"]);
    serve.arg(path.join("main.toml"));
    serve.env("NOTIFY_SOCKET", path.join("notify"));
    let program = Program::start(serve, folder);
    wait_until("it listens", || path.join("s").exists());
    let hosted = Hosted {
        program,
        folder: path,
    };
    wait_for_status(&told, "serving ");
    (hosted, told)
}

/// Waits for a message that has a status with these words, and says that it serves.
fn wait_for_status(told: &UnixDatagram, words: &str) {
    let mut message = [0; 4096];
    loop {
        let length = told.recv(&mut message).expect("told");
        let text = String::from_utf8_lossy(&message[..length]);
        if text.contains("READY=1") && text.contains("STATUS=") {
            assert!(text.contains(words), "{text}");
            return;
        }
    }
}

/// Reloads by the socket, so that the configuration is not checked before.
fn reload(hosted: &Hosted) -> Output {
    let socket = hosted.folder.join("s");
    run(&["reload", socket.to_str().expect("text")])
}

fn said(output: &Output) -> String {
    let said = [&*output.stdout, &*output.stderr].concat();
    String::from_utf8_lossy(&said).into_owned()
}

fn last_line(hosted: &Hosted) -> String {
    let log = hosted.program.log();
    log.lines().last().unwrap_or_default().to_owned()
}

fn a_reload_that_is_done_is_a_success() -> Outcome {
    let (hosted, told) = serve();
    let main = hosted.folder.join("main.toml");
    let output = run(&["reload", "--config", main.to_str().expect("text")]);
    let done = format!("process {} has reloaded\n", hosted.program.id());
    assert_eq!(said(&output), done);
    assert_eq!(output.status.code(), Some(0));
    assert!(last_line(&hosted).ends_with("reloaded"));
    wait_for_status(&told, "serving ");
    Ok(())
}

fn a_refusal_is_told_with_its_place() -> Outcome {
    let (hosted, told) = serve();
    let more = "[socket.t]\nmode = \"0600\"\nunix = \"missing/t\"\n";
    for (config, reason) in [
        (
            "[nonsense]",
            "main.toml:1: nonsense: there is no such table",
        ),
        (
            &*format!("{CONFIG}{more}"),
            "main.toml:8: socket.t.unix: cannot listen on ",
        ),
        (
            &*format!("{CONFIG}[log]\naccess_log = \"missing/log\"\n"),
            "main.toml:7: log.access_log: cannot log to ",
        ),
        (
            &*format!("{CONFIG}[tenant.x]\napp_log = \"missing/log\"\n"),
            "main.toml:7: tenant.x.app_log: cannot log to ",
        ),
    ] {
        fs::write(hosted.folder.join("main.toml"), config).expect("written");
        let output = reload(&hosted);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = said(&output);
        assert!(
            said.contains("refused, and the old configuration serves"),
            "{said}"
        );
        assert!(said.contains(reason), "{said}");
        let log = hosted.program.log();
        assert!(log.contains(reason), "{log}");
        let last = last_line(&hosted);
        let expected = "the reload was refused, and the old configuration serves";
        assert!(last.ends_with(expected), "{last}");
        wait_for_status(&told, "the reload was refused: ");
        assert_eq!(hosted.ask("s", "/", &[]).text(), "one");
    }
    // What is written again is done again.
    fs::write(hosted.folder.join("main.toml"), CONFIG).expect("written");
    assert_eq!(reload(&hosted).status.code(), Some(0));
    Ok(())
}

fn an_application_that_can_not_be_loaded_is_told() -> Outcome {
    let (hosted, told) = serve();
    let file = hosted.folder.join("blog.wasm");
    assert_eq!(hosted.ask("s", "/", &[]).text(), "one");
    fs::write(&file, "(module (nonsense))").expect("written");
    for _ in 0..2 {
        let output = reload(&hosted);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let expected = "reloaded, but not all of it: blog: ";
        for said in [said(&output), last_line(&hosted)] {
            assert!(
                said.contains(expected) && said.contains("not valid"),
                "{said}"
            );
        }
        wait_for_status(&told, expected);
        assert_eq!(hosted.ask("s", "/", &[]).text(), "one");
    }
    deploy(&file, "second");
    assert_eq!(reload(&hosted).status.code(), Some(0));
    // It is not done before the new version serves.
    assert_eq!(hosted.ask("s", "/", &[]).text(), "second");
    Ok(())
}

fn of_one_application_the_same_is_told() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("app.wasm");
    deploy(&file, "one");
    let program = Program::serve(&file, &[]);
    let reload = || run(&["reload", &program.id().to_string()]);
    assert_eq!(reload().status.code(), Some(0));
    fs::write(&file, "#!/bin/sh").expect("written");
    let output = reload();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("app: "), "{output:?}");
    assert!(said(&output).contains("is a script"), "{output:?}");
    Ok(())
}

fn who_can_not_ask_is_sent_to_the_log() -> Outcome {
    let (hosted, _told) = serve();
    // Somebody has the place where the result would come.
    let name = format!("fcgi-wasm-reload-{}", hosted.program.id());
    let place = SocketAddr::from_abstract_name(name).expect("a name");
    let _taken = UnixListener::bind_addr(&place).expect("bound");
    let output = reload(&hosted);
    assert_eq!(output.status.code(), Some(0));
    let said = said(&output);
    assert!(said.ends_with("its log says what came of it\n"), "{said}");
    hosted.program.wait_for_log("reloaded");
    Ok(())
}
