//! Files and sockets that guests open: the process has a limited number of them
//! for all, and one tenant does not take the others' share.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Duration;

use fcgi_wasm::{AddressPattern, App, Budget, Folder, Grants, HostPattern, MIB, Policy, Standing};
use tempfile::TempDir;

use crate::support::local::Local;
use crate::support::two::{NOISY, QUIET, Two, engine, held_at, release, request};
use crate::support::web_server::*;
use crate::support::{Outcome, wait_until};

tests![
    sockets_of_a_tenant_are_limited,
    what_the_system_keeps_for_sockets_is_limited,
    a_stream_without_its_file_counts,
    files_of_a_module_are_limited,
    handles_count_as_memory,
    what_only_the_host_holds_counts_as_memory,
    what_the_host_does_for_a_guest_takes_its_time,
    a_request_that_is_not_sent_is_small,
    a_call_that_goes_on_beside_others_hands_over_little,
    who_keeps_threads_waiting_is_refused,
    connections_end_with_their_instance,
];

/// As many as are held at a time, and some for standard streams.
fn hundred() -> Budget {
    Budget::strict().descriptors_max(100)
}

fn sockets_of_a_tenant_are_limited() -> Outcome {
    let without = Two::serve("naughty-cgi", hundred(), Policy::strict())?;
    assert_eq!(without.ask(NOISY, "/sockets/60").text(), "0 sockets\n");
    let nowhere = AddressPattern::parse("127.0.0.1:1").expect("an address");
    let policy = Policy::strict().grants(Grants::none().address(nowhere));
    let two = Two::serve("naughty-cgi", hundred(), policy)?;
    let mut first = two.local.connect();
    first.send(&held_at(NOISY, "/sockets/60"));
    assert_eq!(first.read_record().expect("it runs").kind, STDOUT);
    two.is_over("/sockets/60", "descriptors of tenant noisy");
    // They are counted at each sixteenth call.
    assert!(two.noisy.standing().descriptors > 60 - 16);
    release(first);
    wait_until("all is given back", || {
        two.noisy.standing() == Standing::default()
    });
    assert_eq!(two.ask(NOISY, "/sockets/60").text(), "60 sockets\n");
    // One request's own are limited too.
    two.is_over("/sockets/900", "descriptors of tenant noisy");
    Ok(())
}

fn what_the_system_keeps_for_sockets_is_limited() -> Outcome {
    for guest in ["naughty-http", "naughty-http3"] {
        let two = Two::serve(guest, Budget::strict(), Policy::strict())?;
        let sizes = [65536; 4];
        let expected = format!("{sizes:?} {sizes:?}\n");
        assert_eq!(
            two.ask(NOISY, "/socket-buffers").text(),
            expected,
            "{guest}"
        );
    }
    let somewhere = AddressPattern::parse("127.0.0.1:1").expect("an address");
    let policy = Policy::strict().grants(Grants::none().address(somewhere));
    let policy = policy.memory_max(32 * MIB);
    let two = Two::serve("naughty-cgi", Budget::strict(), policy)?;
    let mut few = two.local.connect();
    few.send(&held_at(NOISY, "/sockets/60"));
    release(few);
    let answer = two.ask(NOISY, "/sockets/150");
    assert_eq!(answer.status(), 502, "{answer:?}");
    assert!(answer.log().contains("handles"), "{}", answer.log());
    Ok(())
}

/// A folder with a file, and the right to it.
fn folder() -> (TempDir, Policy) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("file"), "content").expect("written");
    let grants = Grants::none().folder(Folder::new(folder.path(), "/data").read_only());
    (folder, Policy::strict().grants(grants))
}

fn a_stream_without_its_file_counts() -> Outcome {
    let (_folder, policy) = folder();
    let two = Two::serve("naughty-http3", hundred(), policy)?;
    assert_eq!(two.ask(NOISY, "/files/30").text(), "30 files\n");
    two.is_over("/files/200", "descriptors of tenant noisy");
    Ok(())
}

