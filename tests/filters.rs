//! The role of a filter (FastCGI §6.4), asked by hand: no web server does.

use std::io::Write;

use crate::support::Outcome;
use crate::support::guest_build::{WORLDS, guest};
use crate::support::process::Program;
use crate::support::web_server::*;

tests![
    conformance_30_a_filter_gets_its_file,
    conformance_30_records_may_be_cut_anywhere,
    conformance_30_a_short_file_is_an_error_and_a_long_one_is_cut,
    conformance_30_length_and_time_of_the_file_have_to_be_said,
    conformance_30_body_and_file_are_apart,
    conformance_30_an_unread_body_does_not_keep_the_file_away,
    conformance_30_a_file_before_the_body_does_not_hang,
    conformance_30_a_large_file_is_streamed,
    conformance_30_an_abort_ends_a_filter,
    conformance_30_a_filter_that_fails_says_so,
    conformance_30_who_is_no_filter_says_so,
    conformance_30_an_unknown_role_is_refused,
    markdown_becomes_a_page,
];

const MODIFIED: &str = "1700000000";

/// All up to the streams: params that say how long body and file are.
fn filter_head(id: u16, path: &str, body: usize, file: usize, keep_conn: bool) -> Vec<u8> {
    let (body, file) = (body.to_string(), file.to_string());
    let mut list = get_params(path);
    list.extend([
        ("CONTENT_LENGTH", body.as_str()),
        ("FCGI_DATA_LAST_MOD", MODIFIED),
        ("FCGI_DATA_LENGTH", &file),
    ]);
    let mut bytes = begin(id, FILTER, keep_conn);
    bytes.extend(params(id, &list));
    bytes
}

fn data(id: u16, file: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in file.chunks(50_000) {
        bytes.extend(record(DATA, id, part));
    }
    bytes.extend(record(DATA, id, &[]));
    bytes
}

fn filter(id: u16, path: &str, body: &[u8], file: &[u8], keep_conn: bool) -> Vec<u8> {
    let mut bytes = filter_head(id, path, body.len(), file.len(), keep_conn);
    bytes.extend(stdin(id, body));
    bytes.extend(data(id, file));
    bytes
}

fn program() -> Result<Program, crate::support::Skip> {
    Ok(Program::serve(&guest("naughty-roles")?, &[]))
}

fn conformance_30_a_filter_gets_its_file() -> Outcome {
    let program = program()?;
    let mut peer = program.connect();
    let answer = peer.ask(1, &filter(1, "/text", b"", b"some text", true));
    assert_eq!(
        (answer.status(), answer.text().as_str()),
        (200, "SOME TEXT")
    );
    let answer = peer.ask(1, &filter(1, "/about", b"", b"some text", true));
    assert_eq!(answer.text(), format!("9 bytes of {MODIFIED}\n"));
    let answer = peer.ask(2, &filter(2, "/echo", b"", b"", true));
    assert_eq!(answer.text(), "");
    Ok(())
}

fn conformance_30_records_may_be_cut_anywhere() -> Outcome {
    let program = program()?;
    let request = filter(1, "/text", b"body", b"some text", true);
    let mut peer = program.connect();
    for cut in 0..request.len() {
        peer.send(&request[..cut]);
        // So that the two halves do not arrive as one.
        peer.stream.flush().expect("flushed");
        let answer = peer.ask(1, &request[cut..]);
        assert_eq!(answer.text(), "SOME TEXT", "cut at {cut}");
    }
    // Byte by byte, with padding.
    let mut bytes = filter_head(1, "/text", 0, 9, true);
    bytes.extend(stdin(1, &[]));
    for byte in b"some text" {
        bytes.extend(padded(DATA, 1, &[*byte], 7));
    }
    bytes.extend(record(DATA, 1, &[]));
    assert_eq!(peer.ask(1, &bytes).text(), "SOME TEXT");
    Ok(())
}

fn conformance_30_a_short_file_is_an_error_and_a_long_one_is_cut() -> Outcome {
    let program = program()?;
    let said = |length: usize, sent: &[u8]| {
        let mut bytes = filter_head(1, "/text", 0, length, false);
        bytes.extend(stdin(1, &[]));
        bytes.extend(data(1, sent));
        program.ask(&bytes)
    };
    assert_eq!(said(9, b"some text").text(), "SOME TEXT");
    assert_eq!(said(9, b"some text that is longer").text(), "SOME TEXT");
    assert_eq!(said(0, b"some text").text(), "");
    let answer = said(10, b"some text");
    assert_eq!(answer.status(), 400);
    assert!(answer.text().contains("incomplete"), "{}", answer.text());
    // The web server goes away in the middle of the file.
    let mut peer = program.connect();
    let mut bytes = filter_head(1, "/text", 0, 9, false);
    bytes.extend(stdin(1, &[]));
    bytes.extend(record(DATA, 1, b"some"));
    peer.send(&bytes);
    peer.stream
        .shutdown(std::net::Shutdown::Write)
        .expect("ended");
    assert_eq!(peer.answer(1).status(), 400);
    Ok(())
}

