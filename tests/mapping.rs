//! What a request is to guests of each world: one table of what web servers
//! send, and what a guest for `wasi:http` and a CGI program see of it.

use crate::support::Outcome;
use crate::support::guest_build::guest;
use crate::support::process::Program;
use crate::support::web_server::*;

tests![
    requests_arrive_as_what_they_are,
    what_can_not_be_a_request_is_refused,
    repeated_and_foreign_header_fields,
    responses_without_a_body_have_none_in_each_world,
    the_announced_length_holds_in_each_world,
    what_fastcgi_has_no_place_for,
];

type Params<'a> = &'a [(&'a str, &'a [u8])];

/// One request as a web server sends it.
struct Case<'a> {
    params: Params<'a>,
    /// Method, scheme, authority and path.
    http: [&'a str; 4],
    /// Some of the variables.
    cgi: &'a [&'a str],
}

const CASES: &[Case] = &[
    Case {
        params: &[
            ("REQUEST_METHOD", b"GET"),
            ("REQUEST_URI", b"/?q=1"),
            ("QUERY_STRING", b"q=1"),
            ("PATH_INFO", b"/"),
            ("HTTP_HOST", b"shop.example:8443"),
            ("HTTPS", b"on"),
        ],
        http: ["GET", "https", "shop.example:8443", "/?q=1"],
        cgi: &[
            "HTTPS=on",
            "HTTP_HOST=shop.example:8443",
            "QUERY_STRING=q=1",
        ],
    },
    // Without a Host field, from the server's own name.
    Case {
        params: &[
            ("REQUEST_METHOD", b"GET"),
            ("PATH_INFO", b"/"),
            ("SERVER_NAME", b"a.example"),
            ("SERVER_PORT", b"8080"),
        ],
        http: ["GET", "http", "a.example:8080", "/"],
        cgi: &[
            "SERVER_NAME=a.example",
            "SERVER_PORT=8080",
            "GATEWAY_INTERFACE=CGI/1.1",
        ],
    },
    Case {
        params: &[
            ("REQUEST_METHOD", b"GET"),
            ("PATH_INFO", b"/"),
            ("SERVER_NAME", b"2001:db8::1"),
            ("SERVER_PORT", b"443"),
            ("REQUEST_SCHEME", b"https"),
        ],
        http: ["GET", "https", "[2001:db8::1]", "/"],
        cgi: &["SERVER_NAME=2001:db8::1"],
    },
    // The path as the client wrote it: encoded slashes are none.
    Case {
        params: &[
            ("REQUEST_METHOD", b"GET"),
            ("REQUEST_URI", b"/request/a%2Fb%20c?x=%2f&y"),
            ("SCRIPT_NAME", b"/request"),
            ("PATH_INFO", b"/a/b c"),
            ("QUERY_STRING", b"x=%2f&y"),
        ],
        http: ["GET", "http", "localhost", "/request/a%2Fb%20c?x=%2f&y"],
        cgi: &[],
    },
    Case {
        params: &[
            ("REQUEST_METHOD", b"GET"),
            ("REQUEST_URI", b"/environment/a%2Fb"),
            ("PATH_INFO", b"/environment/a/b"),
        ],
        http: ["", "", "", ""],
        cgi: &[
            "REQUEST_URI=/environment/a%2Fb",
            "PATH_INFO=/environment/a/b",
        ],
    },
    // Bytes that no URL has are encoded.
    Case {
        params: &[
            ("REQUEST_METHOD", b"GET"),
            ("REQUEST_URI", b"/request/\xff\"<>?\xe4"),
            ("PATH_INFO", b"/request/\xff\"<>"),
            ("QUERY_STRING", b"\xe4"),
        ],
        http: ["GET", "http", "localhost", "/request/%FF%22%3C%3E?%E4"],
        cgi: &[],
    },
    // The absolute form, and the whole server.
    Case {
        params: &[
            ("REQUEST_METHOD", b"GET"),
            ("REQUEST_URI", b"http://other.example/request/x"),
            ("PATH_INFO", b"/request/x"),
            ("HTTP_HOST", b"other.example"),
        ],
        http: ["GET", "http", "other.example", "/request/x"],
        cgi: &[],
    },
    Case {
        params: &[
            ("REQUEST_METHOD", b"OPTIONS"),
            ("REQUEST_URI", b"*"),
            ("SCRIPT_NAME", b"*"),
            ("HTTP_HOST", b"h"),
        ],
        http: ["OPTIONS", "http", "h", "*"],
        cgi: &["REQUEST_METHOD=OPTIONS", "REQUEST_URI=*"],
    },
    Case {
        params: &[("REQUEST_METHOD", b"PROPFIND"), ("PATH_INFO", b"/")],
        http: ["PROPFIND", "http", "localhost", "/"],
        cgi: &["REQUEST_METHOD=PROPFIND", "SCRIPT_NAME=", "QUERY_STRING="],
    },
];

