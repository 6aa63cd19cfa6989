//! Misbehaves by path, for the tests: an application for `wasi:http` 0.2, made
//! with nothing of ours.

#![cfg(target_family = "wasm")]
#![expect(clippy::unwrap_used, reason = "a guest may trap, these above all")]

mod bodies;
mod extras;
mod folders;
mod outbound;
mod sockets;

use std::sync::atomic::{AtomicU32, Ordering};

use wasip2::http::types::{
    ErrorCode, Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

/// Would count requests, if an instance ever saw a second one.
static COUNT: AtomicU32 = AtomicU32::new(0);

struct App;

wasip2::http::proxy::export!(App);

impl wasip2::exports::http::incoming_handler::Guest for App {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default().to_owned();
        let (first, rest) = match path[1..].split_once('/') {
            Some((first, rest)) => (first, rest),
            None => (&path[1..], ""),
        };
        let number: u64 = rest.parse().unwrap_or(0);
        match first {
            "hello" => text(out, 200, "hello\n"),
            "count" => {
                let count = COUNT.fetch_add(1, Ordering::SeqCst) + 1;
                text(out, 200, &format!("{count}\n"));
            }
            "status" => text(out, number as u16, "status\n"),
            "" | "request" => text(out, 200, &describe(&request)),
            "headers" => text(out, 200, &headers(&request)),
            "keep-fields" => {
                let kept: Vec<_> = (0..number).map(|_| wide_fields()).collect();
                bodies::upload(request, out);
                drop(kept);
            }
            "spin" => loop {
                COUNT.fetch_add(1, Ordering::SeqCst);
            },
            "trap" => panic!("as asked"),
            "silence" => {}
            "error" => {
                ResponseOutparam::set(out, Err(ErrorCode::InternalError(Some("as asked".into()))))
            }
            "half" => {
                let body = start(out, 200);
                let stream = body.write().unwrap();
                stream.blocking_write_and_flush(b"half of it").unwrap();
                // So that it leaves.
                wasip2::clocks::monotonic_clock::subscribe_duration(50_000_000).block();
                panic!("as asked, in the middle");
            }
            "late-trap" => {
                text(out, 200, "complete\n");
                panic!("as asked, after the answer");
            }
            "unfinished" => {
                let body = start(out, 200);
                let stream = body.write().unwrap();
                stream.blocking_write_and_flush(b"never finished").unwrap();
                std::mem::forget((stream, body));
            }
            "unsent" => {
                let body = start(out, 200);
                let stream = body.write().unwrap();
                stream.check_write().unwrap();
                stream.write(b"never seen").unwrap();
                panic!("as asked, before anything left");
            }
            "hoard" => {
                let value = vec![vec![b'x'; 50_000]];
                let hoard: Vec<Fields> = (0..100_000)
                    .map(|_| {
                        let fields = Fields::new();
                        fields.set("x-hoard", &value).unwrap();
                        fields
                    })
                    .collect();
                text(out, 200, &format!("{} sets of fields\n", hoard.len()));
            }
            "settings" => text(out, 200, &extras::settings()),
            "words" => text(out, 200, &extras::words()),
            "who" => text(out, 200, &extras::who()),
            "outbound" => text(out, 200, &outbound::get(rest)),
            "keep-requests" => text(out, 200, &outbound::keep(number as usize)),
            "socket-buffers" => text(out, 200, &sockets::buffers()),
            "kinds" => text(out, 200, &folders::kinds()),
            "list" => text(out, 200, &folders::list()),
            "lists" => text(out, 200, &folders::lists(number)),
            "write-file" => text(out, 200, &folders::write(number)),
            "list-and-remove" => text(out, 200, &folders::list_and_remove()),
            "length" => {
                let fields = Fields::new();
                let length = number.to_string().into_bytes();
                fields.append("content-length", &length).unwrap();
                let response = OutgoingResponse::new(fields);
                let body = response.body().unwrap();
                ResponseOutparam::set(out, Ok(response));
                OutgoingBody::finish(body, None).unwrap();
            }
            "echo" => bodies::echo(request, out),
            "upload" => bodies::upload(request, out),
            "swallow" => bodies::swallow(request, out),
            "download" => bodies::download(number, out),
            "early" => bodies::early(request, out),
            _ => text(out, 404, "not found\n"),
        }
    }
}

/// Sends the head.
fn start(out: ResponseOutparam, status: u16) -> OutgoingBody {
    let response = OutgoingResponse::new(Fields::new());
    if response.set_status_code(status).is_err() {
        panic!("the status {status} is refused");
    }
    let body = response.body().unwrap();
    ResponseOutparam::set(out, Ok(response));
    body
}

/// Sends a whole response.
fn text(out: ResponseOutparam, status: u16, text: &str) {
    let body = start(out, status);
    let stream = body.write().unwrap();
    for piece in text.as_bytes().chunks(4096) {
        stream.blocking_write_and_flush(piece).unwrap();
    }
    drop(stream);
    OutgoingBody::finish(body, None).unwrap();
}

fn describe(request: &IncomingRequest) -> String {
    format!(
        "method {:?}\nscheme {:?}\nauthority {:?}\npath {:?}\n",
        request.method(),
        request.scheme(),
        request.authority(),
        request.path_with_query()
    )
}

fn headers(request: &IncomingRequest) -> String {
    let fields = request.headers().entries();
    let line =
        |(name, value): (String, Vec<u8>)| format!("{name}: {}\n", String::from_utf8_lossy(&value));
    fields.into_iter().map(line).collect()
}

/// As much as one set of fields may have.
fn wide_fields() -> Fields {
    let fields = Fields::new();
    fields.append("x-wide", &[b'x'; 60_000]).unwrap();
    fields
}
