//! Write web applications for `fcgi-wasm`: a request comes in, a response goes out.
//!
//! ```
//! use fcgi_wasm_sdk::prelude::*;
//!
//! #[handler]
//! fn app(request: Request) -> Result<impl IntoResponse> {
//!     Ok(format!("Hello from {}\n", request.uri().path()))
//! }
//! ```
//!
//! This page is the whole manual. The types are those of the [`http`] crate; what is added is
//! listed below.
//!
//! # Setting up
//!
//! An app is a library crate that is compiled to a WebAssembly component:
//!
//! ```toml
//! [package]
//! name = "app"
//! version = "0.1.0"
//! edition = "2024"
//!
//! [lib]
//! crate-type = ["cdylib"]
//!
//! [dependencies]
//! fcgi-wasm-sdk = "0.1"
//!
//! [profile.release] # Small is quick: a component is loaded and checked as a whole.
//! lto = true
//! opt-level = "s"
//! panic = "abort"
//! ```
//!
//! ```text
//! rustup target add wasm32-wasip2
//! cargo build --release --target wasm32-wasip2
//! fcgi-wasm serve target/wasm32-wasip2/release/app.wasm --http 127.0.0.1:8080
//! ```
//!
//! A crate has one function with [`#[handler]`](handler), which answers every request; `match` on
//! the path, or let [axum](#async-and-axum) choose. Beside it, or instead of it, it may have one for
//! each of FastCGI's [other roles](#authorizers-and-filters).
//!
//! # One instance, one request
//!
//! Every request gets a fresh instance of the component, which ends with it. So no state survives:
//! a `static` is as new as a local variable, there is nothing to lock, and nothing that one visitor
//! leaves behind reaches another. What must last belongs into a database or another service. Set
//! up little: it happens for every request.
//!
//! # Requests
//!
//! A [`Request`] is an [`http::Request`], with method, URI (path and query as the client wrote
//! them), headers, and a [`Body`]. [`RequestExt`] adds what the web server says, and the query:
//!
//! ```
//! use fcgi_wasm_sdk::prelude::*;
//! # use serde::Deserialize;
//!
//! #[derive(Deserialize)]
//! struct Search {
//!     q: String,
//!     page: Option<u32>,
//! }
//!
//! #[handler]
//! fn app(request: Request) -> Result<impl IntoResponse> {
//!     let search: Search = request.query()?; // A 400 for the visitor if it does not fit.
//!     let page = search.page.unwrap_or(1);
//!     Ok(format!("{} on page {page}, below {}\n", search.q, request.script_name()))
//! }
//! ```
//!
//! **What may be trusted.** *Headers* are what the client says: any of them can be forged, `host`
//! and `x-forwarded-for` too. [`Params`] are what the web server says: the path under which the app
//! is mounted ([`script_name`](RequestExt::script_name)), who is connected
//! ([`remote_addr`](RequestExt::remote_addr)), whom it has authenticated
//! ([`remote_user`](RequestExt::remote_user)), whether the connection is encrypted
//! ([`is_https`](RequestExt::is_https)), and whatever its configuration adds
//! ([`param`](RequestExt::param)). Nothing stands in both.
//!
//! # Bodies
//!
//! `request.into_body()` is a [`Body`]. Gather it with [`bytes`](Body::bytes),
//! [`text`](Body::text), [`json`](Body::json) or [`form`](Body::form): at most 2 MiB, or the
//! [`limit`](Body::limit) you set. Or read it piece by piece: it is a [`std::io::Read`].
//!
//! ```
//! use fcgi_wasm_sdk::prelude::*;
//! # use serde::Deserialize;
//!
//! #[derive(Deserialize)]
//! struct Order {
//!     item: String,
//!     count: u32,
//! }
//!
//! #[handler]
//! fn app(request: Request) -> Result<impl IntoResponse> {
//!     if request.method() != Method::POST {
//!         return Err(Error::new(StatusCode::METHOD_NOT_ALLOWED, "Please POST an order.\n"));
//!     }
//!     let order: Order = request.into_body().limit(10_000).json()?;
//!     Ok((StatusCode::CREATED, format!("{} times {}\n", order.count, order.item)))
//! }
//! ```
//!
//! What is wrong with a body is a [`BodyError`]. With `?` the visitor is told: 413 if it is too
//! large, 415 if its `content-type` is another one, 400 if it is incomplete or malformed.
//!
//! # Responses
//!
//! A handler returns anything that is [`IntoResponse`]: text, bytes, [`Html`], [`Json`],
//! [`Redirect`], a [`StatusCode`](http::StatusCode), tuples of status, headers and one of these, an
//! [`http::Response`], or a [`Result`] of any of them.
//!
//! ```
//! use fcgi_wasm_sdk::prelude::*;
//!
//! #[handler]
//! fn app(request: Request) -> Result<Response> {
//!     match request.uri().path() {
//!         "/" => Html("<h1>Welcome</h1>").into_response(),
//!         "/old" => Redirect::permanent("/").into_response(),
//!         "/data" => (
//!             StatusCode::OK,
//!             [("content-type", "text/csv"), ("cache-control", "max-age=60")],
//!             "a;b\n1;2\n",
//!         )
//!             .into_response(),
//!         _ => StatusCode::NOT_FOUND.into_response(),
//!     }
//! }
//! ```
//!
//! Text is not escaped: what comes from a visitor must be, before it goes into [`Html`].
//!
//! The host drops headers that are not an app's business: hop-by-hop ones, and those that command
//! the web server (`x-accel-redirect`, `x-sendfile`), unless its operator allows them.
//!
//! # Streaming
//!
//! A [`ResponseBody`] can be produced while it is sent: by a [writer](ResponseBody::writer), from
//! an iterator of [chunks](ResponseBody::chunks), or from a [reader](ResponseBody::reader). The
//! program waits while the client does not take more, so that memory stays small.
//!
//! ```
//! use fcgi_wasm_sdk::prelude::*;
//!
//! #[handler]
//! fn app() -> impl IntoResponse {
//!     let events = ResponseBody::writer(|out| {
//!         for number in 0..10 {
//!             write!(out, "data: {number}\n\n")?;
//!             out.flush()?; // The client sees it now.
//!         }
//!         Ok(())
//!     });
//!     (StatusCode::OK, [("content-type", "text/event-stream")], events)
//! }
//! ```
//!
//! A write fails once the client is gone. Pass that on with `?`.
//!
//! # Working on after the answer
//!
//! [`finish`] sends a response to its end. The visitor waits no longer, and the program goes on, for
//! as long as the operator lets it:
//!
//! ```
//! use fcgi_wasm_sdk::prelude::*;
//!
//! #[handler]
//! fn app(request: Request) -> Result<Finished> {
//!     let finished = finish((StatusCode::ACCEPTED, "We are on it.\n"))?;
//!     rebuild_index();
//!     Ok(finished)
//! }
//! # fn rebuild_index() {}
//! ```
//!
//! # Authorizers and filters
//!
//! FastCGI knows two more roles. An [`#[authorizer]`](authorizer) says whether a request may pass to
//! what the web server has there, files or another application, and sets variables for that. It gets
//! the request without its body:
//!
//! ```
//! use fcgi_wasm_sdk::prelude::*;
//!
//! #[authorizer]
//! fn gate(request: Request) -> Result<Verdict> {
//!     match request.headers().get("authorization") {
//!         Some(value) if value == "Bearer open sesame" => {
//!             Ok(Verdict::allow().variable("REMOTE_USER", "alibaba"))
//!         }
//!         _ => Ok(Verdict::deny((StatusCode::UNAUTHORIZED, "Say the word.\n"))),
//!     }
//! }
//! ```
//!
//! A [`#[filter]`](filter) answers a request by transforming a file that the web server sends with
//! it, its [`Source`]:
//!
//! ```
//! use fcgi_wasm_sdk::prelude::*;
//!
//! #[filter]
//! fn shout(_: Request, file: Source) -> Result<impl IntoResponse> {
//!     Ok(file.text()?.to_uppercase())
//! }
//! ```
//!
//! What a component exports is what it can be asked for: one without an authorizer refuses every
//! request about which it is asked as one.
//!
//! # Errors
//!
//! [`Error`] takes in any error by `?`, much as `anyhow` does. Of such an *unexpected* error the
//! visitor sees a plain 500, and its text goes to the web server's error log. What the visitor is to
//! read is made with [`Error::new`]: a status and a message. A panic is like an unexpected error,
//! but leaves a backtrace in the log, and costs only its own request.
//!
//! Once a part of a [streamed](#streaming) body has gone out, an error cannot change the response
//! any more. It is broken off, so that the client does not take it for complete, and the error
//! goes to the log.
//!
//! # Limits
//!
//! The operator of `fcgi-wasm` sets what a request may cost; an app that exceeds it is stopped, and
//! the visitor gets an error:
//!
//! | option | limits |
//! | --- | --- |
//! | `--timeout` | the time to the end of the response, without the time of waiting for the client |
//! | `--max-duration` | the same, the client's time included |
//! | `--cpu-time` | the time spent computing |
//! | `--memory` | the memory of the instance |
//! | `--max-body` | the size of the request's body: reading more fails with [`BodyError::TooLarge`] |
//!
//! # Logging
//!
//! Lines written to standard error (`eprintln!`) and standard output (`println!`) go to the web
//! server's error log.
//!
//! # Async and axum
//!
//! With `async`, the only feature, a handler may be an `async fn`. It runs on `wstd`, whose client makes
//! outbound requests, to the hosts that the operator allows:
//!
//! ```toml
//! fcgi-wasm-sdk = { version = "0.1", features = ["async"] }
//! ```
//!
//! ```
//! # #[cfg(feature = "async")] mod example {
//! use fcgi_wasm_sdk::prelude::*;
//! use fcgi_wasm_sdk::wstd::http::{Body, Client};
//!
//! #[handler]
//! async fn app() -> Result<impl IntoResponse> {
//!     let request = Request::get("https://example.org/").body(Body::empty())?;
//!     let mut response = Client::new().send(request).await?;
//!     Ok(Html(response.body_mut().str_contents().await?.to_owned()))
//! }
//! # }
//! ```
//!
//! `serve` lets an axum `Router`, or any other tower service, answer. Depend on axum with
//! `default-features = false` and without its features for `tokio` and `http1`: sockets and threads
//! are the host's.
//!
//! ```
//! # #[cfg(feature = "async")] mod example {
//! use axum::Router;
//! use axum::extract::Path;
//! use axum::routing::get;
//! use fcgi_wasm_sdk::prelude::*;
//!
//! #[handler]
//! async fn app(request: Request) -> Result<Finished> {
//!     let router = Router::new().route("/greet/{name}", get(greet));
//!     serve(router, request).await
//! }
//!
//! async fn greet(Path(name): Path<String>) -> String {
//!     format!("Hello {name}\n")
//! }
//! # }
//! ```
//!
//! Reading a request's body and sending a response wait for the client, and other tasks wait with
//! them. Tasks that were started with `wstd::runtime::spawn` and `detach` go on after the response
//! is complete.
//!
//! # Testing
//!
//! The function is an ordinary one: natively, `cargo test` calls it. [`testing::run`] does so as the
//! host would, and gives the response with its whole body. [`Params`] are made by hand.
//!
//! ```
//! use fcgi_wasm_sdk::prelude::*;
//! use fcgi_wasm_sdk::{Params, testing};
//!
//! #[handler]
//! fn app(request: Request) -> String {
//!     format!("Hello from {}\n", request.script_name())
//! }
//!
//! # fn main() -> Result<()> {
//! let params = Params::from_iter([("SCRIPT_NAME", "/shop")]);
//! let request = Request::get("/shop/cart").extension(params).body(())?;
//! let response = testing::run(app, request);
//! assert_eq!(response.status(), 200);
//! assert_eq!(response.body(), "Hello from /shop\n");
//! # Ok(())
//! # }
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod bindings;
mod body;
mod body_error;
mod content;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod entry;
mod error;
mod gather;
#[cfg(target_family = "wasm")]
mod host;
mod outgoing;
mod params;
pub mod prelude;
mod request;
mod response;
mod response_body;
mod send;
mod send_file;
#[cfg(feature = "async")]
mod serve;
mod source;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
mod verdict;

pub use body::Body;
pub use body_error::BodyError;
pub use content::Html;
pub use content::Json;
pub use content::Redirect;
pub use error::Error;
pub use error::Result;
pub use fcgi_wasm_sdk_macros::authorizer;
pub use fcgi_wasm_sdk_macros::filter;
pub use fcgi_wasm_sdk_macros::handler;
pub use params::Params;
pub use request::Request;
pub use request::RequestExt;
pub use response::IntoResponse;
pub use response::Response;
pub use response_body::ResponseBody;
pub use send::Finished;
pub use send::finish;
pub use send_file::ResponseExt;
#[cfg(feature = "async")]
pub use serve::serve;
#[cfg(feature = "async")]
pub use serve::stream;
pub use source::Source;
pub use verdict::IntoVerdict;
pub use verdict::Verdict;

pub use bytes::Bytes;
pub use http;
#[cfg(feature = "async")]
pub use wstd;
