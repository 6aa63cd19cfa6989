//! Standard input and output of a guest that is a CGI program: the request's
//! body, and a head and a body for the response (RFC 3875 §4.2, §6).

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wasmtime_wasi::cli::{IsTerminal, StdinStream, StdoutStream};
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

use super::incoming::Incoming;
use super::reply::Reply;
use super::stdio::{TOO_MUCH, WRITE_BYTES_MAX};
use crate::cgi;
use crate::message::{BodyError, Fault};

/// The request's body. All streams made of it share it.
#[derive(Clone)]
pub(super) struct CgiInput(Arc<Mutex<Incoming>>);

impl CgiInput {
    pub(super) fn new(body: Incoming) -> Self {
        Self(Arc::new(Mutex::new(body)))
    }

    fn poll_read_some(
        &self,
        bytes_max: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Bytes, BodyError>> {
        let mut incoming = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        incoming.poll_read(bytes_max, cx)
    }
}

impl IsTerminal for CgiInput {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdinStream for CgiInput {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for CgiInput {
    async fn ready(&mut self) {
        // Nothing is taken: only whether something could be is asked.
        let _ = std::future::poll_fn(|cx| self.poll_read_some(0, cx)).await;
    }
}

impl InputStream for CgiInput {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        let mut cx = Context::from_waker(Waker::noop());
        match self.poll_read_some(size, &mut cx) {
            Poll::Pending => Ok(Bytes::new()),
            Poll::Ready(Ok(bytes)) if bytes.is_empty() && size > 0 => Err(StreamError::Closed),
            Poll::Ready(Ok(bytes)) => Ok(bytes),
            Poll::Ready(Err(error)) => Err(StreamError::LastOperationFailed(error.into())),
        }
    }
}

impl AsyncRead for CgiInput {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = self.poll_read_some(buffer.remaining(), cx);
        read.map(|bytes| {
            buffer.put_slice(&bytes.map_err(io::Error::other)?);
            Ok(())
        })
    }
}

/// The response, as the program writes it. All streams made of it share it.
#[derive(Clone)]
pub(super) struct CgiOutput {
    reply: Reply,
    stage: Arc<Mutex<Stage>>,
    /// How much may be written without asking again, bytes.
    permit: usize,
}

enum Stage {
    /// The head has not ended; what came of it.
    Head(Vec<u8>),
    /// The body follows. Whether what was written is to be made visible.
    Body { wants_flush: bool },
    /// The head was wrong.
    Failed,
}

impl CgiOutput {
    pub(super) fn new(reply: Reply) -> Self {
        Self {
            reply,
            stage: Arc::new(Mutex::new(Stage::Head(Vec::new()))),
            permit: 0,
        }
    }

    /// Makes visible what the program wants to be. Not done at once, because C
    /// libraries want it after each line: now the program has paused.
    pub(super) fn pause(&self) {
        if let Stage::Body { wants_flush } = &mut *self.lock()
            && std::mem::replace(wants_flush, false)
        {
            self.reply.flush();
        }
    }

    /// What is wrong with the response, now that the program has ended.
    pub(super) fn complaint(&self) -> Option<Fault> {
        match &*self.lock() {
            Stage::Head(head) if head.is_empty() => {
                Some(Fault::NoResponse("it wrote nothing".to_owned()))
            }
            Stage::Head(head) => {
                let start = String::from_utf8_lossy(&head[..head.len().min(80)]).into_owned();
                let complaint = format!("its head {start:?} does not end with a blank line");
                Some(Fault::BadResponse(complaint))
            }
            Stage::Body { .. } | Stage::Failed => None,
        }
    }

    fn write_some(&self, bytes: Bytes) {
        let mut stage = self.lock();
        match &mut *stage {
            Stage::Failed => {}
            Stage::Body { .. } => self.reply.push(bytes),
            Stage::Head(head) => {
                head.extend_from_slice(&bytes);
                match cgi::parse_head(head) {
                    Ok(None) => {}
                    Ok(Some((parsed, length))) => {
                        let body = head.split_off(length);
                        *stage = self.start(parsed);
                        self.reply.push(body.into());
                    }
                    Err(complaint) => {
                        self.reply.fail(Fault::BadResponse(complaint));
                        *stage = Stage::Failed;
                    }
                }
            }
        }
    }

    fn start(&self, head: cgi::Head) -> Stage {
        match self.reply.start(head.status, head.headers) {
            Ok(()) => Stage::Body { wants_flush: false },
            Err(complaint) => {
                self.reply.fail(Fault::BadResponse(complaint));
                Stage::Failed
            }
        }
    }

    fn flush_soon(&self) {
        if let Stage::Body { wants_flush } = &mut *self.lock() {
            *wants_flush = true;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<(), ()>> {
        self.reply.poll_ready(cx).map_err(drop)
    }
}

impl IsTerminal for CgiOutput {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for CgiOutput {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for CgiOutput {
    async fn ready(&mut self) {
        let _ = std::future::poll_fn(|cx| self.poll_room(cx)).await;
    }
}

impl OutputStream for CgiOutput {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let Some(left) = self.permit.checked_sub(bytes.len()) else {
            return Err(StreamError::Trap(wasmtime::format_err!("{TOO_MUCH}")));
        };
        self.permit = left;
        self.write_some(bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.flush_soon();
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        let mut cx = Context::from_waker(Waker::noop());
        self.permit = match self.poll_room(&mut cx) {
            Poll::Pending => 0,
            Poll::Ready(Ok(())) => WRITE_BYTES_MAX,
            Poll::Ready(Err(())) => return Err(StreamError::Closed),
        };
        Ok(self.permit)
    }
}

impl AsyncWrite for CgiOutput {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_room(cx).map(|room| match room {
            Ok(()) => {
                let taken = bytes.len().min(WRITE_BYTES_MAX);
                self.write_some(Bytes::copy_from_slice(&bytes[..taken]));
                self.flush_soon();
                Ok(taken)
            }
            Err(()) => Err(io::ErrorKind::BrokenPipe.into()),
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flush_soon();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
