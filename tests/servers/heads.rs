//! Header fields, there and back.

use super::setup::{Behind, Server};
use crate::support::Outcome;
use crate::support::certificate::Tls;

pub(super) fn request_fields(server: &'static Server) -> Outcome {
    fields_arrive(server.name, &server.root("naughty", &[])?, "")?;
    fields_arrive(server.name, &server.sub_path("naughty")?, "/app")
}

fn fields_arrive(name: &str, behind: &Behind, mount: &str) -> Outcome {
    let mut client = behind.connect();
    let long = "l".repeat(5000);
    client.send(&format!(
        "GET {mount}/headers HTTP/1.1\r\nHost: test.example\r\nCookie: a=1; b=\"x,y\"\r\n\
         Authorization: Basic YTpi\r\nX-Twice: 1\r\nX-Twice: 2\r\nProxy: evil\r\n\
         X-Long: {long}\r\nX-Latin: caf\u{e9}\r\nConnection: keep-alive\r\nTE: trailers\r\n\r\n"
    ));
    let text = client.reply(false).text();
    let lines: Vec<&str> = text.lines().collect();
    let has = |line: &str| lines.contains(&line);
    assert!(has("cookie: a=1; b=\"x,y\""), "{name}: {text}");
    assert!(has("authorization: Basic YTpi"), "{name}: {text}");
    assert!(has("host: test.example"), "{name}: {text}");
    assert!(has("x-latin: caf\u{e9}"), "{name}: {text}");
    assert!(has(&format!("x-long: {long}")), "{name}: {text}");
    let apart = has("x-twice: 1") && has("x-twice: 2");
    assert!(apart || has("x-twice: 1, 2"), "{name}: {text}");
    for dropped in ["proxy:", "connection:", "te:"] {
        let is_there = lines.iter().any(|line| line.starts_with(dropped));
        assert!(!is_there, "{name}: {text}");
    }
    Ok(())
}

pub(super) fn response_fields(server: &'static Server) -> Outcome {
    let behind = server.root("naughty", &[])?;
    let reply = behind.connect().get("/cookies");
    let fields = reply.head.fields.iter();
    let cookies: Vec<_> = fields
        .filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"))
        .map(|(_, value)| value.as_str())
        .collect();
    assert_eq!(cookies, ["a=1", "b=2; Path=/"], "{}", server.name);
    assert_eq!(reply.text(), "baked\n");
    // What would command the web server does not get there.
    let reply = behind.connect().get("/commands");
    assert_eq!(reply.head.field("x-kept"), Some("yes"), "{reply:?}");
    assert_eq!(reply.text(), "commanded\n");
    Ok(())
}

pub(super) fn large(server: &'static Server) -> Outcome {
    large_heads_pass(server.name, &server.root("naughty", &[])?, "")?;
    large_heads_pass(server.name, &server.sub_path("naughty")?, "/app")
}

fn large_heads_pass(name: &str, behind: &Behind, mount: &str) -> Outcome {
    for fields in [5, 16, 30, 60] {
        let target = format!("{mount}/wide-head/{fields}");
        let reply = behind.connect().get(&target);
        let status = reply.head.status;
        assert_eq!(status, 200, "{name}: {fields} KiB: {}", reply.text());
        let value = reply.head.field(&format!("x-{}", fields - 1));
        assert_eq!(value.map(str::len), Some(1000), "{name}: {fields} KiB");
    }
    let reply = behind.connect().get(&format!("{mount}/big-head/7000"));
    assert_eq!(reply.head.field("x-big").map(str::len), Some(7000));
    Ok(())
}

pub(super) fn https(server: &'static Server) -> Outcome {
    let behind = server.encrypted("naughty")?;
    let text = Tls::connect(behind.daemon.address()).get("/params").text();
    let is_known = text.lines().any(|line| line == "HTTPS=on");
    assert!(is_known, "{}: {text}", server.name);
    let behind = server.root("naughty", &[])?;
    let text = behind.connect().get("/params").text();
    assert!(!text.contains("HTTPS=on"), "{}: {text}", server.name);
    Ok(())
}
