//! What real web servers were recorded to send (captures/INDEX.json tells what
//! is in each file, as decoded by a program that is not ours).

use std::fs;
use std::path::PathBuf;

use fcgi_wasm::fastcgi::{Connection, Event, Pairs, ProtocolStatus, Values};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::Outcome;
use crate::support::local::{Local, hello};
use crate::support::web_server::*;

tests![
    every_capture_is_understood,
    every_capture_cut_in_two_anywhere_means_the_same,
    every_request_of_every_capture_is_answered_once,
];

struct Capture {
    name: String,
    bytes: Vec<u8>,
    requests: Vec<Value>,
}

fn captures() -> Vec<Capture> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/captures");
    let index = fs::read_to_string(folder.join("INDEX.json")).expect("the index");
    let index: Vec<Value> = serde_json::from_str(&index).expect("JSON");
    assert!(index.len() > 400, "{} captures", index.len());
    let capture = |entry: &Value| {
        let name = entry["file"].as_str().expect("a name").to_owned();
        let bytes = fs::read(folder.join(&name)).expect("a capture");
        let requests = entry["requests"].as_array().expect("requests").clone();
        Capture {
            name,
            bytes,
            requests,
        }
    };
    index.iter().map(capture).collect()
}

fn connection() -> Connection {
    Connection::new(Values {
        connections_max: 10,
        requests_max: 10,
        multiplex: true,
        app: "".into(),
    })
}

/// The events of a capture that arrives in these pieces, adjoining bytes of a
/// body put together. What breaks the protocol ends them.
fn events(pieces: &[&[u8]]) -> Vec<Event> {
    let mut connection = connection();
    let mut events = Vec::new();
    for piece in pieces {
        connection.input().extend_from_slice(piece);
        while let Ok(Some(event)) = connection.next_event() {
            if let Event::StdinEnd(id) | Event::Abort(id, _) = event {
                // As if it were answered at once: kept connections go on with
                // the same id.
                connection.end(id, 0, ProtocolStatus::RequestComplete);
            }
            match (events.last_mut(), event) {
                (Some(Event::Stdin(before, bytes)), Event::Stdin(id, more)) if *before == id => {
                    *bytes = [bytes.as_ref(), more.as_ref()].concat().into();
                }
                (_, event) => events.push(event),
            }
        }
    }
    events
}

fn every_capture_is_understood() -> Outcome {
    for capture in captures() {
        let events = events(&[&capture.bytes]);
        let begun = events.iter().filter_map(|event| match event {
            Event::Begin {
                id, role, params, ..
            } => Some((*id, *role, params)),
            _ => None,
        });
        let begun: Vec<_> = begun.collect();
        let complete = |request: &&Value| request["params_complete"] == true;
        let expected: Vec<&Value> = capture.requests.iter().filter(complete).collect();
        assert_eq!(begun.len(), expected.len(), "{}", capture.name);
        for ((id, role, params), expected) in begun.into_iter().zip(expected) {
            assert_eq!(expected["id"], id.get(), "{}", capture.name);
            assert_eq!(expected["role"], role.number(), "{}", capture.name);
            let pairs = Pairs::new(params).map(|pair| pair.expect("a pair"));
            let pairs: Vec<Value> = pairs
                .map(|(name, value)| Value::from(vec![latin_1(name), latin_1(value)]))
                .collect();
            assert_eq!(expected["params"], Value::from(pairs), "{}", capture.name);
            if capture.requests.len() == 1 {
                let bodies = events.iter().filter_map(|event| match event {
                    Event::Stdin(_, bytes) => Some(bytes.as_ref()),
                    _ => None,
                });
                let body: Vec<u8> = bodies.collect::<Vec<_>>().concat();
                check_body(&capture.name, expected, &body);
            }
        }
    }
    Ok(())
}

/// Cherokee sends bytes behind the end of a body, which the index counts.
fn check_body(name: &str, expected: &Value, body: &[u8]) {
    if name.starts_with("cherokee-post") {
        return;
    }
    assert_eq!(expected["stdin_len"], body.len(), "{name}");
    let sum = Sha256::digest(body);
    let sum: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(expected["stdin_sha256"], sum, "{name}");
}

fn latin_1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

fn every_capture_cut_in_two_anywhere_means_the_same() -> Outcome {
    for capture in captures() {
        let whole = events(&[&capture.bytes]);
        for cut in 0..capture.bytes.len() {
            let (before, after) = capture.bytes.split_at(cut);
            let cut_events = events(&[before, after]);
            assert!(cut_events == whole, "{} cut at {cut}", capture.name);
        }
    }
    Ok(())
}

fn every_request_of_every_capture_is_answered_once() -> Outcome {
    let local = Local::serve(hello());
    for capture in captures() {
        let mut peer = local.connect();
        peer.send(&capture.bytes);
        peer.stream
            .shutdown(std::net::Shutdown::Write)
            .expect("half closed");
        let mut ended: Vec<u64> = Vec::new();
        while let Some(record) = peer.read_record() {
            let of_application = [STDOUT, STDERR, END_REQUEST, GET_VALUES_RESULT];
            assert!(of_application.contains(&record.kind), "{}", capture.name);
            if record.kind == END_REQUEST {
                ended.push(record.id.into());
            }
        }
        let mut begun: Vec<u64> = capture
            .requests
            .iter()
            .filter_map(|request| request["id"].as_u64())
            .collect();
        ended.sort_unstable();
        begun.sort_unstable();
        assert_eq!(ended, begun, "{}", capture.name);
    }
    Ok(())
}
