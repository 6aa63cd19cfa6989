//! How a response goes out: its head, its body, and what becomes of errors on the way.
//!
//! Nothing here knows who takes it: the host, or the recording of a native test.

use crate::Error;
use crate::IntoResponse;
use crate::Response;
use crate::Result;
use crate::outgoing::Outgoing;
use crate::response_body::Content;
use http::HeaderMap;
use http::StatusCode;
use std::io;
use std::io::Write;

#[cfg(target_family = "wasm")]
pub(crate) use crate::host::Outlet;
#[cfg(not(target_family = "wasm"))]
pub(crate) use crate::testing::Recording as Outlet;

/// Sends a response to its end, so that its client waits no longer; the program goes on.
///
/// Return the [`Finished`] from the handler, there is no other response any more. How long the
/// program may work on is up to the operator. In a native test nothing is sent, and what is
/// returned holds the response.
///
/// ```
/// use fcgi_wasm_sdk::prelude::*;
///
/// #[handler]
/// fn app(request: Request) -> Result<Finished> {
///     let order = request.into_body().text()?;
///     let finished = finish((StatusCode::ACCEPTED, "Thank you.\n"))?;
///     print_label(&order);
///     Ok(finished)
/// }
/// # fn print_label(_: &str) {}
/// ```
///
/// # Errors
/// What kept the response from being made, or its body from being written to the end.
pub fn finish(response: impl IntoResponse) -> Result<Finished> {
    let mut outlet = Outlet::new();
    send(response.into_response()?, &mut outlet)?;
    Ok(Finished(outlet.finished()))
}

/// The proof that the response went out, for the handler to return.
#[derive(Debug)]
#[must_use = "the handler must return it, or it would respond twice"]
pub struct Finished(pub(crate) Response);

impl IntoResponse for Finished {
    fn into_response(self) -> Result<Response> {
        Ok(self.0)
    }
}

/// Who takes a response.
pub(crate) trait Sink {
    /// Takes the head, once; refuses with the reason.
    fn start(&mut self, status: StatusCode, headers: &HeaderMap) -> Result<(), String>;
    /// Takes bytes of the body; fails with `BrokenPipe` once nobody reads any more.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes what was written visible; fails as `write` does.
    fn flush(&mut self) -> io::Result<()>;
}

/// Sends what became of a request. The error is what the handler's export fails with: text for
/// the web server's error log.
pub(crate) fn answer(outcome: Result<Response>, sink: &mut dyn Sink) -> Result<(), String> {
    let Err(error) = outcome.and_then(|response| send(response, sink)) else {
        return Ok(());
    };
    match error.page().map(|page| send(page, sink)) {
        Some(Ok(())) => Ok(()),
        // Not for the visitor, or no longer possible because a response was started.
        Some(Err(_)) | None => Err(error.to_string()),
    }
}

fn send(response: Response, sink: &mut dyn Sink) -> Result<()> {
    let (head, body) = response.into_parts();
    let mut out = Outgoing::new(head, sink);
    let written = match body.0 {
        Content::Bytes(bytes) => out.write_all(&bytes).map_err(Error::from),
        Content::Writer(write) => write(&mut out),
        Content::Sent => return Ok(()),
    };
    out.end(written)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::BodyError;
    use crate::ResponseBody;

    /// A client, and the host before it: each part of `seen` is what one call brought.
    #[derive(Default)]
    pub(crate) struct Client {
        pub(crate) seen: Vec<String>,
        writes_left: Option<usize>,
    }

    impl Client {
        pub(crate) fn leaves_after(writes: usize) -> Self {
            let writes_left = Some(writes);
            Self {
                writes_left,
                ..Self::default()
            }
        }
    }

    impl Sink for Client {
        fn start(&mut self, status: StatusCode, _: &HeaderMap) -> Result<(), String> {
            if self.seen.is_empty() {
                self.seen.push(status.as_u16().to_string());
                Ok(())
            } else {
                Err("started twice".into())
            }
        }

        fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
            match &mut self.writes_left {
                Some(0) => return Err(io::ErrorKind::BrokenPipe.into()),
                Some(left) => *left -= 1,
                None => {}
            }
            self.seen.push(String::from_utf8_lossy(bytes).into());
            Ok(())
        }

        fn flush(&mut self) -> io::Result<()> {
            self.seen.push("flush".into());
            Ok(())
        }
    }

    /// Sends `response` and expects these calls and this result.
    fn check(response: impl IntoResponse, seen: &[&str], result: Result<(), &str>) {
        let mut client = Client::default();
        let sent = answer(response.into_response(), &mut client);
        assert_eq!(client.seen, seen);
        assert_eq!(sent.as_ref().map_err(|text| &**text).copied(), result);
    }

    #[test]
    fn responses_go_out() {
        check((), &["200"], Ok(()));
        check("text", &["200", "text"], Ok(()));
        check(
            ResponseBody::chunks(["a", "", "b"]),
            &["200", "a", "flush", "b", "flush"],
            Ok(()),
        );
        check(ResponseBody::reader(&b"file"[..]), &["200", "file"], Ok(()));
        check(
            ResponseBody::writer(|out| {
                write!(out, "{}{}", 1, 2)?;
                out.flush()?;
                Ok(write!(out, "{}", 3)?)
            }),
            &["200", "12", "flush", "3"],
            Ok(()),
        );
    }

    #[test]
    fn errors_tell_the_visitor_or_the_log() {
        check(
            Error::new(StatusCode::NOT_FOUND, "no such page"),
            &["404", "no such page"],
            Ok(()),
        );
        check(
            Error::from(BodyError::TooLarge),
            &["413", "the request body is too large"],
            Ok(()),
        );
        check(Error::from("disk full"), &[], Err("disk full"));
    }

    #[test]
    fn an_error_in_the_middle_is_for_the_log() {
        check(
            ResponseBody::writer(|out| {
                write!(out, "half")?;
                out.flush()?;
                Err(BodyError::TooLarge.into())
            }),
            &["200", "half", "flush"],
            Err("the request body is too large"),
        );
    }

    #[test]
    fn an_error_before_anything_went_out_is_like_one_of_the_handler() {
        let fails_with = |error: fn() -> Error| {
            ResponseBody::writer(move |out| {
                write!(out, "in vain")?;
                Err(error())
            })
        };
        check(
            fails_with(|| BodyError::TooLarge.into()),
            &["413", "the request body is too large"],
            Ok(()),
        );
        check(fails_with(|| "disk full".into()), &[], Err("disk full"));
        let told = finish(fails_with(|| BodyError::TooLarge.into())).unwrap_err();
        assert_eq!(told.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[test]
    fn an_error_after_the_response_is_for_the_log() {
        let mut client = Client::default();
        assert_eq!(answer("done".into_response(), &mut client), Ok(()));
        let late = Error::new(StatusCode::NOT_FOUND, "late");
        assert_eq!(answer(Err(late), &mut client), Err("late".into()));
        assert_eq!(client.seen, ["200", "done"]);
    }

    #[test]
    fn a_client_that_leaves_is_no_error() {
        let mut client = Client::leaves_after(1);
        let endless = ResponseBody::writer(|out| {
            loop {
                out.write_all(&[b'x'; 64 * 1024])
                    .inspect_err(|error| assert_eq!(error.kind(), io::ErrorKind::BrokenPipe))?;
            }
        });
        assert_eq!(answer(endless.into_response(), &mut client), Ok(()));
        assert_eq!(client.seen.len(), 2);
    }
}