fn files_of_a_module_are_limited() -> Outcome {
    let (_folder, policy) = folder();
    let opens = |count: u32| {
        format!(
            "(module
                (import \"wasi_snapshot_preview1\" \"path_open\" (func $open
                    (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
                (import \"wasi_snapshot_preview1\" \"fd_write\"
                    (func $write (param i32 i32 i32 i32) (result i32)))
                (memory (export \"memory\") 1)
                (data (i32.const 8) \"\\10\\00\\00\\00\\0d\\00\\00\\00\")
                (data (i32.const 16) \"Status: 204\\n\\n\") (data (i32.const 64) \"file\")
                (func (export \"_start\") (local $left i32)
                    (local.set $left (i32.const {count}))
                    (loop $next
                        (if (call $open (i32.const 3) (i32.const 0) (i32.const 64) (i32.const 4)
                            (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 96))
                            (then unreachable))
                        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
                        (br_if $next (local.get $left)))
                    (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0)))))"
        )
    };
    let engine = engine(2);
    for (count, status) in [(60, 204), (200, 503)] {
        let policy = policy.clone().budget(hundred());
        let app = App::from_bytes(&engine, "opens", opens(count).as_bytes(), policy);
        let local = Local::serve(app.expect("an application"));
        let answer = local.ask(1, &get(1, "/", false));
        assert_eq!(answer.status(), status, "{answer:?}");
        let is_over = answer.log().contains("over budget: descriptors of");
        assert_eq!(is_over, status == 503, "{}", answer.log());
    }
    Ok(())
}

fn a_call_that_goes_on_beside_others_hands_over_little() -> Outcome {
    let (_folder, policy) = folder();
    let two = Two::serve("naughty-http3", Budget::strict(), policy)?;
    let answer = two.ask(NOISY, "/long-name/100000");
    assert_eq!(answer.text(), "Err(ErrorCode::NameTooLong)\n");
    let answer = two.ask(NOISY, "/long-name/140000");
    assert_eq!(answer.status(), 502, "{answer:?}");
    let log = answer.log();
    assert!(log.contains("too much data is being copied"), "{log}");
    Ok(())
}

fn who_keeps_threads_waiting_is_refused() -> Outcome {
    let (folder, policy) = folder();
    let pipe = folder.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo").success());
    let policy = policy.wall_time_max(Duration::from_millis(200));
    let two = Two::serve("naughty-cgi", Budget::strict(), policy)?;
    // More than may go on after their requests.
    let mut waiting: Vec<_> = (0..40).map(|_| two.local.connect()).collect();
    for peer in &mut waiting {
        peer.send(&request(NOISY, "/read/data/pipe"));
    }
    for mut peer in waiting {
        assert_eq!(peer.answer(1).status(), 504);
    }
    two.is_over("/hello", "file-operations of tenant noisy");
    assert_eq!(two.ask(QUIET, "/read/data/file").text(), "read content\n");
    // Once somebody has opened the other end, all of them end.
    let other_end = File::options()
        .write(true)
        .open(&pipe)
        .expect("it is waited for");
    wait_until("it is served again", || {
        two.ask(NOISY, "/hello").status() == 200
    });
    drop(other_end);
    Ok(())
}

fn handles_count_as_memory() -> Outcome {
    let policy = Policy::strict().memory_max(16 * MIB);
    let two = Two::serve("naughty-http", Budget::strict(), policy)?;
    assert_eq!(two.ask(NOISY, "/keep-fields/100").status(), 200);
    let answer = two.ask(NOISY, "/keep-fields/500");
    assert_eq!(answer.status(), 502);
    let log = answer.log();
    assert!(log.contains("--memory") && log.contains("handles"), "{log}");
    let budget = Budget::strict().memory_max(16 * MIB);
    let two = Two::serve("naughty-http", budget, Policy::strict())?;
    two.is_over("/keep-fields/500", "memory-sum of tenant noisy");
    Ok(())
}

fn what_only_the_host_holds_counts_as_memory() -> Outcome {
    let too_many = "no free keys";
    let too_large = "calls, streams and futures count as";
    for (memory, path, few, many, reason) in [
        (1024, "pipes", 20, 3000, too_many),
        (1024, "response-chain", 20, 3000, too_many),
        (32, "pipes", 20, 900, too_large),
        (32, "unread-errors", 20, 900, too_large),
    ] {
        let policy = Policy::strict().memory_max(memory * MIB);
        let two = Two::serve("naughty-http3", Budget::strict(), policy)?;
        let answer = two.ask(NOISY, &format!("/{path}/{few}"));
        assert_eq!(answer.status(), 200, "{path}: {answer:?}");
        let answer = two.ask(NOISY, &format!("/{path}/{many}"));
        assert_eq!(answer.status(), 502, "{path}: {answer:?}");
        assert!(answer.log().contains(reason), "{path}: {}", answer.log());
    }
    Ok(())
}

fn what_the_host_does_for_a_guest_takes_its_time() -> Outcome {
    let (folder, policy) = folder();
    let file = File::options().write(true).open(folder.path().join("file"));
    file.and_then(|file| file.set_len(1 << 40)).expect("larger");
    let policy = policy.cpu_time_max(Duration::from_millis(200));
    let two = Two::serve("naughty-http3", Budget::strict(), policy)?;
    let answer = two.ask(NOISY, "/log-file");
    assert_eq!(answer.status(), 504, "{answer:?}");
    assert!(answer.log().contains("--cpu-time"), "{}", answer.log());
    Ok(())
}

fn a_request_that_is_not_sent_is_small() -> Outcome {
    for (guest, large) in [("naughty-http", 1_000_000), ("naughty-http3", 100_000)] {
        let two = Two::serve(guest, Budget::strict(), Policy::strict())?;
        for (bytes, taken) in [(1000, 50), (large, 0)] {
            let answer = two.ask(NOISY, &format!("/keep-requests/{bytes}"));
            let expected = format!("{taken} methods, {taken} authorities\n");
            assert_eq!(answer.text(), expected, "{guest}");
        }
    }
    Ok(())
}

/// A server whose answers to GET have no end, and which answers a POST before it
/// has read it, and reads on.
fn endless() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            thread::spawn(move || converse(stream));
        }
    });
    address
}

fn converse(stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut request_line, mut field) = (String::new(), String::new());
    reader.read_line(&mut request_line)?;
    while field != "\r\n" {
        field.clear();
        reader.read_line(&mut field)?;
    }
    let mut writer = stream;
    if request_line.starts_with("POST") {
        writer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
        return reader.read_to_end(&mut Vec::new()).map(drop);
    }
    writer.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
    loop {
        writer.write_all(b"5\r\nhello\r\n")?;
        thread::sleep(Duration::from_millis(10));
    }
}

fn connections_end_with_their_instance() -> Outcome {
    let grants = Grants::none()
        .host(HostPattern::parse("127.0.0.1").expect("a host"))
        .private_hosts(true);
    let policy = Policy::strict().grants(grants);
    let two = Two::serve("naughty-http3", Budget::strict(), policy)?;
    // As long as one of its requests is under way, the tenant's threads are there.
    let other = two.hold(NOISY);
    let answer = two.ask(NOISY, &format!("/send-back/{}", endless()));
    assert_eq!(answer.text(), "status 200\n");
    wait_until("its connections are closed", || {
        two.noisy.standing().outbound_requests == 0
    });
    release(other);
    Ok(())
}
