//! What is particular to the examples in JavaScript and TypeScript: Hono over
//! `wasi:http`, and plain functions over the native contract.

use crate::support::example_build::serve_example;
use crate::support::http_client::Reply;
use crate::support::nginx::{Nginx, ROOT};
use crate::support::process::Program;
use crate::support::{Outcome, Skip};

tests![
    javascript_reads_forms_and_sets_cookies,
    javascript_escapes_what_cookies_say,
    javascript_speaks_json,
    javascript_errors_are_logged_with_their_text,
    hono_takes_binary_files_of_a_form,
    hono_streams_appear_early,
    hono_answers_404_by_itself,
];

const BOTH: [&str; 2] = ["hono", "javascript"];

fn behind_nginx(name: &str) -> Result<(Program, Nginx), Skip> {
    let program = serve_example(name)?;
    let nginx = Nginx::start(&program.socket(), "", ROOT)?;
    Ok((program, nginx))
}

/// A POST with one more header field.
fn post(nginx: &Nginx, target: &str, field: &str, body: &[u8]) -> Reply {
    let length = body.len();
    let mut client = nginx.connect();
    client.send(&format!(
        "POST {target} HTTP/1.1\r\nHost: h\r\n{field}\r\nContent-Length: {length}\r\n\r\n"
    ));
    client.send_bytes(body);
    client.reply(false)
}

fn javascript_reads_forms_and_sets_cookies() -> Outcome {
    for name in BOTH {
        let (_program, nginx) = behind_nginx(name)?;
        let field = "Content-Type: application/x-www-form-urlencoded";
        let reply = post(&nginx, "/greet", field, b"name=Ada+L%C3%B6velace");
        assert_eq!(reply.head.status, 303, "{name}: {}", reply.text());
        assert_eq!(reply.head.field("location"), Some("/"), "{name}");
        let cookie = reply.head.field("set-cookie");
        let expected = "name=Ada%20L%C3%B6velace; Path=/; HttpOnly; SameSite=Lax";
        assert_eq!(cookie, Some(expected), "{name}");
        let reply = post(&nginx, "/greet", field, b"name=");
        assert_eq!(reply.head.status, 422, "{name}: {}", reply.text());
    }
    Ok(())
}

fn javascript_escapes_what_cookies_say() -> Outcome {
    for name in BOTH {
        let (_program, nginx) = behind_nginx(name)?;
        let mut client = nginx.connect();
        client.send("GET / HTTP/1.1\r\nHost: h\r\nCookie: visits=41; name=%3Cb%3E%C3%B6\r\n\r\n");
        let page = client.reply(false).text();
        assert!(page.contains("<h1>Hello, &lt;b&gt;ö</h1>"), "{page}");
        assert!(page.contains("been here 42 times"), "{page}");
    }
    Ok(())
}

fn javascript_speaks_json() -> Outcome {
    for name in BOTH {
        let (_program, nginx) = behind_nginx(name)?;
        let field = "Content-Type: application/json";
        let reply = post(&nginx, "/api/sum", field, br#"{"numbers":[1,2.5,-7]}"#);
        assert_eq!(reply.text(), r#"{"sum":-3.5}"#, "{name}");
        let kind = reply.head.field("content-type");
        assert_eq!(kind, Some("application/json"), "{name}");
        let reply = post(&nginx, "/api/sum", field, b"{");
        assert_eq!(reply.head.status, 400, "{name}");
        assert!(reply.text().starts_with(r#"{"error":"#), "{name}");
    }
    Ok(())
}

fn javascript_errors_are_logged_with_their_text() -> Outcome {
    for (name, logged) in [
        // By console.error, in the handler of errors.
        ("hono", "GET /fail: this page fails on purpose"),
        // By what is thrown.
        ("javascript", "this page fails on purpose"),
    ] {
        let (program, nginx) = behind_nginx(name)?;
        let reply = nginx.connect().get("/fail");
        assert_eq!(reply.head.status, 500, "{name}");
        assert!(!reply.text().contains("on purpose"), "{name}");
        program.wait_for_log(logged);
        let log = nginx.error_log();
        assert!(log.contains(logged), "{name}: {log}");
    }
    Ok(())
}

fn hono_takes_binary_files_of_a_form() -> Outcome {
    let (program, nginx) = behind_nginx("hono")?;
    let head = "--limit\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\
                Content-Type: application/octet-stream\r\n\r\n";
    let mut body = head.as_bytes().to_vec();
    body.extend((0..1_000_000_u32).map(|index| (index % 251) as u8));
    body.extend(b"\r\n--limit--\r\n");
    let field = "Content-Type: multipart/form-data; boundary=limit";
    let reply = post(&nginx, "/files", field, &body);
    assert_eq!(reply.text(), "a.bin: 1000000 bytes\n", "{}", program.log());
    Ok(())
}

fn hono_streams_appear_early() -> Outcome {
    let (_program, nginx) = behind_nginx("hono")?;
    let mut client = nginx.connect();
    client.send("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.head().status, 200);
    // Were the lines kept back, they would come together.
    let first = String::from_utf8(client.chunk().expect("a chunk")).expect("text");
    assert!(first.starts_with("line 1\n"), "{first}");
    assert!(!first.contains("line 5"), "{first}");
    client.read_chunks_until("line 5\n");
    assert_eq!(client.chunk(), Some(Vec::new()));
    Ok(())
}

fn hono_answers_404_by_itself() -> Outcome {
    let (_program, nginx) = behind_nginx("hono")?;
    let reply = nginx.connect().get("/no/such/page");
    assert_eq!(reply.head.status, 404, "{}", reply.text());
    assert_eq!(reply.text(), "There is no such page\n");
    let greeting = nginx.connect().get("/greet/Ada%20L");
    assert_eq!(greeting.text(), "Hello Ada L\n");
    Ok(())
}
