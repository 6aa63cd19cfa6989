//! How many applications fit: memory, start and first requests of many that are
//! mostly idle, and of as many php-fpm pools on the same machine.
//!
//! ```sh
//! cargo run --example density -- PROGRAM APP.wasm [NUMBER] [php-fpm8.2] [CACHE]
//! ```
//!
//! PROGRAM is `fcgi-wasm`. Each application is a file of its own: APP.wasm with
//! a section that differs. CACHE is a folder for their compiled code that stays,
//! because to compile them takes longest. What comes out is in docs/density.md.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How many of the applications are asked.
const ASKED: usize = 100;

/// How long applications stay loaded that nobody asks for, in these runs.
const IDLE: Duration = Duration::from_secs(5);

/// How long to wait until they are unloaded and their memory was given back,
/// which the server looks after every 10 s.
const UNLOADED: Duration = Duration::from_secs(25);

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [program, app, ..] = arguments.as_slice() else {
        return Err("give PROGRAM and APP.wasm".into());
    };
    let number = match arguments.get(2) {
        Some(number) => number.parse()?,
        None => 1000,
    };
    let folder = tempfile::tempdir()?;
    let cache = match arguments.get(4) {
        Some(cache) => std::path::absolute(cache)?,
        None => folder.path().join("cache"),
    };
    wasm(program, &fs::read(app)?, number, folder.path(), &cache)?;
    if let Some(php_fpm) = arguments.get(3) {
        php(php_fpm, number, folder.path())?;
    }
    Ok(())
}

fn wasm(program: &str, app: &[u8], number: usize, folder: &Path, cache: &Path) -> Outcome<()> {
    println!("fcgi-wasm, {number} applications of {} bytes:", app.len());
    let mut config = format!(
        "[server]\ncache = {cache:?}\nloaded_apps = {number}\nidle_unload = \"{}s\"\n\
         [socket.s]\nunix = \"s\"\n",
        IDLE.as_secs()
    );
    let mut preloaded = config.clone();
    let mut compile = Command::new(program);
    compile.args(["--quiet", "compile", "--cache"]).arg(cache);
    for index in 0..number {
        let path = folder.join(format!("{index}.wasm"));
        fs::write(&path, [app, &section(index)].concat())?;
        compile.arg(path);
        let app =
            format!("[app.a{index}]\nfile = \"{index}.wasm\"\nroutes = [\"a{index}.example/\"]\n");
        config.push_str(&app);
        writeln!(preloaded, "{app}preload = true")?;
    }
    fs::write(folder.join("main.toml"), config)?;
    fs::write(folder.join("preloaded.toml"), preloaded)?;
    let begun = Instant::now();
    if !compile.stdout(Stdio::null()).status()?.success() {
        return Err("they can not be compiled".into());
    }
    report(
        "to compile each ahead of time, ms",
        ms(begun) / number as f64,
    );

    let socket = folder.join("s");
    let begun = Instant::now();
    let mut serve = Command::new(program);
    serve.args(["--quiet", "serve", "--config"]);
    let server = Running(serve.arg(folder.join("preloaded.toml")).spawn()?);
    await_socket(&socket)?;
    ask(&socket, "nobody.example", "")?;
    report("to the first answer with all preloaded, ms", ms(begun));
    drop(server);

    // Not beside the other one: pages that both share would count by half.
    let alone = alone(program, folder, cache)?;
    let begun = Instant::now();
    let mut serve = Command::new(program);
    serve.args(["--quiet", "serve", "--config"]);
    let server = Running(serve.arg(folder.join("main.toml")).spawn()?);
    await_socket(&socket)?;
    report("to the first connection, ms", ms(begun));
    ask(&socket, "nobody.example", "")?;
    report("to the first answer, ms", ms(begun));
    sleep(Duration::from_secs(1));
    let empty = memory(&server)?;
    empty.report("memory with none loaded", 1);
    empty
        .beyond(alone)
        .report("of that per application", number);

    let hosts: Vec<_> = (0..number)
        .map(|index| format!("a{index}.example"))
        .collect();
    let some = &hosts[..number.min(ASKED)];
    let ask = |host: &String| ask(&socket, host, "");
    times("first request of each", some, ask)?;
    let loaded = memory(&server)?;
    loaded
        .beyond(empty)
        .report("per application that is loaded", some.len());
    times("next request of each", some, ask)?;
    sleep(UNLOADED);
    memory(&server)?.report("memory after they were unloaded", 1);
    times("first request after that", some, ask)?;
    sleep(UNLOADED);
    memory(&server)?.report("memory after they were unloaded once more", 1);

    let begun = Instant::now();
    times("first request of all", &hosts, ask)?;
    report("for the first requests of all, ms", ms(begun));
    let loaded = memory(&server)?;
    loaded
        .beyond(empty)
        .report("per application with all loaded", number);
    sleep(UNLOADED);
    memory(&server)?.report("memory after all were unloaded", 1);
    Ok(())
}

