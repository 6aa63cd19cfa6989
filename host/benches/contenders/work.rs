//! The work that each part repeats: given a number, it is done so often.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use fcgi_wasm::fastcgi::{
    Client, Connection, Event, Pairs, ProtocolStatus, RequestId, Role, Values,
};
use fcgi_wasm::{App, Engine, Handler, Params, Policy, Request, RequestBody, cgi};
use http::StatusCode;
use http_body_util::BodyExt;
use tokio::runtime::{Builder, Runtime};

use crate::guests::{foreign_guest, guest_file};
use crate::handler;
use crate::question::Question;

/// The body of the parts that are streams, bytes.
pub(crate) const STREAM_BYTES: usize = 64 * 1024 * 1024;

/// What the pool of guests is made for: no more are alive at a time.
const INSTANCES_MAX: usize = 16;

/// Where compiled guests are kept: to compile Flask takes a minute, and all
/// takes valgrind long.
pub(crate) static CACHE: OnceLock<PathBuf> = OnceLock::new();

/// How long guests may compute on the thread that asks, which they must not
/// leave in the middle because valgrind is slow.
const PROMPT: Duration = Duration::from_secs(60);

/// Repeats something so often.
pub(crate) type Repeat = Box<dyn FnMut(usize)>;

/// A request as it arrives.
fn arriving() -> Bytes {
    let mut client = Client::new();
    let id = RequestId::new(1).expect("not 0");
    client.begin(id, Role::Responder, true, Question::hello("").stream());
    client.end_stdin(id);
    let bytes = client.output().remaining();
    client.output().copy_to_bytes(bytes)
}

fn connection() -> Connection {
    Connection::new(Values {
        connections_max: 1,
        requests_max: 1,
        multiplex: true,
        app: "".into(),
    })
}

pub(crate) fn parse() -> Result<Repeat, String> {
    let (arriving, mut connection) = (arriving(), connection());
    Ok(Box::new(move |count| {
        for _ in 0..count {
            connection.input().extend_from_slice(&arriving);
            while let Ok(Some(event)) = connection.next_event() {
                if let Event::StdinEnd(id) = event {
                    connection.end(id, 0, ProtocolStatus::RequestComplete);
                }
            }
            let bytes = connection.output().remaining();
            connection.output().advance(bytes);
        }
    }))
}

pub(crate) fn pack() -> Result<Repeat, String> {
    let (arriving, id) = (arriving(), RequestId::new(1).expect("not 0"));
    let head = Bytes::from_static(b"Status: 200 OK\r\nContent-Type: text/plain\r\n\r\n");
    // A connection takes answers only to what it was asked, so the asking is
    // in it too; `fastcgi-parse` says how much that is.
    let mut connection = connection();
    Ok(Box::new(move |count| {
        for _ in 0..count {
            connection.input().extend_from_slice(&arriving);
            while let Ok(Some(event)) = connection.next_event() {
                black_box(event);
            }
            let mut pieces = [head.clone(), Bytes::from_static(b"hello\n")].into();
            connection.stdout(id, &mut pieces, head.len() + 6);
            connection.end(id, 0, ProtocolStatus::RequestComplete);
            let bytes = connection.output().remaining();
            black_box(connection.output().chunk());
            connection.output().advance(bytes);
        }
    }))
}

fn read_params() -> Params {
    Question::hello("").params().into_iter().collect()
}

pub(crate) fn params() -> Result<Repeat, String> {
    let stream = Question::hello("").stream();
    Ok(Box::new(move |count| {
        for _ in 0..count {
            let mut params = Params::with_capacity(stream.len());
            for (name, value) in Pairs::new(&stream).flatten() {
                params.push(name, value);
            }
            cgi::correct_split(&mut params);
            black_box(params);
        }
    }))
}

pub(crate) fn to_http() -> Result<Repeat, String> {
    let params = read_params();
    Ok(Box::new(move |count| {
        for _ in 0..count {
            black_box(cgi::http_request(&params, ()).expect("a good request"));
        }
    }))
}

pub(crate) fn to_environment() -> Result<Repeat, String> {
    let params = read_params();
    Ok(Box::new(move |count| {
        for _ in 0..count {
            black_box(cgi::environment(&params));
        }
    }))
}

