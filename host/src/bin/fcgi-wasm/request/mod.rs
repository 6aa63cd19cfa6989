//! `fcgi-wasm request`: one request by hand, to a running server or straight
//! to a component.

mod answer;
mod direct;
mod over_socket;

use std::io::Read;
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use fcgi_wasm::Params;
use fcgi_wasm::cgi::Mount;
use tokio::net::{TcpStream, UnixStream};

use crate::args::Request;
use answer::Answer;

pub(crate) fn run(args: Request) -> Result<ExitCode> {
    let body = body(args.data.as_deref())?;
    let params = params(&args, body.as_ref().map(Vec::len));
    let body = body.unwrap_or_default();
    let mut answer = Answer::new(args.body_only);
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        match target(&args.target)? {
            Target::Component(path) => direct::ask(&path, &args, params, body, &mut answer).await,
            Target::Unix(path) => {
                let stream = UnixStream::connect(&path).await;
                let stream = stream.with_context(|| cannot_connect(&args.target))?;
                over_socket::ask(stream, &params, body, &mut answer).await
            }
            Target::Tcp(address) => {
                let stream = TcpStream::connect(address).await;
                let stream = stream.with_context(|| cannot_connect(&args.target))?;
                over_socket::ask(stream, &params, body, &mut answer).await
            }
        }
    })?;
    answer.finish()
}

fn cannot_connect(target: &str) -> String {
    format!("cannot connect to {target}")
}

/// Who is asked.
enum Target {
    Component(PathBuf),
    Unix(PathBuf),
    Tcp(SocketAddr),
}

fn target(text: &str) -> Result<Target> {
    if let Ok(address) = text.parse() {
        return Ok(Target::Tcp(address));
    }
    let path = PathBuf::from(text);
    match std::fs::metadata(&path) {
        Ok(meta) if meta.file_type().is_socket() => Ok(Target::Unix(path)),
        Ok(meta) if meta.is_file() => Ok(Target::Component(path)),
        Ok(_) => bail!("{text} is neither a component's file nor a socket"),
        Err(error) => Err(error).with_context(|| format!("cannot read {text}")),
    }
}

fn body(data: Option<&str>) -> Result<Option<Vec<u8>>> {
    let Some(data) = data else {
        return Ok(None);
    };
    let bytes = match data.strip_prefix('@') {
        None => data.as_bytes().to_vec(),
        Some("-") => {
            let mut bytes = Vec::new();
            let read = std::io::stdin().read_to_end(&mut bytes);
            read.context("cannot read standard input")?;
            bytes
        }
        Some(file) => std::fs::read(file).with_context(|| format!("cannot read {file}"))?,
    };
    Ok(Some(bytes))
}

/// What a web server would say of the request (RFC 3875 §4.1).
fn params(args: &Request, body_bytes: Option<usize>) -> Params {
    let default_method = if body_bytes.is_some() { "POST" } else { "GET" };
    let method = args.method.as_deref().unwrap_or(default_method);
    let mut params = get_params(method, &args.path, &args.mount);
    if let Some(bytes) = body_bytes {
        params.set("CONTENT_LENGTH", bytes.to_string().as_bytes());
    }
    for (name, value) in &args.header {
        let variable = name.to_ascii_uppercase().replace('-', "_");
        match variable.as_str() {
            "CONTENT_TYPE" | "CONTENT_LENGTH" => params.set(&variable, value.as_bytes()),
            "HOST" => params.set("HTTP_HOST", value.as_bytes()),
            _ => params.push(format!("HTTP_{variable}").as_bytes(), value.as_bytes()),
        }
    }
    for (name, value) in &args.param {
        params.set(name, value.as_bytes());
    }
    params
}

/// The same of one without a body and header fields.
pub(crate) fn get_params(method: &str, target: &str, mount: &Mount) -> Params {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = fcgi_wasm::cgi::decode(path.as_bytes());
    let mut params = Params::default();
    params.set("GATEWAY_INTERFACE", b"CGI/1.1");
    params.set("SERVER_SOFTWARE", b"fcgi-wasm request");
    params.set("SERVER_PROTOCOL", b"HTTP/1.1");
    params.set("SERVER_NAME", b"localhost");
    params.set("SERVER_PORT", b"80");
    params.set("REMOTE_ADDR", b"127.0.0.1");
    params.set("REQUEST_METHOD", method.as_bytes());
    params.set("REQUEST_URI", target.as_bytes());
    params.set("SCRIPT_NAME", b"");
    params.set("PATH_INFO", &path);
    params.set("QUERY_STRING", query.as_bytes());
    params.set("HTTP_HOST", b"localhost");
    mount.apply(&mut params);
    params
}
