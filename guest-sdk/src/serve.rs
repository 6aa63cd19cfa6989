//! Responses that have to be awaited: those of axum and other tower services.

use crate::Finished;
use crate::Request;
use crate::Response;
use crate::Result;
use crate::error::BoxError;
use crate::outgoing::Outgoing;
use crate::send::Outlet;
use crate::send::Sink;
use bytes::Buf;
use std::future::poll_fn;
use std::io::Write;
use std::pin::pin;
use tower_service::Service;

/// Lets a tower service answer the request, an axum `Router` for instance, and sends its
/// response with [`stream`].
///
/// The service sees the path as the client wrote it, with the part under which the app is
/// mounted. It finds what the web server says as `Extension<Params>`.
///
/// ```
/// use axum::Router;
/// use axum::routing::get;
/// use fcgi_wasm_sdk::prelude::*;
///
/// #[handler]
/// async fn app(request: Request) -> Result<Finished> {
///     let router = Router::new().route("/", get(async || "Hello from axum\n"));
///     serve(router, request).await
/// }
/// ```
///
/// # Errors
/// The service's own, and those of [`stream`].
pub async fn serve<S, B>(mut service: S, request: Request) -> Result<Finished>
where
    S: Service<Request, Response = http::Response<B>, Error: Into<BoxError>>,
    B: http_body::Body<Error: Into<BoxError>>,
{
    poll_fn(|context| service.poll_ready(context)).await?;
    stream(service.call(request).await?).await
}

/// Sends a response whose body is an [`http_body::Body`], and ends it as
/// [`finish`](crate::finish) does. Every frame is visible to the client at once, the head with
/// the first of them. Trailers are dropped, a web server would not take them.
///
/// With the client of `wstd` this is a reverse proxy:
///
/// ```
/// use fcgi_wasm_sdk::prelude::*;
/// use fcgi_wasm_sdk::wstd::http::Body;
/// use fcgi_wasm_sdk::wstd::http::Client;
///
/// #[handler]
/// async fn app(request: Request) -> Result<Finished> {
///     let origin = format!("https://example.org{}", request.uri().path());
///     let outbound = Request::get(origin).body(Body::empty())?;
///     let response = Client::new().send(outbound).await?;
///     stream(response.map(Body::into_boxed_body)).await
/// }
/// ```
///
/// # Errors
/// The host's if the head is not legal, and the body's: then the response is broken off.
pub async fn stream<B>(response: Response<B>) -> Result<Finished>
where
    B: http_body::Body<Error: Into<BoxError>>,
{
    let mut outlet = Outlet::new();
    send(response, &mut outlet).await?;
    Ok(Finished(outlet.finished()))
}

async fn send<B>(response: Response<B>, sink: &mut dyn Sink) -> Result<()>
where
    B: http_body::Body<Error: Into<BoxError>>,
{
    let (head, body) = response.into_parts();
    let mut out = Outgoing::new(head, sink);
    let written = write(body, &mut out).await;
    out.end(written)
}

async fn write<B>(body: B, out: &mut Outgoing<'_>) -> Result<()>
where
    B: http_body::Body<Error: Into<BoxError>>,
{
    let mut body = pin!(body);
    while let Some(frame) = poll_fn(|context| body.as_mut().poll_frame(context)).await {
        let Ok(mut data) = frame?.into_data() else {
            continue;
        };
        while data.has_remaining() {
            let chunk = data.chunk();
            out.write_all(chunk)?;
            data.advance(chunk.len());
        }
        if !body.is_end_stream() {
            out.flush()?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BodyError;
    use crate::Params;
    use crate::send::tests::Client;
    use crate::testing;
    use axum::Extension;
    use axum::Router;
    use axum::routing::post;
    use bytes::Bytes;
    use http_body::Frame;
    use http_body_util::Full;
    use std::collections::VecDeque;
    use std::pin::Pin;
    use std::task::Context;
    use std::task::Poll;

    /// Gives its frames one by one, each after it was waited for.
    struct Slow {
        frames: VecDeque<Result<Frame<Bytes>, BodyError>>,
        ready: bool,
    }

    impl http_body::Body for Slow {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            self.ready = !self.ready;
            if self.ready {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(self.frames.pop_front())
        }
    }

    /// Streams `body` to `client` and expects these calls and this result.
    fn check<B>(mut client: Client, body: B, seen: &[&str], expected: Result<(), &str>)
    where
        B: http_body::Body<Error: Into<BoxError>>,
    {
        let sent = wstd::runtime::block_on(send(Response::new(body), &mut client));
        assert_eq!(client.seen, seen);
        let sent = sent.map_err(|error| error.to_string());
        assert_eq!(sent, expected.map_err(String::from));
    }

    fn slow<const N: usize>(frames: [Result<Frame<Bytes>, BodyError>; N]) -> Slow {
        Slow {
            frames: frames.into(),
            ready: false,
        }
    }

    fn data(text: &'static str) -> Result<Frame<Bytes>, BodyError> {
        Ok(Frame::data(text.into()))
    }

    #[test]
    fn frames_go_out_as_they_come() {
        check(Client::default(), slow([]), &["200"], Ok(()));
        check(
            Client::default(),
            slow([
                data("a"),
                Ok(Frame::trailers(Default::default())),
                data("b"),
            ]),
            &["200", "a", "flush", "b", "flush"],
            Ok(()),
        );
    }

    #[test]
    fn the_last_frame_needs_no_flush_where_it_is_known() {
        let whole = Full::new(Bytes::from("whole"));
        check(Client::default(), whole, &["200", "whole"], Ok(()));
    }

    #[test]
    fn an_error_between_frames_is_for_the_log() {
        check(
            Client::default(),
            slow([data("a"), Err(BodyError::Incomplete)]),
            &["200", "a", "flush"],
            Err("the request body is incomplete"),
        );
    }

    #[test]
    fn a_client_that_leaves_is_no_error() {
        let client = Client::leaves_after(1);
        let frames = slow([data("a"), data("b")]);
        check(client, frames, &["200", "a", "flush"], Ok(()));
    }

    #[test]
    fn a_router_gets_body_and_params() {
        let router = Router::new().route(
            "/{name}",
            post(async |Extension(params): Extension<Params>, body: String| {
                format!("{} {body}", params.script_name())
            }),
        );
        let app = |request: Request| serve(router, request);
        let params = Params::from_iter([("SCRIPT_NAME", "/app")]);
        let request = Request::post("/x").extension(params).body("echo").unwrap();
        let response = testing::run_async(app, request);
        assert_eq!(response.status(), 200);
        assert_eq!(response.body(), "/app echo");
    }

    #[test]
    fn a_request_body_can_be_streamed_back() {
        let app = |request: Request| stream(Response::new(request.into_body()));
        let response = testing::run_async(app, Request::new("echo"));
        assert_eq!(response.body(), "echo");
    }
}