/// What the server takes without any application.
fn alone(program: &str, folder: &Path, cache: &Path) -> Outcome<Memory> {
    let config = folder.join("alone.toml");
    fs::write(
        &config,
        format!("[server]\ncache = {cache:?}\n[socket.s]\nunix = \"alone\"\n"),
    )?;
    let mut serve = Command::new(program);
    serve.args(["--quiet", "serve", "--config"]);
    let server = Running(serve.arg(config).spawn()?);
    let socket = folder.join("alone");
    await_socket(&socket)?;
    ask(&socket, "nobody.example", "")?;
    sleep(Duration::from_secs(1));
    memory(&server)
}

fn php(php_fpm: &str, number: usize, folder: &Path) -> Outcome<()> {
    println!("{php_fpm}, {number} pools, pm = ondemand:");
    let script = folder.join("hello.php");
    fs::write(
        &script,
        "<?php echo 'Hello from ', $_SERVER['REQUEST_URI'], \"\\n\";\n",
    )?;
    let script = script.display().to_string();
    let mut config = format!(
        "[global]\nerror_log = {}\ndaemonize = no\n",
        folder.join("php.log").display()
    );
    let socket = |index: usize| folder.join(format!("{index}.sock"));
    for index in 0..number {
        writeln!(config, "[a{index}]\nuser = www-data\ngroup = www-data")?;
        writeln!(
            config,
            "listen = {}\npm = ondemand",
            socket(index).display()
        )?;
        writeln!(config, "pm.max_children = 5")?;
        writeln!(config, "pm.process_idle_timeout = {}s", IDLE.as_secs())?;
    }
    let file = folder.join("php-fpm.conf");
    fs::write(&file, config)?;
    // The pools' user has to reach the script.
    Command::new("chmod").arg("a+rx").arg(folder).status()?;
    let begun = Instant::now();
    // Each pool takes a socket.
    let line = "ulimit -n 65536; exec \"$0\" --fpm-config \"$1\" --nodaemonize";
    let mut serve = Command::new("sh");
    serve.args(["-c", line, php_fpm]).arg(&file);
    let server = Running(serve.stderr(Stdio::null()).spawn()?);
    await_socket(&socket(number - 1))?;
    report("to the first connection, ms", ms(begun));
    ask(&socket(number - 1), "x", &script)?;
    report("to the first answer, ms", ms(begun));
    sleep(IDLE * 2);
    let empty = memory(&server)?;
    empty.report("memory with no process of a pool", 1);
    empty.report("of that per pool", number);

    let asked = number.min(ASKED);
    let sockets: Vec<_> = (0..asked).map(socket).collect();
    times("first request of each", &sockets, |socket| {
        ask(socket, "x", &script)
    })?;
    let loaded = memory(&server)?;
    loaded
        .beyond(empty)
        .report("per pool with a process", asked);
    times("next request of each", &sockets, |socket| {
        ask(socket, "x", &script)
    })?;
    sleep(IDLE * 2);
    memory(&server)?.report("memory after they have ended", 1);
    times("first request after that", &sockets, |socket| {
        ask(socket, "x", &script)
    })?;
    Ok(())
}

