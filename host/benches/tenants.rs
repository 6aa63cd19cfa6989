//! What a noisy neighbour costs: twenty quiet tenants ask at a fixed rate over
//! a unix socket, alone and beside one that spins, floods or takes memory, in
//! turns in one run. The ratio of their latencies is what counts. With
//! `--quick` each has one short turn, which says less.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use fcgi_wasm::fastcgi::{Client, Reply, RequestId, Role, write_pair};
use fcgi_wasm::{App, Budget, Engine, FastCgi, Listener, Policy, Router, Server, Tenant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

const QUIET_TENANTS: usize = 20;

/// How often each of them asks: together they ask 200 times a second, which is
/// little for any machine.
const PERIOD: Duration = Duration::from_millis(100);

/// How often each kind of noise has its turn, each time after silence, and how
/// long that takes; and the same when it has to be quick.
const ROUNDS: usize = 3;
const TURN: Duration = Duration::from_secs(4);
const QUICK_TURN: Duration = Duration::from_secs(1);

/// How long a new noise lasts before it counts: the first seconds of a flood
/// are the same as all others, but those of a connection are not.
const WARM_UP: Duration = Duration::from_millis(500);

/// Connections of the noisy one, each of which asks for one thing after the
/// other.
const NOISY_CONNECTIONS: usize = 200;

const NOISES: &[(&str, &str)] = &[
    ("spins", "/spin"),
    ("floods", "/hello"),
    ("takes memory", "/grow"),
    ("traps", "/trap"),
];

#[expect(clippy::print_stdout, reason = "the table is the result")]
fn main() {
    // Arguments are for all benchmarks; these are another one's.
    let is_given = |name| std::env::args().any(|argument| argument == name);
    if is_given("--curves") || is_given("--parts") {
        return;
    }
    // Who asks is not what is measured. The noisy one's connections must not
    // delay the others' on their side of the socket, so they come last there.
    let noisy_clients = Builder::new_multi_thread()
        .enable_all()
        .on_thread_start(|| {
            rustix::process::nice(19).expect("it is allowed to be nicer");
        })
        .build()
        .expect("a runtime");
    let runtime = Runtime::new().expect("a runtime");
    let (rounds, turn) = match is_given("--quick") {
        true => (1, QUICK_TURN),
        false => (ROUNDS, TURN),
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s");
    let router = runtime.block_on(tenants());
    let listener = Listener::unix(&path).expect("a socket");
    let server = Server::new(router).listen(listener, FastCgi::default());
    runtime.spawn(server.run_until(std::future::pending()));

    println!(
        "{:<14} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "a neighbour", "p50 alone", "p50 beside", "ratio", "p99 alone", "p99 beside", "ratio"
    );
    for (noise, noise_path) in NOISES {
        let (mut alone, mut beside) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            alone.extend(measure(&path, turn));
            let (stop, stopped) = watch::channel(());
            for _ in 0..NOISY_CONNECTIONS {
                noisy_clients.spawn(be_noisy(path.clone(), noise_path, stopped.clone()));
            }
            thread::sleep(WARM_UP);
            beside.extend(measure(&path, turn));
            drop(stop);
            thread::sleep(WARM_UP);
        }
        let [p50_alone, p99_alone] = percentiles(alone);
        let [p50_beside, p99_beside] = percentiles(beside);
        println!(
            "{noise:<14} {p50_alone:>10.2} {p50_beside:>10.2} {:>10.2} {p99_alone:>10.2} \
             {p99_beside:>10.2} {:>10.2}",
            p50_beside / p50_alone,
            p99_beside / p99_alone
        );
    }
}

async fn tenants() -> Router {
    let engine = Engine::start().expect("an engine");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/wasm32-wasip2/guest");
    let load = async |name: &str, file: &str| {
        let tenant = Tenant::new(&engine, name, Budget::strict());
        let policy = Policy::strict().cpu_time_max(Duration::from_secs(60));
        let app = App::load_for(&tenant, name, folder.join(file), policy).await;
        app.expect("`make bench` builds the guests")
    };
    let mut router = Router::new().route("noisy/", load("noisy", "naughty.wasm").await);
    for number in 0..QUIET_TENANTS {
        let name = format!("quiet{number}");
        router = router.route(&format!("{name}/"), load(&name, "naughty.wasm").await);
    }
    router
}

/// The latencies of all quiet tenants, milliseconds. Each asks on a thread of its own,
/// because that wakes when its question is due; tokio's timers go by milliseconds.
fn measure(path: &Path, turn: Duration) -> Vec<f64> {
    thread::scope(|scope| {
        let asking =
            (0..QUIET_TENANTS).map(|number| scope.spawn(move || be_quiet(path, number, turn)));
        let asking: Vec<_> = asking.collect();
        let latencies = asking
            .into_iter()
            .flat_map(|thread| thread.join().expect("no panic"));
        latencies.collect()
    })
}

/// Asks at a fixed rate. An answer that comes late does not make the next
/// question come late: its latency counts from when it was due.
fn be_quiet(path: &Path, number: usize, turn: Duration) -> Vec<f64> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let host = format!("quiet{number}");
    let mut peer = runtime.block_on(Peer::connect(path));
    let began = Instant::now() + PERIOD * number as u32 / QUIET_TENANTS as u32;
    let questions = turn.as_micros() / PERIOD.as_micros();
    let due = (0..questions as u32).map(|question| began + PERIOD * question);
    let latencies = due.map(|due| {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let answer = runtime.block_on(peer.ask(&host, "/hello"));
        assert!(answer.starts_with(b"Status: 200 OK\r\n"));
        due.elapsed().as_secs_f64() * 1e3
    });
    latencies.collect()
}

