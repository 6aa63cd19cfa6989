//! What every example has to do, behind a real nginx, whatever its language.

use std::thread;

use crate::support::Outcome;
use crate::support::example_build::serve_example;
use crate::support::nginx::{KEPT, Nginx, ROOT};

/// Whether a world tells its guests who asks; `wasi:http` has no place for it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Told,
    Untold,
}

macro_rules! examples {
    ($($test:ident: $name:literal, $who:ident;)*) => {
        tests![$($test),*];
        $(fn $test() -> Outcome {
            serves_like_all($name, Who::$who)
        })*
    };
}

examples! {
    bottle: "bottle", Told;
    c: "c", Told;
    c_cgi: "c-cgi", Told;
    c_fastcgi: "c-fastcgi", Told;
    django: "django", Told;
    flask: "flask", Told;
    flup: "flup", Told;
    go: "go", Told;
    hono: "hono", Untold;
    javascript: "javascript", Told;
    ruby: "ruby", Told;
    starlette: "starlette", Told;
    zig: "zig", Told;
}

/// How many clients ask at a time.
const CLIENTS: usize = 50;

fn serves_like_all(name: &str, who: Who) -> Outcome {
    let program = serve_example(name)?;
    let streamed = Nginx::start(&program.socket(), "", ROOT)?;
    let buffered = Nginx::start(&program.socket(), KEPT.0, KEPT.1)?;

    let hello = streamed.connect().get("/");
    assert_eq!(hello.head.status, 200, "{}", program.log());
    assert!(hello.text().contains("Hello"), "{}", hello.text());

    let body: Vec<u8> = (0..2_000_000_u32)
        .map(|index| (index % 249) as u8)
        .collect();
    for nginx in [&streamed, &buffered] {
        let reply = nginx.connect().post("/upload", &body);
        assert_eq!(reply.text(), "2000000 bytes\n", "{}", program.log());
        let reply = nginx.connect().post_chunked("/upload");
        assert_eq!(reply.text(), "50 bytes\n", "{}", program.log());
        let reply = nginx.connect().get("/stream");
        let lines: String = (1..=5).map(|number| format!("line {number}\n")).collect();
        assert_eq!(reply.text(), lines);
    }

    // nginx says this of clients on unix sockets.
    let expected = match who {
        Who::Told => "addr=unix: script=\n",
        Who::Untold => "addr= script=\n",
    };
    assert_eq!(streamed.connect().get("/who").text(), expected);

    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut client = buffered.connect();
                for _ in 0..3 {
                    let reply = client.get("/count");
                    assert_eq!((reply.head.status, reply.text().as_str()), (200, "1\n"));
                }
            });
        }
    });
    Ok(())
}
