//! What recorded requests mean to an application: the quirks of web servers that
//! are not run here, Cherokee above all, and of those that are.

use std::net::Shutdown;
use std::path::PathBuf;

use fcgi_wasm::cgi::{self, Mount};
use fcgi_wasm::{FastCgi, Handler, Request, Response};
use http::StatusCode;
use http_body_util::BodyExt;

use crate::support::Outcome;
use crate::support::local::Local;
use crate::support::web_server::*;

tests![
    conformance_33_paths_are_what_the_client_asked_for,
    conformance_35_mounts_are_right_whoever_asks,
    conformance_12_what_cherokee_sends_behind_a_body_is_no_body,
    conformance_09_foreign_names_of_fields_are_dropped,
    conformance_08_repeated_fields_arrive,
    conformance_67_an_abort_before_the_params_is_answered,
    conformance_60_multiplexed_requests_are_all_answered,
];

/// Tells what it was asked, a line for each thing.
fn telling() -> impl Handler {
    |request: Request| async move {
        let params = request.params.clone();
        let text = |name| params.text(name).unwrap_or_default().into_owned();
        let asked = cgi::http_request(&params, ())?;
        let target = cgi::target(&params)?;
        let scheme = asked.uri().scheme_str().unwrap_or_default().to_owned();
        let mut told = format!(
            "{} {scheme} {target}\n{} + {}\n",
            asked.method(),
            text("SCRIPT_NAME"),
            text("PATH_INFO")
        );
        let mut fields: Vec<String> = asked
            .headers()
            .iter()
            .map(|(name, value)| format!("{name}={}\n", String::from_utf8_lossy(value.as_bytes())))
            .collect();
        fields.sort_unstable();
        told.push_str(&fields.concat());
        let body = request.body.collect().await;
        let bytes = body.map_or(usize::MAX, |body| body.to_bytes().len());
        told.push_str(&format!("{bytes} bytes\n"));
        Ok(Response::text(StatusCode::OK, told))
    }
}

fn capture(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/captures");
    std::fs::read(folder.join(format!("{name}.bin"))).expect(name)
}

fn replay(local: &Local, name: &str) -> Peer {
    let mut peer = local.connect();
    peer.send(&capture(name));
    peer.stream.shutdown(Shutdown::Write).expect("half closed");
    peer
}

#[track_caller]
fn told(local: &Local, name: &str) -> Vec<String> {
    // HAProxy's requests do not begin with the first number.
    let id = u16::from_be_bytes([capture(name)[2], capture(name)[3]]);
    let answer = replay(local, name).answer(id);
    assert_eq!(answer.status(), 200, "{name}: {answer:?}");
    answer.text().lines().map(str::to_owned).collect()
}

fn conformance_33_paths_are_what_the_client_asked_for() -> Outcome {
    const QUERY: &str = "q=1%202&x=%26+y";
    const ENCODED: &str = "/foo%20bar/%C3%A9t%C3%A9";
    let local = Local::serve(telling());
    for (name, target, split) in [
        // Cherokee's REQUEST_URI is decoded: what was %2F is a slash for good.
        (
            "cherokee-get-pathinfo",
            format!("/app.fcgi{ENCODED}/a/b;c?{QUERY}"),
            "/app.fcgi + /foo bar/été/a/b;c",
        ),
        (
            "cherokee-root-get-pathinfo",
            format!("{ENCODED}/a/b;c?{QUERY}"),
            " + /foo bar/été/a/b;c",
        ),
        (
            "cherokee-get-pct00",
            "/app.fcgi/a%20c".into(),
            "/app.fcgi + /a c",
        ),
        ("cherokee-options-star", "*".into(), " + /"),
        ("cherokee-root-get-pct2e", "/b".into(), " + /b"),
        // An absolute URL as a path below the root.
        ("h2o-get-abs", "/app.fcgi/abs".into(), " + /app.fcgi/abs"),
        (
            "lighttpd-stream-get-pathinfo",
            format!("/app.fcgi{ENCODED}/a%2Fb%3Bc?{QUERY}"),
            "/app.fcgi + /foo bar/été/a/b;c",
        ),
        (
            "haproxy-get-pathinfo",
            format!("/app.fcgi{ENCODED}/a%2Fb%3Bc?{QUERY}"),
            "/app.fcgi + /foo bar/été/a/b;c",
        ),
    ] {
        let lines = told(&local, name);
        let (_, rest) = lines[0].split_once(' ').expect("a method");
        // Cherokee says HTTPS=off, which is not on.
        assert_eq!(rest, format!("http {target}"), "{name}");
        assert_eq!(lines[1], split, "{name}");
    }
    let lines = told(&local, "cherokee-get-pct0a");
    assert_eq!(lines[0], "GET http /app.fcgi/a%0Ab%0Dc?z=%0a");
    for name in [
        "caddy-tls-h1.1-v4",
        "haproxy-tls-h2-v4",
        "nginx-tls-h1.1-v4",
    ] {
        assert!(told(&local, name)[0].contains(" https "), "{name}");
    }
    Ok(())
}

