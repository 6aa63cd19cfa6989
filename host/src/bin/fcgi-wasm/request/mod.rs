//! `fcgi-wasm request`: one request by hand, to a running server or straight
//! to a component.

mod answer;
mod direct;
mod over_socket;
mod said;

use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use tokio::net::{TcpStream, UnixStream};

use crate::args::Request;
use answer::Answer;
use said::{Streams, body, file, params};

pub(crate) use said::get_params;

pub(crate) fn run(args: Request) -> Result<ExitCode> {
    let body = body(args.data.as_deref())?;
    let file = file(&args)?;
    let params = params(&args, body.as_ref().map(Vec::len), &file);
    let streams = Streams {
        body: body.unwrap_or_default(),
        file: file.content,
    };
    let mut answer = Answer::new(args.body_only);
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        match target(&args.target)? {
            Target::Component(path) => {
                direct::ask(&path, &args, params, streams, &mut answer).await
            }
            Target::Unix(path) => {
                let stream = UnixStream::connect(&path).await;
                let stream = stream.with_context(|| cannot_connect(&args.target))?;
                over_socket::ask(stream, args.role, &params, streams, &mut answer).await
            }
            Target::Tcp(addresses) => {
                let stream = TcpStream::connect(addresses.as_slice()).await;
                let stream = stream.with_context(|| cannot_connect(&args.target))?;
                over_socket::ask(stream, args.role, &params, streams, &mut answer).await
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
    Tcp(Vec<SocketAddr>),
}

fn target(text: &str) -> Result<Target> {
    let path = PathBuf::from(text);
    let error = match std::fs::metadata(&path) {
        Ok(meta) if meta.file_type().is_socket() => return Ok(Target::Unix(path)),
        Ok(meta) if meta.is_file() => return Ok(Target::Component(path)),
        Ok(_) => bail!("{text} is neither a component's file nor a socket"),
        Err(error) => error,
    };
    let has_port = text
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    match text.to_socket_addrs() {
        Ok(addresses) => Ok(Target::Tcp(addresses.collect())),
        Err(error) if has_port => Err(error).with_context(|| format!("cannot look up {text}")),
        Err(_) => Err(error).with_context(|| format!("cannot read {text}")),
    }
}
