//! What is particular to the example in Go: net/http behind net/http/cgi.

use crate::support::example_build::serve_example;
use crate::support::http_client::Reply;
use crate::support::nginx::{Nginx, ROOT};
use crate::support::process::Program;
use crate::support::{Outcome, Skip};

tests![
    go_reads_forms_and_sets_cookies,
    go_templates_escape_what_cookies_say,
    go_speaks_json,
    go_takes_files_of_a_form,
    go_panics_are_logged_and_answered,
    go_streams_appear_early,
    go_routes_by_method_and_path,
];

fn behind_nginx() -> Result<(Program, Nginx), Skip> {
    let program = serve_example("go")?;
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

fn go_reads_forms_and_sets_cookies() -> Outcome {
    let (_program, nginx) = behind_nginx()?;
    let field = "Content-Type: application/x-www-form-urlencoded";
    let reply = post(&nginx, "/greet", field, b"name=Ada+Lovelace");
    assert_eq!(reply.head.status, 303, "{}", reply.text());
    assert_eq!(reply.head.field("location"), Some("/"));
    let cookie = reply.head.field("set-cookie");
    let expected = "name=\"Ada Lovelace\"; Path=/; HttpOnly; SameSite=Lax";
    assert_eq!(cookie, Some(expected));
    let reply = post(&nginx, "/greet", field, b"name=");
    assert_eq!(reply.head.status, 422);
    Ok(())
}

fn go_templates_escape_what_cookies_say() -> Outcome {
    let (_program, nginx) = behind_nginx()?;
    let mut client = nginx.connect();
    client.send("GET / HTTP/1.1\r\nHost: h\r\nCookie: visits=41; name=<b>\r\n\r\n");
    let page = client.reply(false).text();
    assert!(page.contains("<h1>Hello, &lt;b&gt;</h1>"), "{page}");
    assert!(page.contains("been here 42 times"), "{page}");
    Ok(())
}

fn go_speaks_json() -> Outcome {
    let (_program, nginx) = behind_nginx()?;
    let field = "Content-Type: application/json";
    let reply = post(&nginx, "/api/sum", field, br#"{"numbers":[1,2.5,-7]}"#);
    assert_eq!(reply.text(), "{\"sum\":-3.5}\n");
    let kind = reply.head.field("content-type");
    assert_eq!(kind, Some("application/json"));
    let reply = post(&nginx, "/api/sum", field, b"{");
    assert_eq!(reply.head.status, 400);
    assert_eq!(reply.text(), "{\"error\":\"unexpected EOF\"}\n");
    Ok(())
}

fn go_takes_files_of_a_form() -> Outcome {
    let (program, nginx) = behind_nginx()?;
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

fn go_panics_are_logged_and_answered() -> Outcome {
    let (program, nginx) = behind_nginx()?;
    let reply = nginx.connect().get("/fail");
    assert_eq!(reply.head.status, 500);
    assert_eq!(reply.text(), "Something went wrong\n");
    // By Go's log package, with the stack.
    let logged = "GET /fail: this page fails on purpose";
    program.wait_for_log(logged);
    program.wait_for_log("main.fail(");
    let log = nginx.error_log();
    assert!(log.contains(logged), "{log}");
    Ok(())
}

fn go_streams_appear_early() -> Outcome {
    let (_program, nginx) = behind_nginx()?;
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

fn go_routes_by_method_and_path() -> Outcome {
    let (_program, nginx) = behind_nginx()?;
    assert_eq!(nginx.connect().get("/no/such/page").head.status, 404);
    let reply = nginx.connect().get("/upload");
    assert_eq!(reply.head.status, 405);
    assert_eq!(reply.head.field("allow"), Some("POST"));
    Ok(())
}
