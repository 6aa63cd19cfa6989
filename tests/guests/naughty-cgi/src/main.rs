//! Misbehaves by path, for the tests: a CGI program (RFC 3875), made with
//! nothing but the standard library.

#![expect(clippy::print_stdout, reason = "that is how a CGI program answers")]
#![expect(clippy::print_stderr, reason = "that is a CGI program's error log")]
#![expect(clippy::unwrap_used, reason = "a guest may trap, these above all")]

mod surroundings;

use std::env::var;
use std::io::{Read, Write, copy, sink, stdin, stdout};
use std::process::exit;

fn main() {
    let path = var("PATH_INFO").unwrap_or_default();
    let (first, rest) = match path.trim_start_matches('/').split_once('/') {
        Some((first, rest)) => (first.to_owned(), rest.to_owned()),
        None => (path.trim_start_matches('/').to_owned(), String::new()),
    };
    let number: usize = rest.parse().unwrap_or(0);
    match first.as_str() {
        "hello" => text("hello\n"),
        "" | "environment" => {
            let mut variables: Vec<_> = std::env::vars().collect();
            variables.sort();
            let lines = variables
                .iter()
                .map(|(name, value)| format!("{name}={value}\n"));
            text(&lines.collect::<String>());
        }
        "arguments" => text(&format!("{:?}\n", std::env::args().collect::<Vec<_>>())),
        "status" => print!("Status: {number} As Asked\nContent-Type: text/plain\n\nstatus\n"),
        // The path says the head, with `|` for the ends of lines.
        "raw" => print!("{}", rest.replace('|', "\n")),
        "silence" => {}
        "exit-early" => exit(i32::try_from(number).unwrap()),
        "exit-late" => {
            text("said before\n");
            exit(i32::try_from(number).unwrap());
        }
        "trap" => panic!("as asked"),
        "late-trap" => {
            text("said before\n");
            panic!("as asked, in the middle");
        }
        "words" => {
            eprintln!("words for the log");
            text("said\n");
        }
        "spin" => loop {
            std::hint::black_box(number);
        },
        "half-read" => {
            let mut start = [0; 5];
            stdin().read_exact(&mut start).unwrap();
            text(&format!("{}\n", String::from_utf8_lossy(&start)));
        }
        "echo" => {
            text("");
            copy(&mut stdin(), &mut stdout()).unwrap();
        }
        "upload" | "swallow" => match copy(&mut stdin(), &mut sink()) {
            Ok(bytes) => text(&format!("{bytes} bytes\n")),
            Err(error) => print!("Status: 400\n\n{error}\n"),
        },
        "early" => {
            text("first\n");
            stdout().flush().unwrap();
            copy(&mut stdin(), &mut stdout()).unwrap();
        }
        "download" => {
            text("");
            // The standard library looks for the last end of a line in all that
            // is written, from behind.
            let mut piece = [b'x'; 64 * 1024];
            piece[64 * 1024 - 1] = b'\n';
            let mut left = number;
            while left > 0 {
                let now = left.min(piece.len());
                stdout().write_all(&piece[..now]).unwrap();
                left -= now;
            }
        }
        "read" => text(&surroundings::read(&rest)),
        "write" => text(&surroundings::write(&rest)),
        "connect" => text(&surroundings::connect(&rest)),
        "sockets" => surroundings::sockets(number),
        "look-up" => text(&surroundings::look_up(&rest)),
        "now" => text(&surroundings::now()),
        _ => print!("Status: 404 Not Found\n\nnot found\n"),
    }
}

/// A whole response.
fn text(text: &str) {
    print!("Content-Type: text/plain\n\n{text}");
}