fn conformance_35_mounts_are_right_whoever_asks() -> Outcome {
    for (name, mount, split) in [
        // mod_proxy_fcgi with the whole path as SCRIPT_NAME, and once more.
        (
            "apache-gen3-x",
            "/gen3/app.fcgi",
            "/gen3/app.fcgi + /foo bar/a/bé",
        ),
        ("apache-gen3-x", "", " + /gen3/app.fcgi/foo bar/a/bé"),
        (
            "apache-gen-get-pathinfo",
            "/gen",
            "/gen + /foo bar/été/a/b;c",
        ),
        ("lighttpd-nofix-get-rawutf8", "/", " + /été"),
        ("lighttpd-rewrite-get-dots", "", " + /a/b/c"),
        ("lighttpd-rewrite-post-small", "", " + /post"),
        ("lighttpd-rewrite-post-small", "/", " + /post"),
        // Caddy with a `split` that the path does not have.
        ("caddy-root-get-pathinfo", "/", " + /foo bar/été/a/b;c"),
        ("h2o-post-chunked", "/app.fcgi", "/app.fcgi + /chunked"),
        ("h2o-post-chunked", "", " + /app.fcgi/chunked"),
    ] {
        let frontend = match mount {
            "" => FastCgi::default(),
            path => FastCgi::default().mount(Mount::new(path).expect(path)),
        };
        let local = Local::serve_with(telling(), frontend, |server| server);
        assert_eq!(told(&local, name)[1], split, "{name} at {mount:?}");
    }
    Ok(())
}

fn conformance_12_what_cherokee_sends_behind_a_body_is_no_body() -> Outcome {
    let local = Local::serve(telling());
    for (name, bytes) in [
        // An empty body, eight zero bytes, and the end of it once more.
        ("cherokee-post-empty-cl0", "0 bytes"),
        // The end of the body, and then the chunks as the client framed them.
        ("cherokee-post-chunked", "0 bytes"),
        ("cherokee-options", "0 bytes"),
        ("cherokee-post-small", "11 bytes"),
        // Caddy announces -1.
        ("caddy-post-chunked-trailer", "5 bytes"),
    ] {
        let mut peer = replay(&local, name);
        let answer = peer.answer(1);
        let text = answer.text();
        assert_eq!(text.lines().last(), Some(bytes), "{name}");
        assert_eq!((answer.status(), answer.app_status), (200, 0), "{name}");
        // One answer, then the end, and others are served on.
        assert!(peer.read_record().is_none(), "{name}");
        assert!(!told(&local, "cherokee-get-root").is_empty());
    }
    Ok(())
}

fn conformance_09_foreign_names_of_fields_are_dropped() -> Outcome {
    let local = Local::serve(telling());
    // `HTTP_X_SP: `, with a colon in the name.
    let lines = told(&local, "cherokee-hdrs-bytes");
    let is_there = lines.iter().any(|line| line.starts_with("x-sp"));
    assert!(!is_there, "{lines:?}");
    for server in ["cherokee", "h2o"] {
        let lines = told(&local, &format!("{server}-hdrs-underscore"));
        assert!(lines.contains(&"x.b=dot".to_owned()), "{lines:?}");
    }
    // What a client calls itself is no variable of the web server's.
    let lines = told(&local, "cherokee-hdrs-spoof");
    assert!(lines[0].contains(" http "), "{lines:?}");
    assert!(lines[1].starts_with("/app.fcgi + "), "{lines:?}");
    assert!(lines.contains(&"remote-user=root".to_owned()), "{lines:?}");
    Ok(())
}

fn conformance_08_repeated_fields_arrive() -> Outcome {
    let local = Local::serve(telling());
    let lines = told(&local, "cherokee-hdrs-dup");
    for line in ["x-a=1", "x-a=2", "accept=x", "accept=y"] {
        assert!(lines.contains(&line.to_owned()), "{line}: {lines:?}");
    }
    assert!(lines.contains(&"cookie=b=2; a=1".to_owned()), "{lines:?}");
    Ok(())
}

fn conformance_67_an_abort_before_the_params_is_answered() -> Outcome {
    let local = Local::serve(telling());
    let mut peer = replay(&local, "haproxy-get-pct0a");
    let mut ended = Vec::new();
    while let Some(record) = peer.read_record() {
        let is_body = record.kind == STDOUT && !record.content.is_empty();
        assert!(!is_body, "an answer to what was given up: {record:?}");
        if record.kind == END_REQUEST {
            ended.push(record.id);
        }
    }
    assert_eq!(ended, [1]);
    Ok(())
}

fn conformance_60_multiplexed_requests_are_all_answered() -> Outcome {
    let local = Local::serve(telling());
    let mut peer = replay(&local, "haproxy-mpx-parallel");
    let mut ended = Vec::new();
    while let Some(record) = peer.read_record() {
        if record.kind == END_REQUEST {
            ended.push(record.id);
        }
    }
    ended.sort_unstable();
    assert_eq!(ended, [13, 15, 17, 19, 21, 23]);
    Ok(())
}
