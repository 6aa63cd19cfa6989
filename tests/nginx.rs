//! Behind a real nginx.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::guest_build::guest;
use crate::support::nginx::{KEPT, Nginx, ROOT};
use crate::support::process::Program;
use crate::support::{Outcome, Skip};

tests![
    a_sub_path_gives_the_app_its_script_name_and_path_info,
    the_url_root_gives_the_app_an_empty_script_name,
    a_mount_corrects_the_stock_configuration,
    kept_and_new_connections_answer_alike,
    uploads_arrive_buffered_and_streamed,
    an_upload_that_is_streamed_back_is_whole,
    the_first_bytes_come_before_the_guest_has_finished,
    a_gigabyte_passes_each_way_in_bounded_memory,
    a_hundred_clients_at_once_each_get_their_own_instance,
    every_world_runs,
    head_and_304_have_no_body,
];

fn naughty(arguments: &[&str]) -> Result<Program, Skip> {
    Ok(Program::serve(&guest("naughty")?, arguments))
}

fn params_of(nginx: &Nginx, target: &str) -> Vec<(String, String)> {
    let reply = nginx.connect().get(target);
    assert_eq!(reply.head.status, 200, "{target}: {}", reply.text());
    let line = |line: &str| {
        let (name, value) = line.split_once('=').expect("a param");
        (name.to_owned(), value.to_owned())
    };
    reply.text().lines().map(line).collect()
}

fn last<'p>(params: &'p [(String, String)], name: &str) -> Option<&'p str> {
    let mut params = params.iter().rev();
    let found = params.find(|(known, _)| known == name);
    found.map(|(_, value)| value.as_str())
}

fn a_sub_path_gives_the_app_its_script_name_and_path_info() -> Outcome {
    let program = naughty(&[])?;
    let nginx = Nginx::start(
        &program.socket(),
        "",
        r#"location /app {
            include /etc/nginx/fastcgi_params;
            fastcgi_split_path_info "^(/app)((?s).*)$";
            fastcgi_param PATH_INFO $fastcgi_path_info;
            fastcgi_param SCRIPT_NAME $fastcgi_script_name;
            fastcgi_pass APP;
        }"#,
    )?;
    let params = params_of(&nginx, "/app/params/foo%20bar/a%2Fb?q=1%202");
    assert_eq!(last(&params, "SCRIPT_NAME"), Some("/app"));
    assert_eq!(last(&params, "PATH_INFO"), Some("/params/foo bar/a/b"));
    assert_eq!(last(&params, "QUERY_STRING"), Some("q=1%202"));
    let target = nginx.connect().get("/app/target/a%2Fb%3f?q=1%202");
    assert_eq!(target.text(), "/app/target/a%2Fb%3f?q=1%202");
    Ok(())
}

fn the_url_root_gives_the_app_an_empty_script_name() -> Outcome {
    let program = naughty(&[])?;
    let nginx = Nginx::start(&program.socket(), "", ROOT)?;
    let params = params_of(&nginx, "/params/x/y");
    assert_eq!(last(&params, "SCRIPT_NAME"), Some(""));
    assert_eq!(last(&params, "PATH_INFO"), Some("/params/x/y"));
    assert_eq!(last(&params, "REMOTE_ADDR"), Some("unix:"));
    assert_eq!(last(&params, "HTTP_HOST"), None, "headers are no params");
    let target = nginx.connect().get("/target?");
    assert_eq!(target.text(), "/target?");
    Ok(())
}

fn a_mount_corrects_the_stock_configuration() -> Outcome {
    let stock = "location / { fastcgi_pass APP; }";
    for (mount, script_name, path_info) in [("/", "", "/params/x"), ("/params", "/params", "/x")] {
        // The path that the guest chooses by stays, so look at the echo of it.
        let program = Program::serve(&guest("hello")?, &["--mount", mount]);
        let nginx = Nginx::start(&program.socket(), "", stock)?;
        let text = nginx.connect().get("/params/x").text();
        let expected = format!("GET /params/x: {script_name} + {path_info}\n");
        assert!(text.ends_with(&expected), "mounted at {mount}: {text}");
    }
    Ok(())
}

