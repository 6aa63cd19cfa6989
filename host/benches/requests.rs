//! What a fresh instance costs: requests per second over a unix socket, and
//! microseconds of one request without any socket, for each kind of guest and
//! for a handler that is no guest at all. Everything is taken in turns in one
//! run, so the ratios are what counts.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use fcgi_wasm::fastcgi::{Client, Reply, RequestId, Role, write_pair};
use fcgi_wasm::{
    App, BoxFuture, Engine, FastCgi, Fault, Handler, Listener, Params, Policy, Request, Response,
    Server,
};
use http::StatusCode;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};

/// How often each contender has its turn, and how long that takes.
const ROUNDS: usize = 7;
const TURN: Duration = Duration::from_millis(700);

/// Connections that ask at a time, each for one thing after the other.
const CONNECTIONS: usize = 16;

const PARAMS: &[(&str, &str)] = &[
    ("QUERY_STRING", ""),
    ("REQUEST_METHOD", "GET"),
    ("CONTENT_TYPE", ""),
    ("CONTENT_LENGTH", ""),
    ("SCRIPT_NAME", ""),
    ("PATH_INFO", "/hello"),
    ("REQUEST_URI", "/hello"),
    ("DOCUMENT_URI", "/hello"),
    ("DOCUMENT_ROOT", "/usr/share/nginx/html"),
    ("SERVER_PROTOCOL", "HTTP/1.1"),
    ("REQUEST_SCHEME", "http"),
    ("GATEWAY_INTERFACE", "CGI/1.1"),
    ("SERVER_SOFTWARE", "nginx/1.22.1"),
    ("REMOTE_ADDR", "127.0.0.1"),
    ("REMOTE_PORT", "40404"),
    ("SERVER_ADDR", "127.0.0.1"),
    ("SERVER_PORT", "80"),
    ("SERVER_NAME", "localhost"),
    ("REDIRECT_STATUS", "200"),
    ("HTTP_HOST", "localhost"),
    ("HTTP_USER_AGENT", "Mozilla/5.0 (X11; Linux x86_64)"),
    (
        "HTTP_ACCEPT",
        "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8",
    ),
    ("HTTP_ACCEPT_LANGUAGE", "en-US,en;q=0.5"),
    ("HTTP_ACCEPT_ENCODING", "gzip, deflate"),
];

/// One who answers, as a handler that can be passed around.
#[derive(Clone)]
struct Contender {
    name: &'static str,
    handler: Arc<dyn Handler>,
}

impl Handler for Contender {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Fault>> {
        self.handler.handle(request)
    }
}

#[expect(clippy::print_stdout, reason = "the table is the result")]
fn main() {
    let runtime = Runtime::new().expect("a runtime");
    let contenders = runtime.block_on(contenders());
    let over_socket = in_turns(&contenders, |contender| closed_loop(&runtime, contender));
    let alone = in_turns(&contenders, one_by_one);
    let native = over_socket[0];
    println!(
        "{:<28} {:>12} {:>8} {:>14}",
        "", "requests/s", "ratio", "alone, us"
    );
    for ((contender, rate), alone) in contenders.iter().zip(over_socket).zip(alone) {
        let ratio = rate / native;
        println!(
            "{:<28} {rate:>12.0} {ratio:>8.2} {alone:>14.1}",
            contender.name
        );
    }
}