/// A process that ends with this.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// A custom section, which means nothing, and makes a file another one.
fn section(index: usize) -> Vec<u8> {
    let mut section = vec![0, 10, 1, b'n'];
    section.extend(format!("{index:08}").bytes());
    section
}

fn await_socket(socket: &Path) -> Outcome<()> {
    let begun = Instant::now();
    while UnixStream::connect(socket).is_err() {
        if begun.elapsed() > Duration::from_secs(120) {
            return Err("nobody listens".into());
        }
        sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// One request, by hand; any answer will do that ends well.
fn ask(socket: &Path, host: &str, script: &str) -> Outcome<()> {
    let mut params = Vec::new();
    for (name, value) in [
        ("REQUEST_METHOD", "GET"),
        ("REQUEST_URI", "/"),
        ("SCRIPT_NAME", ""),
        ("PATH_INFO", "/"),
        ("HTTP_HOST", host),
        ("SCRIPT_FILENAME", script),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
    ] {
        params.extend([name.len() as u8, value.len() as u8]);
        params.extend(name.bytes().chain(value.bytes()));
    }
    let mut request = vec![1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for (kind, content) in [(4, params.as_slice()), (4, &[]), (5, &[])] {
        let [high, low] = (content.len() as u16).to_be_bytes();
        request.extend([1, kind, 0, 1, high, low, 0, 0]);
        request.extend(content);
    }
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(&request)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer);
    let is_good = text.contains("Hello from") || host == "nobody.example";
    is_good
        .then_some(())
        .ok_or_else(|| format!("an answer: {text}").into())
}

fn times<T>(what: &str, all: &[T], mut ask: impl FnMut(&T) -> Outcome<()>) -> Outcome<()> {
    let mut times = Vec::new();
    for one in all {
        let begun = Instant::now();
        ask(one)?;
        times.push(ms(begun));
    }
    times.sort_by(f64::total_cmp);
    report(&format!("{what}, median ms"), times[times.len() / 2]);
    report(
        &format!("{what}, 99th of 100, ms"),
        times[(times.len() - 1) * 99 / 100],
    );
    Ok(())
}

/// The memory of a process and its children, KiB: the part of each page that is
/// theirs, as it is shared (PSS).
#[derive(Clone, Copy, Default)]
struct Memory {
    /// What is in no file: it can not be dropped, only swapped out.
    anonymous: f64,
    /// What is mapped from files and was not changed: programs, and compiled
    /// code in the cache. The system drops it when memory is short.
    file: f64,
}

impl Memory {
    fn beyond(self, other: Self) -> Self {
        Self {
            anonymous: self.anonymous - other.anonymous,
            file: self.file - other.file,
        }
    }

    fn report(self, what: &str, number: usize) {
        let number = number as f64;
        report(&format!("{what}, KiB (anonymous)"), self.anonymous / number);
        report(&format!("{what}, KiB (of files)"), self.file / number);
    }
}

fn memory(server: &Running) -> Outcome<Memory> {
    let id = server.0.id();
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
    let children = children.split_whitespace().map(str::to_owned);
    let mut sum = Memory::default();
    for id in children.chain([id.to_string()]) {
        // A child may have ended meanwhile.
        let rollup = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).unwrap_or_default();
        for line in rollup.lines() {
            let Some((name, size)) = line.split_once(':') else {
                continue;
            };
            let size = size.trim().trim_end_matches(" kB").parse::<f64>();
            match (name, size) {
                ("Pss_Anon" | "Pss_Shmem", Ok(kib)) => sum.anonymous += kib,
                ("Pss_File", Ok(kib)) => sum.file += kib,
                _ => {}
            }
        }
    }
    Ok(sum)
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

fn report(what: &str, number: f64) {
    println!("  {number:10.1}  {what}");
}