fn conformance_30_length_and_time_of_the_file_have_to_be_said() -> Outcome {
    let program = program()?;
    for (length, modified, cause) in [
        (None, Some(MODIFIED), "FCGI_DATA_LENGTH"),
        (Some("9"), None, "FCGI_DATA_LAST_MOD"),
        (Some("nine"), Some(MODIFIED), "FCGI_DATA_LENGTH"),
        (Some("-1"), Some(MODIFIED), "FCGI_DATA_LENGTH"),
        (Some("9"), Some("yesterday"), "FCGI_DATA_LAST_MOD"),
    ] {
        let mut list = get_params("/text");
        list.extend(length.map(|length| ("FCGI_DATA_LENGTH", length)));
        list.extend(modified.map(|modified| ("FCGI_DATA_LAST_MOD", modified)));
        let mut bytes = begin(1, FILTER, false);
        bytes.extend(params(1, &list));
        bytes.extend(stdin(1, &[]));
        bytes.extend(data(1, b"some text"));
        let answer = program.ask(&bytes);
        assert_eq!(answer.status(), 400, "{length:?} {modified:?}");
        assert!(answer.log().contains(cause), "{cause}: {}", answer.log());
    }
    Ok(())
}

fn conformance_30_body_and_file_are_apart() -> Outcome {
    let program = program()?;
    let (body, file) = ([b'b'; 100_000], [b'f'; 200_000]);
    let answer = program.ask(&filter(1, "/body-first", &body, &file, false));
    assert_eq!(answer.text(), "file 200000, body 100000\n");
    let answer = program.ask(&filter(1, "/file-first", &body, &file, false));
    assert_eq!(answer.text(), "file 200000, body Ok(100000)\n");
    // Interleaved with each other, and with another request on the connection.
    let mut bytes = filter_head(1, "/body-first", 3, 6, true);
    bytes.extend(filter_head(2, "/text", 0, 4, true));
    for kind_id_content in [
        (STDIN, 1, "b1"),
        (DATA, 1, "fff"),
        (STDIN, 2, ""),
        (DATA, 2, "ab"),
        (STDIN, 1, "b"),
        (STDIN, 1, ""),
        (DATA, 1, "fff"),
        (DATA, 2, "cd"),
        (DATA, 2, ""),
        (DATA, 1, ""),
    ] {
        let (kind, id, content) = kind_id_content;
        bytes.extend(record(kind, id, content.as_bytes()));
    }
    let mut peer = program.connect();
    peer.send(&bytes);
    let answers = peer.answers(&[1, 2]);
    assert_eq!(answers[0].text(), "file 6, body 3\n");
    assert_eq!(answers[1].text(), "ABCD");
    Ok(())
}

fn conformance_30_an_unread_body_does_not_keep_the_file_away() -> Outcome {
    let program = program()?;
    let body = vec![b'b'; 900_000];
    let answer = send_while_reading(&program, filter(1, "/file-first", &body, b"file", false));
    assert_eq!(answer.text(), "file 4, body Ok(900000)\n");
    // More than is kept is lost, which the guest finds out if it asks.
    let body = vec![b'b'; 3_000_000];
    let answer = send_while_reading(&program, filter(1, "/file-first", &body, b"file", false));
    assert!(
        answer.text().starts_with("file 4, body Err("),
        "{}",
        answer.text()
    );
    assert!(answer.text().contains("TooLarge"), "{}", answer.text());
    let answer = send_while_reading(&program, filter(1, "/text", &body, b"file", false));
    assert_eq!(answer.text(), "FILE");
    Ok(())
}

/// Sends what may be more than the server takes before it answers.
fn send_while_reading(program: &Program, request: Vec<u8>) -> Answer {
    let mut peer = program.connect();
    let mut writer = peer.stream.try_clone().expect("a second handle");
    let sending = std::thread::spawn(move || writer.write_all(&request));
    let answer = peer.answer(1);
    // It may be answered before all of it was sent.
    drop(peer);
    let _ = sending.join().expect("no panic");
    answer
}