fn kept_and_new_connections_answer_alike() -> Outcome {
    let program = naughty(&[])?;
    let new = Nginx::start(&program.socket(), "", ROOT)?;
    let kept = Nginx::start(&program.socket(), KEPT.0, KEPT.1)?;
    for nginx in [&new, &kept] {
        let mut client = nginx.connect();
        for _ in 0..20 {
            let reply = client.get("/count");
            assert_eq!((reply.head.status, reply.text().as_str()), (200, "1\n"));
        }
    }
    Ok(())
}

fn uploads_arrive_buffered_and_streamed() -> Outcome {
    let program = naughty(&[])?;
    let streamed = Nginx::start(&program.socket(), "", ROOT)?;
    let buffered = Nginx::start(&program.socket(), KEPT.0, KEPT.1)?;
    let body: Vec<u8> = (0..3_000_000_u32)
        .map(|index| (index % 251) as u8)
        .collect();
    for nginx in [&streamed, &buffered] {
        let reply = nginx.connect().post("/upload", &body);
        let sum: u64 = body.iter().map(|byte| u64::from(*byte)).sum();
        assert_eq!(reply.text(), format!("3000000 bytes, sum {sum}\n"));
        // A guest that answers while it reads: nginx stops sending a body once
        // it has seen a head and our side was busy, so the answer has to wait.
        let reply = nginx.connect().post("/echo", &body);
        assert!(reply.body == body, "{} bytes came back", reply.body.len());
        // Chunked: without a length, at least where nginx streams.
        let reply = nginx.connect().post_chunked("/upload");
        assert_eq!(reply.text(), "50 bytes, sum 5320\n");
    }
    Ok(())
}

/// The answer begins when little of the body is here, and is far larger than what
/// is held back of it: nginx must not see it before it has sent the body.
fn an_upload_that_is_streamed_back_is_whole() -> Outcome {
    const BUFFERED: &str = "location / {
        include /etc/nginx/fastcgi_params;
        fastcgi_param PATH_INFO $fastcgi_script_name;
        fastcgi_param SCRIPT_NAME \"\";
        fastcgi_pass APP;
    }";
    let body: Vec<u8> = (0..20_000_000_u32)
        .map(|index| (index % 251) as u8)
        .collect();
    for app in ["naughty", "naughty-http", "naughty-http3"] {
        let program = Program::serve(&guest(app)?, &[]);
        let new = Nginx::start(&program.socket(), "", BUFFERED)?;
        let kept = Nginx::start(&program.socket(), KEPT.0, KEPT.1)?;
        for nginx in [&new, &kept] {
            for _ in 0..3 {
                let reply = nginx.connect().post("/echo", &body);
                let bytes = reply.body.len();
                assert!(reply.body == body, "{app}: {bytes} bytes came back");
            }
        }
    }
    // More at a time than is read ahead: they take turns.
    let program = naughty(&[])?;
    let nginx = Nginx::start(&program.socket(), "", BUFFERED)?;
    std::thread::scope(|scope| {
        let ask = || nginx.connect().post("/echo", &body).body == body;
        let replies: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        for reply in replies {
            assert!(reply.join().expect("no panic"));
        }
    });
    Ok(())
}

fn the_first_bytes_come_before_the_guest_has_finished() -> Outcome {
    for app in ["naughty", "naughty-http"] {
        let program = Program::serve(&guest(app)?, &[]);
        let nginx = Nginx::start(&program.socket(), "", ROOT)?;
        let mut client = nginx.connect();
        client.send("POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n");
        assert_eq!(client.head().status, 200);
        client.read_chunks_until("first\n");
        // Only now does the guest get what it needs to go on.
        client.send("rest\n");
        client.read_chunks_until("rest\n");
        assert_eq!(client.chunk(), Some(Vec::new()));
    }
    Ok(())
}