async fn be_noisy(path: PathBuf, noise_path: &'static str, mut stopped: watch::Receiver<()>) {
    let mut peer = Peer::connect(&path).await;
    let noise = async {
        loop {
            peer.ask("noisy", noise_path).await;
        }
    };
    tokio::select! {
        () = noise => {}
        _ = stopped.changed() => {}
    }
}

struct Peer {
    stream: UnixStream,
    client: Client,
}

impl Peer {
    async fn connect(path: &Path) -> Self {
        let stream = UnixStream::connect(path).await.expect("connected");
        let client = Client::new();
        Self { stream, client }
    }

    /// One request, and all of its answer.
    async fn ask(&mut self, host: &str, path: &str) -> Vec<u8> {
        let id = RequestId::new(1).expect("an id");
        let mut pairs = Vec::new();
        for (name, value) in [
            ("REQUEST_METHOD", "GET"),
            ("SCRIPT_NAME", ""),
            ("PATH_INFO", path),
            ("REQUEST_URI", path),
            ("QUERY_STRING", ""),
            ("SERVER_PROTOCOL", "HTTP/1.1"),
            ("HTTP_HOST", host),
        ] {
            write_pair(name.as_bytes(), value.as_bytes(), &mut pairs);
        }
        self.client
            .begin(id, Role::Responder, true, Bytes::from(pairs));
        self.client.end_stdin(id);
        while self.client.output().has_remaining() {
            let sent = self.stream.write_buf(self.client.output()).await;
            sent.expect("sent");
        }
        let mut answer = Vec::new();
        loop {
            match self.client.next_reply().expect("FastCGI") {
                Some(Reply::Stdout(_, bytes)) => answer.extend_from_slice(&bytes),
                Some(Reply::End { .. }) => return answer,
                Some(_) => {}
                None => {
                    self.client.input().reserve(4096);
                    let read = self.stream.read_buf(self.client.input()).await;
                    assert!(read.expect("read") > 0, "the connection was closed");
                }
            }
        }
    }
}

/// The median, and what 1 % exceed.
fn percentiles(mut latencies: Vec<f64>) -> [f64; 2] {
    latencies.sort_by(f64::total_cmp);
    [50, 99].map(|percent| latencies[(latencies.len() - 1) * percent / 100])
}
