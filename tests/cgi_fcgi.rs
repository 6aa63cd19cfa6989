//! With `cgi-fcgi` from libfcgi as the client: another program's idea of the
//! protocol.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::guest_build::guest;
use crate::support::process::Program;
use crate::support::{Outcome, Skip};

tests![
    it_gets_an_answer,
    it_sends_a_body,
    its_exit_status_is_the_applications,
    conformance_89_it_works_as_a_probe,
];

struct Probe {
    answer: String,
    log: String,
    status: Option<i32>,
}

fn ask(socket: &Path, variables: &[(&str, &str)], body: &[u8]) -> Result<Probe, Skip> {
    let mut command = Command::new("cgi-fcgi");
    command.args(["-bind", "-connect"]).arg(socket);
    command.env_clear().envs(variables.iter().copied());
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .map_err(|_| Skip("there is no cgi-fcgi".to_owned()))?;
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(body).expect("sent");
    drop(stdin);
    let output = child.wait_with_output().expect("ended");
    Ok(Probe {
        answer: String::from_utf8_lossy(&output.stdout).into_owned(),
        log: String::from_utf8_lossy(&output.stderr).into_owned(),
        status: output.status.code(),
    })
}

fn it_gets_an_answer() -> Outcome {
    let program = Program::serve(&guest("hello")?, &[]);
    let variables = [
        ("REQUEST_METHOD", "GET"),
        ("SCRIPT_NAME", "/app"),
        ("PATH_INFO", "/x"),
    ];
    let probe = ask(&program.socket(), &variables, b"")?;
    assert!(
        probe.answer.starts_with("Status: 200 OK\r\n"),
        "{}",
        probe.answer
    );
    assert!(
        probe.answer.ends_with("GET /app/x: /app + /x\n"),
        "{}",
        probe.answer
    );
    assert_eq!(probe.status, Some(0));
    Ok(())
}

fn it_sends_a_body() -> Outcome {
    let program = Program::serve(&guest("naughty")?, &[]);
    let body = vec![b'x'; 100_000];
    let variables = [
        ("REQUEST_METHOD", "POST"),
        ("PATH_INFO", "/upload"),
        ("CONTENT_LENGTH", "100000"),
    ];
    let probe = ask(&program.socket(), &variables, &body)?;
    assert!(
        probe
            .answer
            .ends_with("\r\n\r\n100000 bytes, sum 12000000\n"),
        "{}",
        probe.answer
    );
    Ok(())
}

fn its_exit_status_is_the_applications() -> Outcome {
    let program = Program::serve(&guest("naughty")?, &[]);
    let variables = [("REQUEST_METHOD", "GET"), ("PATH_INFO", "/trap")];
    let probe = ask(&program.socket(), &variables, b"")?;
    assert!(
        probe.answer.starts_with("Status: 502 Bad Gateway\r\n"),
        "{}",
        probe.answer
    );
    assert!(
        probe.log.contains("the application crashed"),
        "{}",
        probe.log
    );
    assert_eq!(probe.status, Some(1));
    Ok(())
}

fn conformance_89_it_works_as_a_probe() -> Outcome {
    let program = Program::serve(&guest("hello")?, &[]);
    let probe = ask(&program.socket(), &[("REQUEST_METHOD", "GET")], b"")?;
    assert!(
        probe.answer.starts_with("Status: 200 OK\r\n"),
        "{}",
        probe.answer
    );
    let probe = ask(&program.socket(), &[], b"")?;
    assert!(
        probe.answer.starts_with("Status: 400 Bad Request\r\n"),
        "{}",
        probe.answer
    );
    assert!(probe.log.contains("REQUEST_METHOD"), "{}", probe.log);
    Ok(())
}
