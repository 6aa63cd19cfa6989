//! The attribute macros of `fcgi-wasm-sdk`; use them through that crate.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod role;

use proc_macro::TokenStream;
use role::AUTHORIZER;
use role::FILTER;
use role::HANDLER;

/// Makes a function the application: it answers every request.
///
/// The function is an `fn`, or an `async fn` with the SDK's feature `async`. It takes the
/// `Request`, or nothing, and returns anything that is `IntoResponse`, a `Result` of that among
/// them. It stays an ordinary function, which native unit tests may call; compiled to
/// WebAssembly it is also exported as `fcgi-wasm:app/handler`. A crate has one, and at most one
/// for each of the other roles.
#[proc_macro_attribute]
pub fn handler(arguments: TokenStream, item: TokenStream) -> TokenStream {
    role::expand(&HANDLER, arguments.into(), item.into()).into()
}

/// Makes a function an authorizer: it says whether a request may pass to what the web server has
/// there.
///
/// The function is an `fn`, or an `async fn` with the SDK's feature `async`. It takes the
/// `Request`, whose body is empty, or nothing, and returns a `Verdict` or a `Result` of one. Compiled to
/// WebAssembly it is exported as `fcgi-wasm:app/authorization`: only a component that has this
/// export can let anybody pass.
#[proc_macro_attribute]
pub fn authorizer(arguments: TokenStream, item: TokenStream) -> TokenStream {
    role::expand(&AUTHORIZER, arguments.into(), item.into()).into()
}

/// Makes a function a filter: it answers a request by transforming a file of the web server's.
///
/// The function is an `fn`, or an `async fn` with the SDK's feature `async`. It takes the
/// `Request` and the file, a `Source`, and returns what a handler returns. Compiled to WebAssembly
/// it is exported as `fcgi-wasm:app/filtering`.
#[proc_macro_attribute]
pub fn filter(arguments: TokenStream, item: TokenStream) -> TokenStream {
    role::expand(&FILTER, arguments.into(), item.into()).into()
}
