//! Bodies in and out, piece by piece.

use wasip3::http::types::{ErrorCode, Fields, Request, Response, Trailers};
use wasip3::wit_bindgen::rt::async_support::{
    FutureReader, FutureWriter, StreamReader, StreamResult, StreamWriter,
};
use wasip3::wit_future;

use crate::{respond, text};

type End = Result<Option<Trailers>, ErrorCode>;

/// A response's body.
pub(crate) struct Body {
    bytes: StreamWriter<u8>,
    trailers: FutureWriter<End>,
}

impl Body {
    pub(crate) fn new(bytes: StreamWriter<u8>, trailers: FutureWriter<End>) -> Self {
        Self { bytes, trailers }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.bytes.write_all(bytes.to_vec()).await;
    }

    pub(crate) async fn finish(self, trailers: Fields) {
        drop(self.bytes);
        let _ = self.trailers.write(Ok(Some(trailers))).await;
    }
}

/// A request's body.
struct Upload {
    bytes: StreamReader<u8>,
    end: FutureReader<End>,
}

impl Upload {
    fn of(request: Request) -> Self {
        let (handled, result) = wit_future::new(|| Ok(()));
        drop(handled);
        let (bytes, end) = Request::consume_body(request, result);
        Self { bytes, end }
    }

    /// The next piece; `None` at the end.
    async fn read(&mut self) -> Option<Vec<u8>> {
        let (result, bytes) = self.bytes.read(Vec::with_capacity(64 * 1024)).await;
        match result {
            StreamResult::Complete(_) => Some(bytes),
            StreamResult::Dropped | StreamResult::Cancelled => None,
        }
    }

    /// Whether it came whole.
    async fn came_whole(self) -> bool {
        drop(self.bytes);
        self.end.await.is_ok()
    }
}

pub(crate) fn echo(request: Request) -> Response {
    let mut upload = Upload::of(request);
    respond(|mut body| async move {
        while let Some(bytes) = upload.read().await {
            body.write(&bytes).await;
        }
    })
}

pub(crate) async fn upload(request: Request) -> Response {
    let mut upload = Upload::of(request);
    let (mut total, mut sum) = (0_u64, 0_u64);
    while let Some(bytes) = upload.read().await {
        total += bytes.len() as u64;
        sum += bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    }
    match upload.came_whole().await {
        true => text(200, &format!("{total} bytes, sum {sum}\n")),
        false => text(400, "cut short\n"),
    }
}

/// Reads the body and does nothing with it, for the benchmarks.
pub(crate) async fn swallow(request: Request) -> Response {
    let mut upload = Upload::of(request);
    let mut total = 0;
    while let Some(bytes) = upload.read().await {
        total += bytes.len();
    }
    text(200, &format!("{total} bytes\n"))
}

pub(crate) async fn download(mut body: Body, bytes: u64) {
    let piece = [b'x'; 64 * 1024];
    let mut left = bytes;
    while left > 0 {
        let now = left.min(piece.len() as u64);
        body.write(&piece[..now as usize]).await;
        left -= now;
    }
}

/// Says something before it reads the body, then sends that.
pub(crate) fn early(request: Request) -> Response {
    let mut upload = Upload::of(request);
    respond(|mut body| async move {
        body.write(b"first\n").await;
        while let Some(bytes) = upload.read().await {
            body.write(&bytes).await;
        }
    })
}