fn whole(list: Params) -> Vec<u8> {
    let mut bytes = begin(1, RESPONDER, false);
    bytes.extend(params(1, list));
    bytes.extend(stdin(1, &[]));
    bytes
}

/// As the guests for `wasi:http` print it, with the names of their bindings.
fn described(http: [&str; 4]) -> String {
    let [method, scheme, authority, path] = http;
    let method = match method {
        "GET" => "Method::Get".to_owned(),
        "OPTIONS" => "Method::Options".to_owned(),
        other => format!("Method::Other({other:?})"),
    };
    let scheme = if scheme == "https" { "Https" } else { "Http" };
    format!(
        "method {method}\nscheme Some(Scheme::{scheme})\nauthority Some({authority:?})\n\
         path Some({path:?})\n"
    )
}

fn requests_arrive_as_what_they_are() -> Outcome {
    for app in ["naughty-http", "naughty-http3"] {
        let program = Program::serve(&guest(app)?, &[]);
        for case in CASES.iter().filter(|case| !case.http[0].is_empty()) {
            let answer = program.ask(&whole(case.params));
            assert_eq!(answer.text(), described(case.http), "{app}");
        }
    }
    let program = Program::serve(&guest("naughty-cgi")?, &[]);
    for case in CASES.iter().filter(|case| !case.cgi.is_empty()) {
        let answer = program.ask(&whole(case.params)).text();
        let variables: Vec<_> = answer.lines().collect();
        for wanted in case.cgi {
            assert!(variables.contains(wanted), "{wanted:?} in {answer}");
        }
    }
    Ok(())
}

fn what_can_not_be_a_request_is_refused() -> Outcome {
    let cases: &[(Params, u16)] = &[
        (&[("PATH_INFO", b"/")], 400),
        (&[("REQUEST_METHOD", b"G T"), ("PATH_INFO", b"/")], 400),
        (
            &[("REQUEST_METHOD", b"GET\r\nX: y"), ("PATH_INFO", b"/")],
            400,
        ),
        (
            &[
                ("REQUEST_METHOD", b"GET"),
                ("PATH_INFO", b"/"),
                ("HTTP_HOST", b"a b"),
            ],
            400,
        ),
        (
            &[
                ("REQUEST_METHOD", b"GET"),
                ("PATH_INFO", b"/"),
                ("HTTP_HOST", b"a\r\nx"),
            ],
            400,
        ),
    ];
    for app in ["naughty-http", "naughty-http3"] {
        let program = Program::serve(&guest(app)?, &[]);
        for (list, status) in cases {
            let answer = program.ask(&whole(list));
            assert_eq!(answer.status(), *status, "{app}: {list:?}");
        }
    }
    Ok(())
}

