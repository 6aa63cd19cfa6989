//! The limit: our own server with a handler in Rust where the guest would be.
//! The benchmark executes itself as this.

use std::future::poll_fn;
use std::path::Path;
use std::pin::Pin;

use bytes::Bytes;
use fcgi_wasm::{Body, FastCgi, Fault, Listener, Request, Response, Server};
use http::StatusCode;
use http_body::Body as _;
use tokio::runtime::Runtime;

pub(crate) static PIECE: [u8; 64 * 1024] = [b'x'; 64 * 1024];

/// Serves on this socket until the process is ended.
pub(crate) fn serve(socket: &Path) -> Result<(), String> {
    let runtime = Runtime::new().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let listener = Listener::unix(socket).map_err(|error| error.to_string())?;
        let server = Server::new(handle).listen(listener, FastCgi::default());
        let served = server.run_until(std::future::pending()).await;
        served.map_err(|error| error.to_string())
    })
}

/// Does what the guests do.
pub(crate) async fn handle(request: Request) -> Result<Response, Fault> {
    let path = request.params.text("PATH_INFO").unwrap_or_default();
    match path.strip_prefix("/download/") {
        Some(bytes) => Ok(download(bytes.parse().unwrap_or(0))),
        None if path == "/swallow" => swallow(request).await,
        None => Ok(Response::text(StatusCode::OK, "hello\n")),
    }
}

fn download(bytes: usize) -> Response {
    let (mut sender, body) = Body::pipe();
    tokio::spawn(async move {
        let mut left = bytes;
        while left > 0 && sender.ready().await.is_ok() {
            let piece = Bytes::from_static(&PIECE[..left.min(PIECE.len())]);
            left -= piece.len();
            sender.push(piece);
        }
        sender.finish();
    });
    let mut response = Response::text(StatusCode::OK, "");
    response.body = body;
    response
}

async fn swallow(mut request: Request) -> Result<Response, Fault> {
    let mut bytes = 0;
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut request.body).poll_frame(cx)).await {
        if let Ok(piece) = frame?.into_data() {
            bytes += piece.len();
        }
    }
    Ok(Response::text(StatusCode::OK, format!("{bytes} bytes\n")))
}
