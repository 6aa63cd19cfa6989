//! Section I of the conformance list, and what else a peer may do to us.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use fcgi_wasm::{Listener, Request, Response};

use crate::support::guest_build::guest;
use crate::support::local::{Local, echo, hello};
use crate::support::process::Program;
use crate::support::web_server::*;
use crate::support::{Outcome, wait_until};

tests![
    conformance_91_params_have_limits,
    conformance_92_no_param_chooses_what_is_run,
    conformance_94_secrets_do_not_reach_the_log,
    conformance_95_tcp_beyond_this_machine_takes_a_list_of_clients,
    conformance_96_a_thousand_slow_connections_do_not_stop_a_request,
    conformance_97_random_bytes_harm_nobody,
    conformance_97_damaged_requests_harm_nobody,
    conformance_97_neither_leaks_memory_or_places,
    conformance_98_nothing_is_left_of_the_request_before,
];

fn conformance_91_params_have_limits() -> Outcome {
    let local = Local::serve(hello());
    let long_name = "N".repeat(9_000);
    let many: Vec<(String, String)> = (0..2_000)
        .map(|n| (format!("N{n}"), String::new()))
        .collect();
    let many: Vec<_> = many.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let large = "v".repeat(300_000);
    let lists = [
        (&[("LARGE", large.as_str())][..], 431),
        (&[(long_name.as_str(), "v")], 431),
        (many.as_slice(), 431),
        (&[("OK", &large[..200_000])], 200),
    ];
    for (list, status) in lists {
        let mut request = begin(1, RESPONDER, false);
        let list = [&get_params("/"), list].concat();
        request.extend(params(1, &list));
        request.extend(stdin(1, &[]));
        let mut peer = local.connect();
        // The answer may come, and the connection end, before all is sent.
        let _ = peer.stream.write_all(&request);
        assert_eq!(peer.answer(1).status(), status, "{} params", list.len());
        assert!(peer.is_closed());
    }
    Ok(())
}

fn conformance_92_no_param_chooses_what_is_run() -> Outcome {
    let local = Local::serve(hello());
    for name in [
        "SCRIPT_FILENAME",
        "PHP_VALUE",
        "DOCUMENT_ROOT",
        "FCGI_WASM_APP",
        "LD_PRELOAD",
    ] {
        let mut list = get_params("/");
        list.push((name, "/etc/passwd"));
        let mut request = begin(1, RESPONDER, false);
        request.extend(params(1, &list));
        assert_eq!(local.ask(1, &request).text(), "hello\n", "{name}");
    }
    Ok(())
}

fn conformance_94_secrets_do_not_reach_the_log() -> Outcome {
    let local = Local::serve(|_: Request| async {
        Err::<Response, _>(fcgi_wasm::Fault::Crashed("boom".to_owned()))
    });
    let mut list = get_params("/x?secret");
    list.extend([
        ("HTTP_AUTHORIZATION", "secret"),
        ("HTTP_COOKIE", "secret"),
        ("REMOTE_PASSWD", "secret"),
        ("QUERY_STRING", "secret"),
    ]);
    let mut request = begin(1, RESPONDER, false);
    request.extend(params(1, &list));
    let answer = local.ask(1, &request);
    assert!(!answer.log().contains("secret"), "{}", answer.log());
    assert!(!answer.text().contains("secret"), "{}", answer.text());
    Ok(())
}

fn conformance_95_tcp_beyond_this_machine_takes_a_list_of_clients() -> Outcome {
    let everywhere: SocketAddr = ([0, 0, 0, 0], 0).into();
    let error = Listener::tcp(everywhere).expect_err("refused").to_string();
    assert!(error.contains("--allowed-clients"), "{error}");
    let here: SocketAddr = ([127, 0, 0, 1], 0).into();
    let ask = |listener: Listener| {
        let address = listener.local_addr().expect("an address");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let server = fcgi_wasm::Server::new(hello());
        let server = server.listen(listener, fcgi_wasm::FastCgi::default());
        runtime.spawn(server.run_until(std::future::pending()));
        let mut stream = TcpStream::connect(address).expect("connected");
        let mut answer = Vec::new();
        let sent = stream.write_all(&get(1, "/", false));
        let read = std::io::Read::read_to_end(&mut stream, &mut answer);
        match sent.is_ok() && read.is_ok() {
            true => answer,
            false => Vec::new(),
        }
    };
    assert!(!ask(Listener::tcp(here).expect("bound")).is_empty());
    let friend = Listener::tcp_for(here, vec![[127, 0, 0, 1].into()]).expect("bound");
    assert!(!ask(friend).is_empty());
    let stranger = Listener::tcp_for(here, vec![[192, 0, 2, 1].into()]).expect("bound");
    assert!(ask(stranger).is_empty());
    Ok(())
}

