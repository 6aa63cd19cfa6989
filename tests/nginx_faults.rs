//! Behind a real nginx, when something goes wrong: with a guest, with the client,
//! with nginx, with us.

use std::time::Duration;

use crate::support::guest_build::guest;
use crate::support::nginx::{KEPT, Nginx, ROOT};
use crate::support::process::{Program, command};
use crate::support::{Outcome, Skip, wait_until};

tests![
    a_client_that_leaves_ends_the_guest,
    faults_are_whole_responses_and_stand_in_nginxs_log,
    nginx_may_be_killed_at_any_time,
    the_server_may_be_killed_at_any_time,
    a_large_upload_that_is_not_read_still_gets_its_answer,
    much_log_before_the_head_does_not_hide_the_answer,
    a_broken_answer_can_be_made_visible,
];

fn naughty(arguments: &[&str]) -> Result<Program, Skip> {
    Ok(Program::serve(&guest("naughty")?, arguments))
}

fn a_client_that_leaves_ends_the_guest() -> Outcome {
    let program = naughty(&["--max-concurrent", "1", "--queue", "0"])?;
    let nginx = Nginx::start(&program.socket(), "", ROOT)?;
    for path in ["/never-ends", "/sleep", "/spin", "/never-reads"] {
        let mut client = nginx.connect();
        wait_until("it takes the only place", || {
            // Unless one of the probes has it just then.
            client = nginx.connect();
            client.send(&format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
            std::thread::sleep(Duration::from_millis(50));
            nginx.connect().get("/hello").head.status == 503
        });
        drop(client);
        // … and gives it back.
        wait_until("the place is free", || {
            nginx.connect().get("/hello").head.status == 200
        });
    }
    Ok(())
}

fn faults_are_whole_responses_and_stand_in_nginxs_log() -> Outcome {
    let program = naughty(&[])?;
    let nginx = Nginx::start(&program.socket(), KEPT.0, KEPT.1)?;
    let mut client = nginx.connect();
    for (path, status, cause) in [
        ("/trap", 502, "unreachable"),
        ("/exit/3", 502, "exited with status 1"),
        ("/exit/0", 502, "without an answer"),
        ("/fail", 500, "disk full, as asked"),
        ("/recurse/0", 502, "stack"),
    ] {
        let reply = client.get(path);
        assert_eq!(reply.head.status, status, "{path}");
        assert!(reply.is_complete);
        assert_eq!(client.get("/hello").head.status, 200, "after {path}");
        wait_until("nginx logs the cause", || nginx.error_log().contains(cause));
        program.wait_for_log(cause);
    }
    assert!(
        !nginx.error_log().contains("prematurely closed"),
        "{}",
        nginx.error_log()
    );
    assert!(
        nginx.error_log().contains("as asked"),
        "the guest's own words"
    );
    Ok(())
}

fn nginx_may_be_killed_at_any_time() -> Outcome {
    let program = naughty(&["--max-concurrent", "8", "--queue", "0"])?;
    for _ in 0..3 {
        let mut nginx = Nginx::start(&program.socket(), KEPT.0, KEPT.1)?;
        let mut clients: Vec<_> = (0..4).map(|_| nginx.connect()).collect();
        for (client, path) in clients
            .iter_mut()
            .zip(["/never-ends", "/sleep", "/spin", "/hello"])
        {
            client.send(&format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
        }
        std::thread::sleep(Duration::from_millis(100));
        nginx.kill();
    }
    // No place is lost: all eight can be had at a time.
    let nginx = Nginx::start(&program.socket(), "", ROOT)?;
    let mut held = Vec::new();
    wait_until("all places are free", || {
        held.clear();
        for _ in 0..8 {
            let mut client = nginx.connect();
            client.send("POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n");
            if client.head().status == 200 {
                held.push(client);
            }
        }
        held.len() == 8
    });
    Ok(())
}

fn the_server_may_be_killed_at_any_time() -> Outcome {
    let app = guest("naughty")?;
    let program = Program::serve(&app, &[]);
    let socket = program.socket();
    let nginx = Nginx::start(&socket, KEPT.0, KEPT.1)?;
    let mut client = nginx.connect();
    client.send("GET /sleep HTTP/1.1\r\nHost: h\r\n\r\n");
    let folder = tempfile::tempdir().expect("a folder");
    program.signal(rustix::process::Signal::KILL);
    assert_eq!(client.reply(false).head.status, 502);
    // A restart on the same path works at once: the stale socket is replaced.
    let mut again = command(&["serve"]);
    again.arg(&app).arg("--socket").arg(&socket);
    let _again = Program::start(again, folder);
    wait_until("it answers again", || {
        nginx.connect().get("/hello").head.status == 200
    });
    Ok(())
}

fn a_large_upload_that_is_not_read_still_gets_its_answer() -> Outcome {
    let program = naughty(&[])?;
    let nginx = Nginx::start(&program.socket(), "", "location / { fastcgi_pass APP; }")?;
    let body = vec![b'x'; 5_000_000];
    for _ in 0..10 {
        let reply = nginx.connect().post("/nowhere", &body);
        assert_eq!(reply.head.status, 404);
    }
    Ok(())
}

fn much_log_before_the_head_does_not_hide_the_answer() -> Outcome {
    let program = naughty(&[])?;
    let nginx = Nginx::start(&program.socket(), KEPT.0, KEPT.1)?;
    for _ in 0..10 {
        let reply = nginx.connect().get("/log/400");
        assert_eq!(
            (reply.head.status, reply.text().as_str()),
            (200, "logged\n")
        );
    }
    wait_until("nginx logs the guest's words", || {
        nginx.error_log().contains("line 399 to standard error")
    });
    Ok(())
}

fn a_broken_answer_can_be_made_visible() -> Outcome {
    let program = naughty(&["--hang-up-when-broken"])?;
    let nginx = Nginx::start(&program.socket(), KEPT.0, KEPT.1)?;
    let reply = nginx.connect().get("/half");
    assert_eq!(reply.text(), "half of it");
    assert!(!reply.is_complete);
    assert_eq!(nginx.connect().get("/hello").text(), "hello\n");
    Ok(())
}