fn conformance_30_a_file_before_the_body_does_not_hang() -> Outcome {
    let program = program()?;
    let file = vec![b'f'; 3_000_000];
    let mut bytes = filter_head(1, "/body-first", 4, file.len(), false);
    bytes.extend(data(1, &file));
    bytes.extend(stdin(1, b"body"));
    let answer = send_while_reading(&program, bytes);
    assert_eq!(answer.status(), 400);
    assert!(answer.log().contains("§6.4"), "{}", answer.log());
    // A small one waits until it is its turn.
    let mut bytes = filter_head(1, "/body-first", 4, 4, false);
    bytes.extend(data(1, b"file"));
    bytes.extend(stdin(1, b"body"));
    assert_eq!(program.ask(&bytes).text(), "file 4, body 4\n");
    Ok(())
}

fn conformance_30_a_large_file_is_streamed() -> Outcome {
    let program = program()?;
    let before = program.memory_peak();
    let file: Vec<u8> = (0..64_000_000_u32)
        .map(|index| (index % 251) as u8)
        .collect();
    let answer = send_while_reading(&program, filter(1, "/echo", b"", &file, false));
    assert!(answer.body() == file);
    let grown = program.memory_peak() - before;
    assert!(grown < 32 << 20, "the server grew by {grown} bytes");
    Ok(())
}

fn conformance_30_an_abort_ends_a_filter() -> Outcome {
    let program = program()?;
    let mut peer = program.connect();
    // Before the file, in the middle of it, and while the guest works.
    let mut midway = filter_head(2, "/text", 0, 9, true);
    midway.extend(stdin(2, &[]));
    midway.extend(record(DATA, 2, b"some"));
    for (id, request) in [
        (1, filter_head(1, "/text", 0, 9, true)),
        (2, midway),
        (3, filter(3, "/sleep", b"", b"x", true)),
    ] {
        peer.send(&request);
        let answer = peer.ask(id, &record(ABORT_REQUEST, id, &[]));
        assert_eq!(
            (answer.stdout.len(), answer.protocol_status),
            (0, 0),
            "{id}"
        );
        // What was on its way is no matter.
        peer.send(&record(DATA, id, b"late"));
        peer.send(&record(DATA, id, &[]));
    }
    assert_eq!(
        peer.ask(4, &filter(4, "/text", b"", b"x", true)).text(),
        "X"
    );
    Ok(())
}

fn conformance_30_a_filter_that_fails_says_so() -> Outcome {
    let program = program()?;
    for (path, status, cause) in [
        ("/trap", 502, "unreachable"),
        ("/fail", 500, "disk full, as asked"),
        ("/nowhere", 404, ""),
    ] {
        let answer = program.ask(&filter(1, path, b"", b"some text", false));
        assert_eq!(answer.status(), status, "{path}");
        assert!(answer.log().contains(cause), "{path}: {}", answer.log());
    }
    Ok(())
}

fn conformance_30_who_is_no_filter_says_so() -> Outcome {
    for app in WORLDS {
        // That it may judge makes it no filter.
        let program = Program::serve(&guest(app)?, &["--authorizer"]);
        let answer = program.ask(&filter(1, "/hello", b"body", b"file", false));
        assert_eq!((answer.status(), answer.protocol_status), (500, 3), "{app}");
        assert!(answer.log().contains("`filtering`"), "{}", answer.log());
    }
    let program = Program::serve(&guest("gate")?, &[]);
    let answer = program.ask(&filter(1, "/", b"", b"", false));
    assert_eq!((answer.status(), answer.protocol_status), (500, 3));
    Ok(())
}

fn conformance_30_an_unknown_role_is_refused() -> Outcome {
    let program = program()?;
    for role in [0, 4, 99, 65_535] {
        let mut peer = program.connect();
        let mut request = begin(1, role, true);
        request.extend(params(1, &get_params("/")));
        request.extend(stdin(1, &[]));
        let answer = peer.ask(1, &request);
        assert_eq!(
            (answer.status(), answer.protocol_status),
            (500, 3),
            "{role}"
        );
        assert!(
            answer.log().contains(&format!("no role {role}")),
            "{}",
            answer.log()
        );
        // The connection goes on if it is to, and is closed if not.
        let answer = peer.ask(2, &filter(2, "/text", b"", b"x", true));
        assert_eq!(answer.text(), "X");
        let answer = peer.ask(3, &begin(3, role, false));
        assert_eq!((answer.status(), answer.protocol_status), (500, 3));
        assert!(peer.is_closed(), "{role}");
    }
    Ok(())
}

fn markdown_becomes_a_page() -> Outcome {
    let program = Program::serve(&guest("markdown")?, &[]);
    let answer = program.ask(&filter(1, "/notes.md", b"", b"# Notes\n\n* one\n", false));
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers("content-type"), ["text/html; charset=utf-8"]);
    assert!(
        answer
            .text()
            .contains("<h1>Notes</h1>\n<ul>\n<li>one</li>\n</ul>")
    );
    Ok(())
}