fn repeated_and_foreign_header_fields() -> Outcome {
    let fields: Params = &[
        ("REQUEST_METHOD", b"GET"),
        ("PATH_INFO", b"/headers"),
        ("CONTENT_TYPE", b""),
        ("CONTENT_LENGTH", b""),
        ("HTTP_X_A", b"1"),
        ("HTTP_X_A", b"2"),
        ("HTTP_COOKIE", b"a=1"),
        ("HTTP_COOKIE", b"b=2"),
        ("HTTP_X_LATIN", b"caf\xe9"),
        // What only attackers and middlemen send.
        ("HTTP_PROXY", b"http://evil.example"),
        ("HTTP_X_SPLIT", b"a\r\nX-Forged: yes"),
        ("HTTP_X B", b"no token"),
        ("HTTP_CONNECTION", b"close"),
        ("HTTP_TRANSFER_ENCODING", b"chunked"),
    ];
    for app in ["naughty-http", "naughty-http3"] {
        let program = Program::serve(&guest(app)?, &[]);
        let seen = program.ask(&whole(fields)).text();
        let mut seen: Vec<_> = seen.lines().collect();
        seen.sort_unstable();
        let expected = [
            "cookie: a=1; b=2",
            "x-a: 1",
            "x-a: 2",
            "x-latin: caf\u{fffd}",
        ];
        assert_eq!(seen, expected, "{app}");
    }
    let program = Program::serve(&guest("naughty-cgi")?, &[]);
    let mut list = fields.to_vec();
    list[1] = ("PATH_INFO", b"/environment");
    let seen = program.ask(&whole(&list)).text();
    let seen: Vec<_> = seen
        .lines()
        .filter(|line| line.starts_with("HTTP_"))
        .collect();
    let expected = [
        "HTTP_COOKIE=a=1; b=2",
        "HTTP_X_A=1, 2",
        "HTTP_X_LATIN=caf\u{fffd}",
    ];
    assert_eq!(seen, expected);
    Ok(())
}

fn responses_without_a_body_have_none_in_each_world() -> Outcome {
    for app in ["naughty-http", "naughty-http3", "naughty-cgi"] {
        let program = Program::serve(&guest(app)?, &[]);
        for (method, path, status) in [
            ("HEAD", "/hello", 200),
            ("GET", "/status/204", 204),
            ("GET", "/status/304", 304),
        ] {
            let mut list = get_params(path);
            list[0] = ("REQUEST_METHOD", method);
            let mut request = begin(1, RESPONDER, false);
            request.extend(params(1, &list));
            request.extend(stdin(1, &[]));
            let answer = program.ask(&request);
            assert_eq!(answer.status(), status, "{app}: {method} {path}");
            assert!(answer.body().is_empty(), "{app}: {method} {path}");
            assert_eq!(
                answer.app_status,
                0,
                "{app}: {method} {path}: {}",
                program.log()
            );
        }
    }
    Ok(())
}

/// Both guests say how long their bodies will be, and write five bytes or none.
fn the_announced_length_holds_in_each_world() -> Outcome {
    let program = Program::serve(&guest("naughty-http3")?, &[]);
    let answer = program.ask(&get(1, "/length/5", false));
    assert_eq!((answer.text().as_str(), answer.app_status), ("12345", 0));
    let short = program.ask(&get(1, "/length/9", false));
    assert_ne!(short.app_status, 0, "{short:?}");
    let long = program.ask(&get(1, "/length/3", false));
    assert!(long.body().len() <= 3 || long.status() >= 500, "{long:?}");

    let program = Program::serve(&guest("naughty-cgi")?, &[]);
    let answer = program.ask(&get(1, "/raw/Content-Length: 5||12345", false));
    assert_eq!((answer.text().as_str(), answer.app_status), ("12345", 0));
    let short = program.ask(&get(1, "/raw/Content-Length: 9||12345", false));
    assert_ne!(short.app_status, 0, "{short:?}");
    let long = program.ask(&get(1, "/raw/Content-Length: 3||12345", false));
    assert!(long.body().len() <= 3 || long.status() >= 500, "{long:?}");
    assert_eq!(program.ask(&get(1, "/hello", false)).text(), "hello\n");
    Ok(())
}

fn what_fastcgi_has_no_place_for() -> Outcome {
    let program = Program::serve(&guest("naughty-http3")?, &[]);
    let answer = program.ask(&get(1, "/trailers", false));
    assert_eq!(answer.text(), "with trailers\n");
    assert_eq!(answer.headers("x-checksum"), Vec::<String>::new());
    program.wait_for_log("trailers are dropped");

    for app in ["naughty", "naughty-http", "naughty-http3", "naughty-cgi"] {
        let program = Program::serve(&guest(app)?, &[]);
        for status in [100, 101, 103] {
            let answer = program.ask(&get(1, &format!("/status/{status}"), false));
            assert!((500..600).contains(&answer.status()), "{app}: {status}");
        }
    }
    Ok(())
}
