//! An authorizer and a filter that misbehave by path, for the tests. It answers no requests itself:
//! there is no handler.

mod filters;

use std::hint::black_box;
use std::io::Read;
use std::time::Duration;

use fcgi_wasm_sdk::prelude::*;

/// The first segment of the path behind `/private`, and the rest.
fn split(path: &str) -> (&str, &str) {
    let path = path.strip_prefix("/private").unwrap_or(path);
    let path = path.trim_start_matches('/');
    path.split_once('/').unwrap_or((path, ""))
}

#[authorizer]
fn gate(request: Request) -> Result<Verdict> {
    let path = request.path_info().to_owned();
    let (first, rest) = split(&path);
    Ok(match first {
        "allow" => Verdict::allow()
            .variable("REMOTE_USER", "alice")
            .variable("X-Foo", "bar"),
        "tell" => tell(request),
        "variable" => {
            let (name, value) = rest.split_once('=').unwrap_or((rest, ""));
            Verdict::allow().variable(name, value.replace("LF", "\n"))
        }
        "variables" => {
            let count: usize = rest.parse()?;
            let numbers = 0..count;
            numbers.fold(Verdict::allow(), |verdict, number| {
                verdict.variable(format!("V{number}"), "v")
            })
        }

        "deny" => Verdict::deny("Members only.\n"),
        "status" => Verdict::deny((StatusCode::from_u16(rest.parse()?)?, "No.\n")),
        "login" => Verdict::deny(Redirect::to("/login")),
        "error" => return Err(Error::new(StatusCode::UNAUTHORIZED, "Who are you?\n")),
        "commands" => {
            let fields = [
                ("variable-remote_user", "root"),
                ("x-sendfile", "/etc/passwd"),
            ];
            Verdict::deny((StatusCode::FORBIDDEN, fields, "commanded\n"))
        }
        // A response of success that went out before the verdict.
        "sent-deny" => Verdict::deny(finish("sent as a 200\n")?),
        "sent-allow" => {
            let _finished = finish("sent as a 200\n")?;
            Verdict::allow().variable("REMOTE_USER", "alice")
        }

        "trap" => panic!("as asked"),
        "exit" => std::process::exit(rest.parse()?),
        "fail" => return Err("disk full, as asked".into()),
        "spin" => spin(),
        "sleep" => {
            say("judging");
            std::thread::sleep(Duration::from_secs(100_000));
            Verdict::allow()
        }
        "grow" => grow(),
        _ => Verdict::deny(StatusCode::NOT_FOUND),
    })
}

/// Tells in variables what the request was.
fn tell(request: Request) -> Verdict {
    let verdict = Verdict::allow()
        .variable("METHOD", request.method().as_str())
        .variable("TARGET", request.uri().to_string())
        .variable("SCRIPT", request.script_name())
        .variable("PATH", request.path_info())
        .variable("FIELDS", format!("{:?}", request.headers()));
    let mut body = Vec::new();
    let read = request.into_body().read_to_end(&mut body);
    verdict.variable("BODY", format!("{read:?}"))
}

/// Says something to the log.
#[expect(clippy::print_stderr, reason = "it is a guest's log")]
fn say(text: &str) {
    eprintln!("{text}");
}

fn spin() -> ! {
    let mut number = 0_u64;
    loop {
        number = black_box(number.wrapping_add(1));
    }
}

fn grow() -> ! {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        hoard.push(black_box(vec![1; 1024 * 1024]));
    }
}
