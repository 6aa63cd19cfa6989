//! Asks a server for its status.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::args::Place;

/// How long the status may take: its thread does nothing else.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// How large it may be, bytes: ten thousand applications have 12 MB.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// The status as JSON.
pub(crate) fn status(server: &Place) -> Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let asking = timeout(WAIT_MAX, ask(server)).await;
        asking.context("the server does not answer")?
    })
}

/// Whether a server is there that was told to stop, and answers what is under way.
pub(crate) async fn is_stopping(server: &Place) -> bool {
    let Ok(Ok(text)) = timeout(WAIT_MAX, ask(server)).await else {
        return false;
    };
    parse(&text).is_ok_and(|status| status["state"] == "stopping")
}

/// Reads what [`status`] gave.
pub(crate) fn parse(text: &str) -> Result<Value> {
    serde_json::from_str(text).context("what answers there shows no status of fcgi-wasm")
}

async fn ask(server: &Place) -> Result<String> {
    match server {
        Place::Tcp(address) => {
            let stream = TcpStream::connect(address).await;
            get(stream.with_context(|| format!("cannot connect to {address}"))?).await
        }
        Place::Unix(path) => {
            let stream = UnixStream::connect(path).await;
            get(stream.with_context(|| format!("cannot connect to {}", path.display()))?).await
        }
    }
}

async fn get(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<String> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = http::Request::get("/status.json")
        .header("host", "localhost")
        .body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request).await;
    let answer = answer.context(
        "what answers there is not the status: give the place of `serve --status`, not the \
         FastCGI socket",
    )?;
    let status = answer.status();
    ensure!(status.is_success(), "it answers {status}");
    match Limited::new(answer.into_body(), BYTES_MAX).collect().await {
        Ok(body) => Ok(String::from_utf8(body.to_bytes().into())?),
        Err(error) => bail!("the status broke off: {error}"),
    }
}