pub(crate) fn write_head() -> Result<Repeat, String> {
    let response = fcgi_wasm::Response::text(StatusCode::OK, "");
    Ok(Box::new(move |count| {
        for _ in 0..count {
            let mut head = BytesMut::with_capacity(256);
            cgi::write_head(response.status, &response.headers, &mut head);
            black_box(head);
        }
    }))
}

pub(crate) fn parse_head() -> Result<Repeat, String> {
    Ok(Box::new(move |count| {
        for _ in 0..count {
            let head = b"Status: 200 OK\r\nContent-Type: text/plain\r\nSet-Cookie: a=b\r\n\r\n";
            black_box(cgi::parse_head(black_box(head)).expect("a good head"));
        }
    }))
}

/// The guest of this name, loaded.
pub(crate) fn app(guest: &str) -> Result<Arc<App>, String> {
    load(&guest_file(guest)?)
}

fn load(file: &Path) -> Result<Arc<App>, String> {
    let mut options = Engine::options()
        .instances_max(INSTANCES_MAX)
        .prompt(PROMPT);
    if let Some(cache) = CACHE.get() {
        options = options.cache(cache);
    }
    let engine = options.start().map_err(|error| error.to_string())?;
    let load = App::load(&engine, file, Policy::strict());
    let app = runtime()
        .block_on(load)
        .map_err(|error| error.to_string())?;
    Ok(Arc::new(app))
}

fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("the system has what a runtime needs")
}

/// What the guest of this name says to `/hello`.
pub(crate) fn hello(guest: &str) -> Result<Repeat, String> {
    Ok(repeat(app(guest)?))
}

/// What the smallest program in another language says to `/hello`.
pub(crate) fn foreign(name: &str, test: &str) -> Result<Repeat, String> {
    Ok(repeat(load(&foreign_guest(name, test)?)?))
}

/// One request after the other.
pub(crate) fn repeat<H: Handler>(handler: Arc<H>) -> Repeat {
    let question = Question::hello("");
    let (runtime, params): (_, Params) = (runtime(), question.params().into_iter().collect());
    Box::new(move |count| {
        runtime.block_on(async {
            for _ in 0..count {
                ask(handler.as_ref(), params.clone(), RequestBody::default()).await;
            }
        });
    })
}

/// How long the answer is.
async fn ask(handler: &impl Handler, params: Params, body: RequestBody) -> usize {
    let request = Request {
        params,
        body,
        ..Request::default()
    };
    let response = handler.handle(request).await.expect("an answer");
    assert_eq!(response.status, StatusCode::OK);
    let (mut body, mut bytes) = (response.body, 0);
    while let Some(frame) = body.frame().await {
        bytes += frame
            .expect("a whole body")
            .into_data()
            .map_or(0, |piece| piece.len());
    }
    assert!(bytes > 0);
    bytes
}

pub(crate) fn down<H: Handler>(handler: Arc<H>) -> Repeat {
    let question = Question::download(STREAM_BYTES);
    let (runtime, params): (_, Params) = (runtime(), question.params().into_iter().collect());
    Box::new(move |count| {
        runtime.block_on(async {
            for _ in 0..count {
                let bytes = ask(handler.as_ref(), params.clone(), RequestBody::default()).await;
                assert_eq!(bytes, STREAM_BYTES);
            }
        });
    })
}

pub(crate) fn up<H: Handler>(handler: Arc<H>) -> Repeat {
    let question = Question::upload(STREAM_BYTES);
    let (runtime, params): (_, Params) = (runtime(), question.params().into_iter().collect());
    Box::new(move |count| {
        runtime.block_on(async {
            for _ in 0..count {
                let (mut sender, body) = RequestBody::pipe();
                tokio::spawn(async move {
                    for _ in 0..STREAM_BYTES / handler::PIECE.len() {
                        if sender.ready().await.is_err() {
                            return;
                        }
                        sender.push(Bytes::from_static(&handler::PIECE));
                    }
                    sender.finish();
                });
                ask(handler.as_ref(), params.clone(), body).await;
            }
        });
    })
}
