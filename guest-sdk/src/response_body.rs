//! The body of a response: bytes, or a writer that produces them while they are sent.

use crate::Body;
use crate::Result;
use bytes::Bytes;
use std::fmt;
use std::io;
use std::io::Read;
use std::io::Write;

/// The body of a response.
///
/// Text and bytes of the usual types turn into it with `into()`. The three functions below make
/// bodies that never are in memory as a whole. They run when the handler has returned, or in
/// [`finish`](crate::finish).
///
/// The head goes out together with the first 8 KiB, or with what is flushed. An error until then
/// is like one of the handler: see [`Error`](crate::Error). A later one goes to the web server's
/// error log and breaks the response off, so that the client does not take it for a complete one.
pub struct ResponseBody(pub(crate) Content);

/// What there is to send.
pub(crate) enum Content {
    Bytes(Bytes),
    Writer(Box<Writer>),
    /// The response went out before the handler returned.
    #[cfg_attr(
        not(target_family = "wasm"),
        expect(
            dead_code,
            reason = "natively a finished response is kept for the test"
        )
    )]
    Sent,
}

pub(crate) type Writer = dyn FnOnce(&mut dyn Write) -> Result<()>;

impl ResponseBody {
    /// A body that `write` writes.
    ///
    /// Small writes are collected; [`flush`](Write::flush) makes what is written so far
    /// visible to the client. A write waits while the client is not reading, and fails with
    /// [`BrokenPipe`](io::ErrorKind::BrokenPipe) once it is gone: pass that on with `?`, it is
    /// no error of the app and is not logged.
    ///
    /// ```
    /// use fcgi_wasm_sdk::prelude::*;
    ///
    /// #[handler]
    /// fn app() -> ResponseBody {
    ///     ResponseBody::writer(|out| {
    ///         for row in 0..1_000_000 {
    ///             writeln!(out, "{row};{}", row * row)?;
    ///         }
    ///         Ok(())
    ///     })
    /// }
    /// ```
    pub fn writer(write: impl FnOnce(&mut dyn Write) -> Result<()> + 'static) -> Self {
        Self(Content::Writer(Box::new(write)))
    }

    /// A body of chunks, each of which the client sees at once, however slowly they come.
    /// Empty ones are skipped. For chunks that may fail use [`writer`](Self::writer).
    pub fn chunks<I>(chunks: I) -> Self
    where
        I: IntoIterator<Item: AsRef<[u8]>> + 'static,
    {
        Self::writer(|out| {
            for chunk in chunks {
                let chunk = chunk.as_ref();
                if !chunk.is_empty() {
                    out.write_all(chunk)?;
                    out.flush()?;
                }
            }
            Ok(())
        })
    }

    /// A body that is read from `source`, a file for instance, in pieces of 64 KiB. Not meant
    /// for slow sources: a piece is not flushed.
    pub fn reader(mut source: impl Read + 'static) -> Self {
        Self::writer(move |out| {
            let mut piece = vec![0; PIECE_BYTES];
            loop {
                match source.read(&mut piece) {
                    Ok(0) => return Ok(()),
                    Ok(length) => out.write_all(&piece[..length])?,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error.into()),
                }
            }
        })
    }
}

/// Large enough that the calls to the host cost nothing next to the copying.
const PIECE_BYTES: usize = 64 * 1024;

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").finish_non_exhaustive()
    }
}

/// An empty body.
impl From<()> for ResponseBody {
    fn from((): ()) -> Self {
        Bytes::new().into()
    }
}

impl From<&'static str> for ResponseBody {
    fn from(text: &'static str) -> Self {
        Bytes::from(text).into()
    }
}

impl From<String> for ResponseBody {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<Vec<u8>> for ResponseBody {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<Bytes> for ResponseBody {
    fn from(bytes: Bytes) -> Self {
        Self(Content::Bytes(bytes))
    }
}

/// Sends a request's body back while it is read.
impl From<Body> for ResponseBody {
    fn from(body: Body) -> Self {
        Self::reader(body)
    }
}
