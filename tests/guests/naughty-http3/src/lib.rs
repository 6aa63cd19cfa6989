//! Misbehaves by path, for the tests: an application for `wasi:http` 0.3, made
//! with nothing of ours.

#![cfg(target_family = "wasm")]
#![expect(clippy::print_stderr, reason = "that is the application's log")]
#![expect(clippy::unwrap_used, reason = "a guest may trap, these above all")]

mod bodies;
mod folders;
mod held;
mod outbound;
mod sockets;

use std::sync::atomic::{AtomicU32, Ordering};

use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::wit_bindgen::spawn_local;
use wasip3::{wit_future, wit_stream};

use bodies::Body;

/// Would count requests, if an instance ever saw a second one.
static COUNT: AtomicU32 = AtomicU32::new(0);

struct App;

wasip3::http::service::export!(App);

impl wasip3::exports::http::handler::Guest for App {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default().to_owned();
        let (first, rest) = match path[1..].split_once('/') {
            Some((first, rest)) => (first, rest),
            None => (&path[1..], ""),
        };
        let number: u64 = rest.parse().unwrap_or(0);
        Ok(match first {
            "hello" => text(200, "hello\n"),
            "count" => {
                let count = COUNT.fetch_add(1, Ordering::SeqCst) + 1;
                text(200, &format!("{count}\n"))
            }
            "status" => text(number as u16, "status\n"),
            "" | "request" => text(200, &describe(&request)),
            "headers" => text(200, &headers(&request)),
            "spin" => loop {
                COUNT.fetch_add(1, Ordering::SeqCst);
            },
            "sleep" => {
                wasip3::clocks::monotonic_clock::wait_for(number * 1_000_000).await;
                text(200, "slept\n")
            }
            "trap" => panic!("as asked"),
            "error" => return Err(ErrorCode::InternalError(Some("as asked".into()))),
            "half" => respond(|mut body| async move {
                body.write(b"half of it").await;
                wasip3::clocks::monotonic_clock::wait_for(50_000_000).await;
                panic!("as asked, in the middle");
            }),
            "late-trap" => respond(|mut body| async move {
                body.write(b"complete\n").await;
                drop(body);
                wasip3::clocks::monotonic_clock::wait_for(1_000_000).await;
                panic!("as asked, after the answer");
            }),
            "late-words" => respond(|mut body| async move {
                body.write(b"complete\n").await;
                drop(body);
                wasip3::clocks::monotonic_clock::wait_for(50_000_000).await;
                eprintln!("still here");
            }),
            "trailers" => respond(|mut body| async move {
                body.write(b"with trailers\n").await;
                let trailers = Fields::new();
                trailers.append("x-checksum", b"42").unwrap();
                body.finish(trailers).await;
            }),
            "outbound" => text(200, &outbound::get(rest).await),
            "look-up" => text(200, &outbound::look_up(rest).await),
            "send-back" => text(200, &outbound::send_back(rest).await),
            "keep-requests" => text(200, &outbound::keep(number as usize)),
            "socket-buffers" => text(200, &sockets::buffers()),
            "files" => text(200, &folders::files(number).await),
            "log-file" => text(200, &folders::log_file().await),
            "long-name" => text(200, &folders::long_name(number as usize).await),
            "kinds" => text(200, &folders::kinds().await),
            "list" => text(200, &folders::list().await),
            "lists" => text(200, &folders::lists(number).await),
            "length" => {
                let fields = Fields::new();
                let length = number.to_string().into_bytes();
                fields.append("content-length", &length).unwrap();
                with_fields(fields, |mut body| async move {
                    body.write(b"12345").await;
                })
            }
            "pipes" => text(200, &held::pipes(number).await),
            "response-chain" => text(200, &held::chain(number).await),
            "unread-errors" => text(200, &held::errors(number).await),
            "echo" => bodies::echo(request),
            "upload" => bodies::upload(request).await,
            "swallow" => bodies::swallow(request).await,
            "download" => respond(move |body| bodies::download(body, number)),
            "early" => bodies::early(request),
            _ => text(404, "not found\n"),
        })
    }
}

/// A response whose body is written by a task that goes on meanwhile.
fn respond<F: Future<Output = ()> + 'static>(write: impl FnOnce(Body) -> F) -> Response {
    with_fields(Fields::new(), write)
}

fn with_fields<F: Future<Output = ()> + 'static>(
    fields: Fields,
    write: impl FnOnce(Body) -> F,
) -> Response {
    let (writer, reader) = wit_stream::new();
    let (trailers, trailers_reader) = wit_future::new(|| Ok(None));
    let (response, _sent) = Response::new(fields, Some(reader), trailers_reader);
    spawn_local(write(Body::new(writer, trailers)));
    response
}

/// A whole response.
fn text(status: u16, text: &str) -> Response {
    let text = text.as_bytes().to_vec();
    let response = respond(|mut body| async move { body.write(&text).await });
    if response.set_status_code(status).is_err() {
        panic!("the status {status} is refused");
    }
    response
}

fn describe(request: &Request) -> String {
    format!(
        "method {:?}\nscheme {:?}\nauthority {:?}\npath {:?}\n",
        request.get_method(),
        request.get_scheme(),
        request.get_authority(),
        request.get_path_with_query()
    )
}

fn headers(request: &Request) -> String {
    let fields = request.get_headers().copy_all();
    let line =
        |(name, value): (String, Vec<u8>)| format!("{name}: {}\n", String::from_utf8_lossy(&value));
    fields.into_iter().map(line).collect()
}
