//! Records of the connection itself (items 14 to 16 of the conformance list).

use crate::support::Outcome;
use crate::support::local::{Local, hello};
use crate::support::web_server::*;

tests![
    conformance_14_values_are_answered_at_any_time,
    conformance_15_requests_behind_get_values_are_served,
    conformance_16_unknown_management_records_are_named,
];

/// The values of a GET_VALUES_RESULT; all of them are short here.
#[track_caller]
fn values(peer: &mut Peer) -> Vec<(String, String)> {
    let result = peer.read_record().expect("a record");
    assert_eq!((result.kind, result.id), (GET_VALUES_RESULT, 0));
    let mut rest = result.content.as_slice();
    let mut values = Vec::new();
    while let [name_length, value_length, after @ ..] = rest {
        let (name, after) = after.split_at(usize::from(*name_length));
        let (value, after) = after.split_at(usize::from(*value_length));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        values.push((text(name), text(value)));
        rest = after;
    }
    values
}

fn query(names: &[&str]) -> Vec<u8> {
    let list: Vec<_> = names.iter().map(|name| (*name, "")).collect();
    record(GET_VALUES, 0, &pairs(&list))
}

fn conformance_14_values_are_answered_at_any_time() -> Outcome {
    let frontend = fcgi_wasm::FastCgi::default()
        .connections_max(77)
        .requests_max(5)
        .multiplex(false);
    let local = Local::serve_with(hello(), frontend, |server| server);
    let mut peer = local.connect();
    let names = ["FCGI_MAX_CONNS", "FCGI_MAX_REQS", "FCGI_MPXS_CONNS"];
    peer.send(&query(&[names[0], "UNKNOWN", names[1], names[2], names[0]]));
    let expected = [("77"), ("5"), ("0")].map(str::to_owned);
    let expected: Vec<_> = names.map(str::to_owned).into_iter().zip(expected).collect();
    assert_eq!(values(&mut peer), expected);
    peer.send(&query(&[]));
    assert_eq!(values(&mut peer), []);
    peer.send(&begin(1, RESPONDER, true));
    peer.send(&query(&["FCGI_MPXS_CONNS", "FCGI_NO_SUCH"]));
    assert_eq!(values(&mut peer).len(), 1);
    peer.send(&params(1, &get_params("/")));
    assert_eq!(peer.answer(1).status(), 200);
    Ok(())
}

fn conformance_15_requests_behind_get_values_are_served() -> Outcome {
    let local = Local::serve(hello());
    let mut peer = local.connect();
    let mut bytes = query(&["FCGI_MAX_REQS"]);
    bytes.extend(get(1, "/", true));
    bytes.extend(get(3, "/", true));
    peer.send(&bytes);
    assert_eq!(values(&mut peer).len(), 1);
    for answer in peer.answers(&[1, 3]) {
        assert_eq!(answer.status(), 200);
    }
    Ok(())
}

fn conformance_16_unknown_management_records_are_named() -> Outcome {
    let local = Local::serve(hello());
    let mut peer = local.connect();
    for kind in [12, 100, 255, 0] {
        peer.send(&record(kind, 0, b"whatever"));
        let answer = peer.read_record().expect("a record");
        assert_eq!((answer.kind, answer.id), (UNKNOWN_TYPE, 0));
        assert_eq!(answer.content, [kind, 0, 0, 0, 0, 0, 0, 0]);
    }
    assert_eq!(peer.ask(1, &get(1, "/", true)).status(), 200);
    Ok(())
}
