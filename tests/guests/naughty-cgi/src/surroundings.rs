//! Tries to reach what is beyond the request, and says what came of it.

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::BuildHasher;
use std::io::{Read, Write, copy, stdin, stdout};
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};
use std::time::SystemTime;

pub(crate) fn read(path: &str) -> String {
    match fs::read_to_string(format!("/{path}")) {
        Ok(content) => format!("read {content}\n"),
        Err(error) => format!("{error}\n"),
    }
}

pub(crate) fn write(path: &str) -> String {
    match fs::write(format!("/{path}"), "written by the guest") {
        Ok(()) => "written\n".to_owned(),
        Err(error) => format!("{error}\n"),
    }
}

/// Says hello there and waits for an answer.
pub(crate) fn connect(address: &str) -> String {
    let ask = || {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(b"hello\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().unwrap_or_else(|error: std::io::Error| format!("{error}\n"))
}

/// Makes so many sockets, and keeps them while it sends its request's body back.
pub(crate) fn sockets(count: usize) {
    let sockets: Vec<_> = (0..count).map(|_| UdpSocket::bind("0.0.0.0:0")).collect();
    let made = sockets.iter().filter(|socket| socket.is_ok()).count();
    println!("Content-Type: text/plain\n\n{made} sockets");
    stdout().flush().unwrap();
    copy(&mut stdin(), &mut stdout()).unwrap();
}

pub(crate) fn look_up(name: &str) -> String {
    match (name, 80).to_socket_addrs() {
        Ok(addresses) => format!("{:?}\n", addresses.collect::<Vec<_>>()),
        Err(error) => format!("{error}\n"),
    }
}

/// Clock and random numbers are always there.
pub(crate) fn now() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let random = RandomState::new().hash_one(0);
    format!("{} {random}\n", now.unwrap().as_secs())
}