async fn contenders() -> Vec<Contender> {
    let engine = Engine::start().expect("an engine");
    let hello = |_: Request| async { Ok(Response::text(StatusCode::OK, "hello\n")) };
    let mut contenders = vec![Contender {
        name: "handler without a guest",
        handler: Arc::new(hello),
    }];
    let guests = [
        ("native contract, fresh", "hello.wasm"),
        ("wasi:http 0.2, fresh", "naughty_http.wasm"),
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/wasm32-wasip2/guest");
    for (name, file) in guests {
        let app = App::load(&engine, folder.join(file), Policy::strict()).await;
        contenders.push(Contender {
            name,
            handler: Arc::new(app.expect("`make bench` builds the guests")),
        });
    }
    contenders
}

/// Lets each contender have its turns, and gives the median of each.
fn in_turns(contenders: &[Contender], measure: impl Fn(&Contender) -> f64) -> Vec<f64> {
    let mut figures = vec![Vec::new(); contenders.len()];
    for _ in 0..ROUNDS {
        for (contender, figures) in contenders.iter().zip(&mut figures) {
            figures.push(measure(contender));
        }
    }
    let median = |mut figures: Vec<f64>| {
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    figures.into_iter().map(median).collect()
}

/// Requests per second over a unix socket, as many as can be.
fn closed_loop(runtime: &Runtime, contender: &Contender) -> f64 {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s");
    let listener = Listener::unix(&path).expect("a socket");
    let server = Server::new(contender.clone()).listen(listener, FastCgi::default());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = runtime.spawn(server.run_until(async { drop(stopped.await) }));
    let answered = runtime.block_on(async {
        let end = Instant::now() + TURN;
        let asking = (0..CONNECTIONS).map(|_| tokio::spawn(ask_until(path.clone(), end)));
        let mut answered = 0;
        for asking in asking.collect::<Vec<_>>() {
            answered += asking.await.expect("no panic");
        }
        answered
    });
    drop(stop);
    let served = runtime.block_on(serving).expect("no panic");
    served.expect("served");
    f64::from(answered) / TURN.as_secs_f64()
}

async fn ask_until(path: std::path::PathBuf, end: Instant) -> u32 {
    let mut stream = UnixStream::connect(path).await.expect("connected");
    let mut client = Client::new();
    let id = RequestId::new(1).expect("an id");
    let mut pairs = Vec::new();
    for (name, value) in PARAMS {
        write_pair(name.as_bytes(), value.as_bytes(), &mut pairs);
    }
    let pairs = Bytes::from(pairs);
    let mut answered = 0;
    while Instant::now() < end {
        client.begin(id, Role::Responder, true, pairs.clone());
        client.end_stdin(id);
        while client.output().has_remaining() {
            stream.write_buf(client.output()).await.expect("sent");
        }
        read_answer(&mut stream, &mut client).await;
        answered += 1;
    }
    answered
}

async fn read_answer(stream: &mut UnixStream, client: &mut Client) {
    let mut answer = Vec::new();
    loop {
        match client.next_reply().expect("FastCGI") {
            Some(Reply::Stdout(_, bytes)) => answer.extend_from_slice(&bytes),
            Some(Reply::End { .. }) => break,
            Some(other) => panic!("{other:?}"),
            None => {
                client.input().reserve(4096);
                let read = stream.read_buf(client.input()).await.expect("read");
                assert!(read > 0, "the connection was closed");
            }
        }
    }
    let text = String::from_utf8_lossy(&answer);
    assert!(text.starts_with("Status: 200 OK\r\n"), "{text}");
}

/// Microseconds for one request, on one thread and without a socket.
fn one_by_one(contender: &Contender) -> f64 {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let params: Params = PARAMS.iter().copied().collect();
    let one = || ask_once(contender, params.clone());
    runtime.block_on(async {
        one().await;
        let began = Instant::now();
        let mut count = 0;
        while began.elapsed() < TURN {
            one().await;
            count += 1;
        }
        began.elapsed().as_secs_f64() * 1e6 / f64::from(count)
    })
}

fn ask_once(contender: &Contender, params: Params) -> impl Future<Output = ()> {
    let request = Request {
        params,
        ..Request::default()
    };
    async move {
        let response = contender.handle(request).await.expect("an answer");
        assert_eq!(response.status, StatusCode::OK);
        let body = response.body.collect().await.expect("a body");
        assert!(!body.to_bytes().is_empty());
    }
}
