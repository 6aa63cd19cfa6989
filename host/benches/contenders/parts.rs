//! What one request is made of, each part measured by itself on one thread:
//! processor time here, and instructions where valgrind counts them.

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use fcgi_wasm::fastcgi::{
    Client, Connection, Event, Pairs, ProtocolStatus, RequestId, Role, Values,
};
use fcgi_wasm::{App, Engine, Handler, Params, Policy, Request, RequestBody, cgi};
use http::StatusCode;
use http_body_util::BodyExt;
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::entrants::guest_file;
use crate::figures::{cell, median};
use crate::handler;
use crate::question::Question;

/// How long a part is repeated for one figure, and how many figures there are.
const BATCH: Duration = Duration::from_millis(20);
const BATCHES: usize = 15;

/// The body of the parts that are streams, bytes.
const STREAM_BYTES: usize = 64 * 1024 * 1024;

/// What the pool of guests is made for: no more are alive at a time.
const INSTANCES_MAX: usize = 16;

/// A part. Given a number, it makes ready and gives what repeats it so often.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    /// Whether it moves [`STREAM_BYTES`].
    pub(crate) is_stream: bool,
    prepare: fn() -> Result<Repeat, String>,
}

type Repeat = Box<dyn FnMut(usize)>;

/// All parts.
pub(crate) const PARTS: &[Part] = &[
    pure("fastcgi-parse", parse),
    pure("fastcgi-pack", pack),
    pure("params", params),
    pure("params-to-http", to_http),
    pure("params-to-environment", to_environment),
    pure("cgi-head-write", write_head),
    pure("cgi-head-parse", parse_head),
    pure("handler", || Ok(repeat(Arc::new(handler::handle)))),
    pure("native", || hello("hello")),
    pure("native-tests", || hello("naughty")),
    pure("http-0.2", || hello("hello_http")),
    pure("http-0.3", || hello("hello_http3")),
    pure("cgi", || hello("hello_cgi")),
    stream("down-handler", || Ok(down(Arc::new(handler::handle)))),
    stream("down-native", || Ok(down(app("naughty")?))),
    stream("down-http-0.2", || Ok(down(app("naughty_http")?))),
    stream("down-http-0.3", || Ok(down(app("naughty_http3")?))),
    stream("down-cgi", || Ok(down(app("naughty_cgi")?))),
    stream("up-handler", || Ok(up(Arc::new(handler::handle)))),
    stream("up-native", || Ok(up(app("naughty")?))),
    stream("up-http-0.2", || Ok(up(app("naughty_http")?))),
    stream("up-http-0.3", || Ok(up(app("naughty_http3")?))),
    stream("up-cgi", || Ok(up(app("naughty_cgi")?))),
];

const fn pure(name: &'static str, prepare: fn() -> Result<Repeat, String>) -> Part {
    Part {
        name,
        is_stream: false,
        prepare,
    }
}

const fn stream(name: &'static str, prepare: fn() -> Result<Repeat, String>) -> Part {
    Part {
        name,
        is_stream: true,
        prepare,
    }
}

/// Measures all parts and prints them.
pub(crate) fn run(is_quick: bool) -> Value {
    println!("\nParts of a request, no socket: processor time");
    let batches = if is_quick { 3 } else { BATCHES };
    let rows = PARTS.iter().map(|part| {
        let time = (part.prepare)().map(|mut repeat| time_of(&mut repeat, batches));
        match time {
            Ok(nanos) if part.is_stream => {
                let rate = nanos.map(|nanos| STREAM_BYTES as f64 / nanos * 1e3);
                println!("{:<24} {:>10} MB/s", part.name, cell(rate, 0));
                json!({ "name": part.name, "megabytes_per_second": rate })
            }
            Ok(nanos) => {
                let micros = nanos.map(|nanos| nanos / 1e3);
                println!("{:<24} {:>10} us", part.name, cell(micros, 3));
                json!({ "name": part.name, "us": micros })
            }
            Err(complaint) => {
                println!("{:<24} {complaint}", part.name);
                json!({ "name": part.name, "complaint": complaint })
            }
        }
    });
    let rows: Value = rows.collect();
    json!({ "alone": rows, "two_threads": on_two_threads(batches) })
}

/// Where compiled guests are kept while valgrind counts.
static CACHE: OnceLock<PathBuf> = OnceLock::new();

