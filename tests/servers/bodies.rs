//! Bodies, up and down.

use super::setup::Server;
use crate::support::Outcome;

pub(super) fn uploads(server: &'static Server) -> Outcome {
    let behind = server.root("naughty", &[])?;
    let body: Vec<u8> = (0..3_000_000_u32)
        .map(|index| (index % 251) as u8)
        .collect();
    let sum: u64 = body.iter().map(|byte| u64::from(*byte)).sum();
    let mut client = behind.connect();
    let reply = client.post("/upload", &body);
    assert_eq!(reply.text(), format!("3000000 bytes, sum {sum}\n"));
    let reply = behind.connect().post("/upload", b"");
    assert_eq!(reply.text(), "0 bytes, sum 0\n");
    let reply = behind.connect().post("/echo", &body);
    assert!(reply.body == body, "{} bytes came back", reply.body.len());
    // Chunked, in the client's own pieces.
    let reply = behind.connect().post_chunked("/upload");
    assert_eq!(reply.text(), "50 bytes, sum 5320\n");
    Ok(())
}

pub(super) fn streaming(server: &'static Server) -> Outcome {
    let behind = server.root("naughty", &[])?;
    let mut client = behind.connect();
    client.send("GET /first-then-sleep HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.head().status, 200);
    // However the web server frames it.
    client.read_until("first\n");
    Ok(())
}

/// A web server that is sent a body with these would take its bytes for the
/// next answer.
pub(super) fn none(server: &'static Server) -> Outcome {
    let behind = server.root("naughty", &[])?;
    let mut client = behind.connect();
    client.send("HEAD /hello HTTP/1.1\r\nHost: h\r\n\r\n");
    let reply = client.reply(true);
    assert_eq!(reply.head.status, 200);
    if let Some(length) = reply.head.field("content-length") {
        assert_eq!(length, "6");
    }
    for status in [304, 204] {
        let reply = behind.connect().get(&format!("/status/{status}"));
        assert_eq!(reply.head.status, status);
    }
    let mut client = behind.connect();
    for _ in 0..3 {
        let reply = client.get("/status/304");
        assert_eq!(reply.head.status, 304);
        if reply.head.field("connection") == Some("close") {
            client = behind.connect();
        }
        assert_eq!(client.get("/hello").text(), "hello\n");
    }
    Ok(())
}