fn conformance_96_a_thousand_slow_connections_do_not_stop_a_request() -> Outcome {
    let local = Local::serve(hello());
    let request = get(1, "/", true);
    let mut slow: Vec<Peer> = (0..1000).map(|_| local.connect()).collect();
    for byte in &request[..20] {
        for peer in &mut slow {
            peer.send(&[*byte]);
        }
        assert_eq!(local.ask(1, &get(1, "/", false)).status(), 200);
    }
    for peer in &mut slow {
        assert_eq!(peer.ask(1, &request[20..]).status(), 200);
    }
    Ok(())
}

/// A generator of numbers that look random and are the same in each run
/// (xorshift64*).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}

/// Sends bytes and ends the connection, without a look at what comes.
fn throw(local: &Local, bytes: &[u8]) {
    let mut peer = local.connect();
    let _ = peer.stream.write_all(bytes);
}

fn conformance_97_random_bytes_harm_nobody() -> Outcome {
    let local = Local::serve(echo());
    let mut noise = Noise(0x5EED);
    let mut bystander = local.connect();
    for round in 0..10_000 {
        let count = 1 + noise.below(200);
        let mut bytes = noise.bytes(count);
        // Most of them get past the first check.
        if round % 4 != 0 {
            bytes[0] = 1;
        }
        if round % 2 == 0 && bytes.len() > 7 {
            bytes[1] %= 12;
            (bytes[2], bytes[3], bytes[4]) = (0, bytes[3] % 3, 0);
        }
        throw(&local, &bytes);
        if round % 100 == 0 {
            assert_eq!(bystander.ask(1, &get(1, "/", true)).status(), 200);
        }
    }
    assert_eq!(local.ask(1, &get(1, "/", false)).status(), 200);
    Ok(())
}

fn conformance_97_damaged_requests_harm_nobody() -> Outcome {
    let local = Local::serve(echo());
    let mut noise = Noise(0xDA3A6ED);
    let mut request = post_head(1, "/path", 20, true);
    request.extend(stdin(1, b"twenty bytes of body"));
    let mut bystander = local.connect();
    for round in 0..3_000 {
        let mut damaged = request.clone();
        for _ in 0..1 + noise.below(4) {
            let place = noise.below(damaged.len());
            match noise.below(3) {
                0 => damaged[place] = noise.next() as u8,
                1 => drop(damaged.remove(place)),
                _ => damaged.insert(place, noise.next() as u8),
            }
        }
        throw(&local, &damaged);
        if round % 100 == 0 {
            assert_eq!(bystander.ask(1, &get(1, "/", true)).status(), 200);
        }
    }
    Ok(())
}

fn conformance_97_neither_leaks_memory_or_places() -> Outcome {
    let limits = ["--max-concurrent", "4", "--queue", "4"];
    let program = Program::serve(&guest("naughty")?, &limits);
    assert_eq!(program.ask(&get(1, "/hello", false)).status(), 200);
    let before = program.memory_peak();
    let mut noise = Noise(0x1EAF);
    let mut request = post_head(1, "/echo", 20, true);
    request.extend(stdin(1, b"twenty bytes of body"));
    for round in 0..10_000 {
        let mut bytes = match round % 2 {
            0 => request.clone(),
            _ => noise.bytes(100),
        };
        let place = noise.below(bytes.len());
        bytes[place] = noise.next() as u8;
        let mut peer = program.connect();
        let _ = peer.stream.write_all(&bytes);
    }
    // All places can be had at a time, once what was thrown is dealt with.
    wait_until("the places are free", || {
        let mut peers: Vec<Peer> = (0..4).map(|_| program.connect()).collect();
        peers.iter_mut().all(|peer| {
            peer.send(&post_head(1, "/early", 5, false));
            let first = peer.read_record().expect("a record");
            first.content.starts_with(b"Status: 200")
        })
    });
    let grown = program.memory_peak() - before;
    assert!(grown < 64 << 20, "the server grew by {grown} bytes");
    Ok(())
}

fn conformance_98_nothing_is_left_of_the_request_before() -> Outcome {
    let local = Local::serve(echo());
    let mut peer = local.connect();
    let mut first = begin(1, RESPONDER, true);
    first.extend(params(1, &[("REQUEST_METHOD", "POST"), ("SECRET", "s")]));
    first.extend(stdin(1, b"secret body"));
    let secret = peer.ask(1, &first).text();
    assert!(secret.contains("SECRET=s") && secret.ends_with("secret body"));
    let mut second = begin(1, RESPONDER, true);
    second.extend(params(1, &[("REQUEST_METHOD", "GET")]));
    second.extend(stdin(1, &[]));
    assert_eq!(peer.ask(1, &second).text(), "REQUEST_METHOD=GET\n");
    Ok(())
}
