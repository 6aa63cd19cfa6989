//! The attribute macros of `fcgi-wasm-sdk`; use them through that crate.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod handler;

use proc_macro::TokenStream;

/// Makes a function the application: it answers every request.
///
/// The function is an `fn`, or an `async fn` with the SDK's feature `async`. It takes the
/// `Request`, or nothing, and returns anything that is `IntoResponse`, a `Result` of that among
/// them. It stays an ordinary function, which native unit tests may call; compiled to
/// WebAssembly it is also exported as `fcgi-wasm:app/handler`. A crate has one.
#[proc_macro_attribute]
pub fn handler(arguments: TokenStream, item: TokenStream) -> TokenStream {
    handler::expand(arguments.into(), item.into()).into()
}