fn a_gigabyte_passes_each_way_in_bounded_memory() -> Outcome {
    const GIB: u64 = 1 << 30;
    for app in ["naughty", "naughty-http"] {
        // A busy machine takes minutes for it.
        let limits = ["--cpu-time", "10m", "--timeout", "10m"];
        let program = Program::serve(&guest(app)?, &limits);
        let nginx = Nginx::start(&program.socket(), "", ROOT)?;
        let hello = nginx.connect().get("/hello");
        assert_eq!(hello.head.status, 200);
        let before = program.memory_peak();

        let mut client = nginx.connect();
        client.send(&format!("GET /download/{GIB} HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert_eq!(client.head().status, 200);
        let mut bytes = 0;
        while let Some(chunk) = client.chunk().filter(|chunk| !chunk.is_empty()) {
            bytes += chunk.len() as u64;
        }
        let (log, errors) = (program.log(), nginx.error_log());
        assert_eq!(bytes, GIB, "{app}: {log}\n{errors}");

        let mut client = nginx.connect();
        client.send(&format!(
            "POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: {GIB}\r\n\r\n"
        ));
        let piece = [1; 1 << 16];
        for _ in 0..GIB >> 16 {
            client.send_bytes(&piece);
        }
        let expected = format!("{GIB} bytes, sum {GIB}\n");
        assert_eq!(client.reply(false).text(), expected);
        let grown = program.memory_peak() - before;
        assert!(grown < 32 << 20, "{app} grew by {grown} bytes");
    }
    Ok(())
}

fn a_hundred_clients_at_once_each_get_their_own_instance() -> Outcome {
    for app in ["naughty", "naughty-http"] {
        let program = Program::serve(&guest(app)?, &[]);
        let nginx = Nginx::start(&program.socket(), KEPT.0, KEPT.1)?;
        let answered = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..100 {
                scope.spawn(|| {
                    let mut client = nginx.connect();
                    for _ in 0..20 {
                        let reply = client.get("/count");
                        assert_eq!((reply.head.status, reply.text().as_str()), (200, "1\n"));
                        answered.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(answered.load(Ordering::SeqCst), 2000);
    }
    Ok(())
}

fn every_world_runs() -> Outcome {
    for (app, path, expected) in [
        ("hello", "/x", "GET /x"),
        ("axum-example", "/greet/Ada", "Hello Ada\n"),
        ("axum-example", "/countdown", "0\n"),
        ("naughty", "/hello", "hello\n"),
        ("naughty-http", "/hello", "hello\n"),
    ] {
        let program = Program::serve(&guest(app)?, &[]);
        let nginx = Nginx::start(&program.socket(), "", ROOT)?;
        let reply = nginx.connect().get(path);
        assert_eq!(reply.head.status, 200, "{app}{path}");
        assert!(
            reply.text().contains(expected),
            "{app}{path}: {}",
            reply.text()
        );
    }
    Ok(())
}

fn head_and_304_have_no_body() -> Outcome {
    let program = naughty(&[])?;
    let nginx = Nginx::start(&program.socket(), KEPT.0, KEPT.1)?;
    let mut client = nginx.connect();
    client.send("HEAD /hello HTTP/1.1\r\nHost: h\r\n\r\n");
    let reply = client.reply(true);
    assert_eq!(reply.head.field("content-length"), Some("6"));
    assert_eq!(client.get("/status/304").head.status, 304);
    let http = Program::serve(&guest("naughty-http")?, &[]);
    let foreign = Nginx::start(&http.socket(), KEPT.0, KEPT.1)?;
    let mut other = foreign.connect();
    // A length without a body is right here, whatever wasmtime makes of it.
    other.send("HEAD /length/1000 HTTP/1.1\r\nHost: h\r\n\r\n");
    let reply = other.reply(true);
    assert_eq!(
        (reply.head.status, reply.head.field("content-length")),
        (200, Some("1000"))
    );
    assert_eq!(other.get("/hello").text(), "hello\n");
    assert_eq!(client.get("/status/204").head.status, 204);
    assert_eq!(client.get("/hello").text(), "hello\n");
    Ok(())
}
