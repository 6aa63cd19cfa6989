//! A request to a running server, as a web server would send it.

use anyhow::{Context, Result, bail};
use bytes::{Buf, Bytes};
use fcgi_wasm::fastcgi::{self, Client, Reply, RequestId, write_pair};
use fcgi_wasm::{Params, Role};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::answer::Answer;
use super::said::Streams;

/// How much is read at a time, bytes.
const READ_BYTES: usize = 64 * 1024;

pub(crate) async fn ask(
    stream: impl AsyncRead + AsyncWrite,
    role: Role,
    params: &Params,
    streams: Streams,
    answer: &mut Answer,
) -> Result<()> {
    let id = RequestId::new(1).context("1 is an id")?;
    let mut pairs = Vec::new();
    for (name, value) in params.iter() {
        write_pair(name, value, &mut pairs);
    }
    let mut client = Client::new();
    client.begin(id, wire_role(role), false, Bytes::from(pairs));
    if role != Role::Authorizer {
        client.stdin(id, Bytes::from(streams.body));
        client.end_stdin(id);
    }
    if role == Role::Filter {
        client.data(id, Bytes::from(streams.file));
        client.end_data(id);
    }

    let mut outgoing = std::mem::take(client.output());

    answer.start();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut is_sending = true;
    loop {
        client.input().reserve(READ_BYTES);
        tokio::select! {
            sent = writer.write_buf(&mut outgoing), if is_sending => {
                // A server may answer, and close, before it was told all.
                is_sending = sent.is_ok() && outgoing.has_remaining();
            }
            read = reader.read_buf(client.input()) => {
                if read.context("the connection broke")? == 0 {
                    bail!("the connection was closed before the request had ended");
                }
                if show(&mut client, answer)? {
                    return Ok(());
                }
            }
        }
    }
}

fn wire_role(role: Role) -> fastcgi::Role {
    match role {
        Role::Responder => fastcgi::Role::Responder,
        Role::Authorizer => fastcgi::Role::Authorizer,
        Role::Filter => fastcgi::Role::Filter,
    }
}

/// Shows what has come. Whether that was all.
fn show(client: &mut Client, answer: &mut Answer) -> Result<bool> {
    while let Some(reply) = client.next_reply().map_err(anyhow::Error::msg)? {
        match reply {
            Reply::Stdout(_, bytes) => answer.stdout(&bytes)?,
            Reply::Stderr(_, bytes) => answer.stderr(&bytes),
            Reply::Values(_) => {}
            Reply::End { app_status, .. } => {
                answer.end(app_status);
                return Ok(true);
            }
        }
    }
    Ok(false)
}
