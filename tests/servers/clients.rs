//! Connections: kept, many, and given up.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::setup::Server;
use crate::support::{Outcome, wait_until};

pub(super) fn kept(server: &'static Server) -> Outcome {
    const REQUESTS: usize = 20;
    let behind = server.root("naughty", &[])?;
    let mut client = behind.connect();
    for _ in 0..REQUESTS {
        // Each has an instance of its own.
        let reply = client.get("/count");
        assert_eq!((reply.head.status, reply.text().as_str()), (200, "1\n"));
    }
    if server.keeps_connections {
        let log = behind.log();
        let peers: BTreeSet<&str> = log
            .lines()
            .filter(|line| line.contains("served"))
            .filter_map(|line| line.split(" peer=").nth(1)?.split(' ').next())
            .collect();
        let connections = peers.len();
        assert!((1..REQUESTS / 2).contains(&connections), "{peers:?}");
    }
    Ok(())
}

pub(super) fn fifty(server: &'static Server) -> Outcome {
    const CLIENTS: usize = 50;
    let behind = server.root("naughty", &[])?;
    let answered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                for _ in 0..4 {
                    // A new connection: Apache ends kept ones to find time
                    // for others.
                    let reply = behind.connect().get("/count");
                    assert_eq!((reply.head.status, reply.text().as_str()), (200, "1\n"));
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(answered.load(Ordering::SeqCst), 4 * CLIENTS);
    Ok(())
}

pub(super) fn leaving(server: &'static Server) -> Outcome {
    let behind = server.root("naughty", &["--max-concurrent", "1", "--queue", "0"])?;
    let mut client = behind.connect();
    wait_until("it takes the only place", || {
        client = behind.connect();
        client.send("GET /never-ends HTTP/1.1\r\nHost: h\r\n\r\n");
        client.head().status == 200
    });
    client.read_until("xxxx");
    drop(client);
    // Most notice when they next write to the client.
    wait_until("the place is free", || {
        behind.connect().get("/hello").head.status == 200
    });
    Ok(())
}