/// Repeats one part so often, for valgrind; see `instructions`.
pub(crate) fn work(name: &str, count: usize, cache: &str) -> Result<(), String> {
    CACHE.get_or_init(|| cache.into());
    let part = PARTS.iter().find(|part| part.name == name);
    let part = part.ok_or_else(|| format!("there is no part {name:?}"))?;
    let mut repeat = (part.prepare)()?;
    counted_work(&mut repeat, count);
    Ok(())
}

/// What a profiler is told to look at: it finds it by this name.
#[inline(never)]
fn counted_work(repeat: &mut Repeat, count: usize) {
    repeat(black_box(count));
}

/// Nanoseconds of one repetition, in all threads.
fn time_of(repeat: &mut Repeat, batches: usize) -> Option<f64> {
    let mut count = 1;
    let time = |repeat: &mut Repeat, count: usize| {
        let before = processor_time();
        repeat(count);
        processor_time().saturating_sub(before)
    };
    repeat(1);
    while time(repeat, count) < BATCH && count < 1 << 24 {
        count *= 2;
    }
    let figures = (0..batches).map(|_| time(repeat, count).as_nanos() as f64 / count as f64);
    median(figures.collect())
}

/// What this process has used: other than the time that passes it does not
/// depend on what else the machine does.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// How much more is done by two threads that do the same, each with a runtime
/// of its own: 2 would be twice as much.
fn on_two_threads(batches: usize) -> Value {
    let rows = ["hello", "hello_http", "hello_http3", "hello_cgi"].map(|guest| {
        let factor = app(guest).ok().and_then(|app| {
            let on = |threads: usize| {
                let rates = (0..batches).map(|_| rate_on(&app, threads));
                median(rates.collect())
            };
            Some(on(2)? / on(1)?)
        });
        println!(
            "two threads, {guest:<24} {:>6} times one thread's",
            cell(factor, 2)
        );
        json!({ "guest": guest, "factor": factor })
    });
    rows.into_iter().collect()
}

fn rate_on(app: &Arc<App>, threads: usize) -> f64 {
    let count = |app: Arc<App>| {
        let mut repeat = repeat(app);
        let began = Instant::now();
        let mut count = 0;
        while began.elapsed() < 5 * BATCH {
            repeat(50);
            count += 50;
        }
        f64::from(count) / began.elapsed().as_secs_f64()
    };
    thread::scope(|scope| {
        let counting: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| count(app.clone())))
            .collect();
        let rates = counting.into_iter().map(|thread| thread.join());
        rates.map(|rate| rate.expect("no panic")).sum()
    })
}

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

fn parse() -> Result<Repeat, String> {
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

fn pack() -> Result<Repeat, String> {
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

fn params() -> Result<Repeat, String> {
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

fn to_http() -> Result<Repeat, String> {
    let params = read_params();
    Ok(Box::new(move |count| {
        for _ in 0..count {
            black_box(cgi::http_request(&params, ()).expect("a good request"));
        }
    }))
}

fn to_environment() -> Result<Repeat, String> {
    let params = read_params();
    Ok(Box::new(move |count| {
        for _ in 0..count {
            black_box(cgi::environment(&params));
        }
    }))
}

fn write_head() -> Result<Repeat, String> {
    let response = fcgi_wasm::Response::text(StatusCode::OK, "");
    Ok(Box::new(move |count| {
        for _ in 0..count {
            let mut head = BytesMut::with_capacity(256);
            cgi::write_head(response.status, &response.headers, &mut head);
            black_box(head);
        }
    }))
}

fn parse_head() -> Result<Repeat, String> {
    Ok(Box::new(move |count| {
        for _ in 0..count {
            let head = b"Status: 200 OK\r\nContent-Type: text/plain\r\nSet-Cookie: a=b\r\n\r\n";
            black_box(cgi::parse_head(black_box(head)).expect("a good head"));
        }
    }))
}

fn app(guest: &str) -> Result<Arc<App>, String> {
    let mut options = Engine::options().instances_max(INSTANCES_MAX);
    if let Some(cache) = CACHE.get() {
        options = options.cache(cache);
    }
    let engine = options.start().map_err(|error| error.to_string())?;
    let file = guest_file(guest)?;
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

fn hello(guest: &str) -> Result<Repeat, String> {
    Ok(repeat(app(guest)?))
}

/// One request after the other.
fn repeat<H: Handler>(handler: Arc<H>) -> Repeat {
    let (runtime, params) = (runtime(), read_params());
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

fn down<H: Handler>(handler: Arc<H>) -> Repeat {
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

fn up<H: Handler>(handler: Arc<H>) -> Repeat {
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
