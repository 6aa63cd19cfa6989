//! Programs in C and Zig, behind a real nginx: what is particular to them.

use crate::support::Outcome;
use crate::support::example_build::serve_example;
use crate::support::nginx::{Nginx, ROOT};

tests![
    c_cgi_chooses_status_and_redirects,
    c_cgi_failures_are_logged,
    an_old_fastcgi_program_gets_params_and_input,
    an_old_fastcgi_program_may_leave_with_a_status,
    the_native_contract_reaches_c,
    zig_errors_and_panics_are_logged,
];

fn c_cgi_chooses_status_and_redirects() -> Outcome {
    let program = serve_example("c-cgi")?;
    let nginx = Nginx::start(&program.socket(), "", ROOT)?;
    let teapot = nginx.connect().get("/teapot");
    assert_eq!(
        (teapot.head.status, teapot.text().as_str()),
        (418, "short and stout\n")
    );
    let moved = nginx.connect().get("/moved");
    assert_eq!(moved.head.status, 302);
    let location = moved.head.field("location").unwrap_or_default();
    assert!(location.ends_with("/who"), "{location}");
    assert_eq!(nginx.connect().get("/nowhere").head.status, 404);
    Ok(())
}

fn c_cgi_failures_are_logged() -> Outcome {
    let program = serve_example("c-cgi")?;
    let nginx = Nginx::start(&program.socket(), "", ROOT)?;
    for (how, cause) in [("early", "status 3"), ("abort", "unreachable")] {
        let reply = nginx.connect().get(&format!("/fail/{how}"));
        assert!((500..600).contains(&reply.head.status), "{how}: {reply:?}");
        let log = nginx.error_log();
        assert!(log.contains(&format!("fails as asked: {how}")), "{log}");
        assert!(log.contains(cause), "{how}: {log}");
    }
    // The answer was complete, so the visitor has it.
    let late = nginx.connect().get("/fail/late");
    assert_eq!(
        (late.head.status, late.text().as_str()),
        (200, "said before\n")
    );
    assert!(
        nginx.error_log().contains("status 4"),
        "{}",
        nginx.error_log()
    );
    Ok(())
}

fn an_old_fastcgi_program_gets_params_and_input() -> Outcome {
    let program = serve_example("c-fastcgi")?;
    let nginx = Nginx::start(&program.socket(), "", ROOT)?;
    let body: Vec<u8> = (0..300_000_u32).map(|index| (index % 256) as u8).collect();
    let reply = nginx.connect().post("/echo?q=1", &body);
    assert!(reply.body.ends_with(&body), "{} bytes", reply.body.len());
    let head = reply.text();
    for variable in [
        "REQUEST_METHOD=POST\n",
        "QUERY_STRING=q=1\n",
        "CONTENT_LENGTH=300000\n",
        "HTTP_HOST=test.example\n",
        "SERVER_SOFTWARE=nginx/",
    ] {
        assert!(head.contains(variable), "{variable}");
    }
    assert_eq!(nginx.connect().get("/missing").head.status, 404);
    Ok(())
}

/// `FCGI_SetExitStatus` after a complete answer, as under libfcgi.
fn an_old_fastcgi_program_may_leave_with_a_status() -> Outcome {
    let program = serve_example("c-fastcgi")?;
    let nginx = Nginx::start(&program.socket(), "", ROOT)?;
    let reply = nginx.connect().get("/status");
    assert_eq!(
        (reply.head.status, reply.text().as_str()),
        (200, "with a status\n")
    );
    let log = nginx.error_log();
    assert!(log.contains("leaves with status 5"), "{log}");
    assert!(log.contains("exited with status 5"), "{log}");
    Ok(())
}

fn the_native_contract_reaches_c() -> Outcome {
    let program = serve_example("c")?;
    let nginx = Nginx::start(&program.socket(), "", ROOT)?;
    let mut client = nginx.connect();
    client.send("GET /headers HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nCookie: a=b\r\n\r\n");
    let reply = client.reply(false);
    assert!(reply.text().contains("x-a: 1\n"), "{}", reply.text());
    assert!(reply.text().contains("cookie: a=b\n"), "{}", reply.text());
    let hello = nginx.connect().get("/?x=%20");
    assert_eq!(hello.text(), "Hello from C\nGET /?x=%20\n");
    assert_eq!(nginx.connect().get("/nowhere").head.status, 404);
    // What `fcgi_start` gives for a header that is not legal is the error.
    assert_eq!(nginx.connect().get("/illegal").head.status, 500);
    assert!(nginx.error_log().contains("X-Bad"), "{}", nginx.error_log());
    Ok(())
}

fn zig_errors_and_panics_are_logged() -> Outcome {
    let program = serve_example("zig")?;
    let nginx = Nginx::start(&program.socket(), "", ROOT)?;
    assert_eq!(nginx.connect().get("/teapot").head.status, 418);
    for (path, cause) in [("/error", "AsAsked"), ("/panic", "a panic, as asked")] {
        let reply = nginx.connect().get(path);
        assert!((500..600).contains(&reply.head.status), "{path}: {reply:?}");
        let log = nginx.error_log();
        assert!(log.contains(cause), "{path}: {log}");
    }
    Ok(())
}
