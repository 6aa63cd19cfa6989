//! Runs WebAssembly components as web applications behind any web server that
//! speaks FastCGI, each request in an instance of its own.
//!
//! The binary `fcgi-wasm` is this library with a command line. A program of
//! yours embeds it like this:
//!
//! ```no_run
//! # async fn ctrl_c() { std::future::pending().await }
//! use fcgi_wasm::{App, Engine, FastCgi, Listener, MIB, Policy, Router, Server};
//!
//! # async fn embed() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Engine::start()?;
//! let shop = App::load(&engine, "shop.wasm", Policy::strict().memory_max(64 * MIB)).await?;
//! Server::new(Router::new().route("shop.example/", shop))
//!     .listen(Listener::unix("/run/fcgi-wasm.sock")?, FastCgi::default())
//!     .run_until(ctrl_c())
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! # How it fits together
//!
//! Front-ends ([`FastCgi`], [`Http`]) and applications ([`App`]) know nothing
//! of each other. Both know the waist between them: a [`Handler`] turns a
//! [`Request`] into a [`Response`]. A closure is a handler too, which is how
//! either side is tested without the other:
//!
//! ```
//! use fcgi_wasm::{FastCgi, Listener, Request, Response, Server};
//! use http::StatusCode;
//!
//! # async fn embed() -> Result<(), Box<dyn std::error::Error>> {
//! let hello = |_: Request| async { Ok(Response::text(StatusCode::OK, "hello\n")) };
//! let listener = Listener::tcp(([127, 0, 0, 1], 0).into())?;
//! let server = Server::new(hello).listen(listener, FastCgi::default());
//! # drop(server);
//! # Ok(())
//! # }
//! ```
//!
//! Many applications, loaded when they are first asked for and swapped while
//! they serve, are [`Slot`]s of a [`Catalogue`].
//!
//! Three things live for different times: the [`Engine`] as long as the
//! process, an [`App`] as long as a deployment, an instance as long as its
//! request. Three errors are for three readers: a
//! [`ProtocolError`](fastcgi::ProtocolError) is the peer's, a [`Fault`] is one
//! request's, a [`SetupError`] is a sentence for the operator.

mod accounts;
pub mod cgi;
mod deploy;
pub mod fastcgi;
mod folder;
mod frontend;
mod listen;
mod message;
mod observe;
mod policy;
mod router;
mod sandbox;
mod server;
mod setup;
mod told;

pub use deploy::{
    AppFile, Application, Attempt, Catalogue, DocumentRoot, Documents, Refreshed, Slot, Source,
    Stamp, Version, Watcher,
};
pub use frontend::{CONNECTIONS_MAX, FastCgi, Frontend, Http, Socket};
pub use listen::{Listener, SocketFile, Stream, UnixPath};
pub use message::{
    Abandoned, Asked, Body, BodyError, BodySender, BoxFuture, Deployed, Fault, Gone, Handler,
    JOURNAL_BYTES_MAX, Journal, Notice, Observer, Observers, Owner, PIPE_BYTES, Params, Record,
    Request, RequestBody, Response, ResponseBody, Role, Stage, Usage, printable,
};
pub use observe::{
    APP_LOG_BURST_BYTES, APP_LOG_BYTES_PER_SECOND, AccessLog, AccessLogFormat, AppLogs, Board,
    Destination, LogFile, LogWriter, METRICS, Readiness, StatusServer,
};
pub use policy::{
    AddressPattern, Budget, Folder, Grants, HostPattern, MIB, Policy, Secret, SendFileBy,
    SentFolder,
};
pub use router::Router;
pub use sandbox::{App, Compiler, Engine, EngineOptions, Import, Inspection, Standing, Tenant};
pub use server::Server;
pub use setup::SetupError;
