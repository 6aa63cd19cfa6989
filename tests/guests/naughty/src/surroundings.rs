//! What an application sees of the world, and what it tries to do to it.

use std::fmt::Write;

use fcgi_wasm_sdk::http::{HeaderName, HeaderValue};
use fcgi_wasm_sdk::prelude::*;

use crate::faults::say;

/// All params, a line each.
pub(crate) fn params(request: &Request) -> Result<Response> {
    let mut text = String::new();
    for (name, value) in request.params().iter() {
        writeln!(text, "{name}={}", String::from_utf8_lossy(value))?;
    }
    text.into_response()
}

/// All header fields, a line each.
pub(crate) fn headers(request: &Request) -> Result<Response> {
    let mut text = String::new();
    for (name, value) in request.headers() {
        writeln!(
            text,
            "{name}: {}",
            String::from_utf8_lossy(value.as_bytes())
        )?;
    }
    text.into_response()
}

/// What can be reached: nothing.
pub(crate) fn world() -> Result<Response> {
    let variables = std::env::vars_os().count();
    let arguments = std::env::args_os().count();
    let files = std::fs::read_dir("/").is_ok();
    let passwords = std::fs::read("/etc/passwd").is_ok();
    let network = std::net::TcpStream::connect("127.0.0.1:80").is_ok();
    let names = std::net::ToSocketAddrs::to_socket_addrs("localhost:80").is_ok();
    format!(
        "{variables} variables, {arguments} arguments, files {files}, passwords {passwords}, \
         network {network}, names {names}\n"
    )
    .into_response()
}

/// So many lines to standard error, and one to standard output.
#[expect(clippy::print_stdout, reason = "it is what is tested")]
pub(crate) fn log(lines: u64) -> Result<Response> {
    println!("to standard output");
    for line in 0..lines {
        say(&format!("line {line} to standard error \u{1b}[31m"));
    }
    "logged\n".into_response()
}

/// Fields that are for the web server or the connection.
pub(crate) fn commands() -> Result<Response> {
    let fields = [
        ("x-accel-redirect", "/secret"),
        ("x-sendfile", "/etc/passwd"),
        ("x-lighttpd-send-file", "/etc/passwd"),
        ("variable-remote_user", "root"),
        ("connection", "close"),
        ("transfer-encoding", "chunked"),
        ("status", "500"),
        ("location", "/secret"),
        ("x-kept", "yes"),
    ];
    (StatusCode::OK, fields, "commanded\n").into_response()
}

/// A head with one field of so many bytes.
pub(crate) fn big_head(bytes: u64) -> Result<Response> {
    let value = "v".repeat(bytes as usize);
    (StatusCode::OK, [("x-big", value.as_str())], "big\n").into_response()
}

/// So many fields.
pub(crate) fn many_headers(count: u64) -> Result<Response> {
    let mut response = "many\n".into_response()?;
    for number in 0..count {
        let name = HeaderName::try_from(format!("x-{number}"))?;
        let value = HeaderValue::from_static("v");
        if response.headers_mut().try_append(name, value).is_err() {
            break;
        }
    }
    Ok(response)
}

/// So many fields of 1000 bytes.
pub(crate) fn wide_head(fields: u64) -> Result<Response> {
    let mut response = "wide\n".into_response()?;
    for number in 0..fields {
        let name = HeaderName::try_from(format!("x-{number}"))?;
        let value = HeaderValue::try_from("v".repeat(1000))?;
        response.headers_mut().append(name, value);
    }
    Ok(response)
}

/// Two cookies.
pub(crate) fn cookies() -> Result<Response> {
    let fields = [("set-cookie", "a=1"), ("set-cookie", "b=2; Path=/")];
    (StatusCode::OK, fields, "baked\n").into_response()
}
