//! The smallest application for `wasi:http` 0.3: what one costs that does
//! nothing.

#![cfg(target_family = "wasm")]

use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::wit_bindgen::spawn_local;
use wasip3::{wit_future, wit_stream};

struct App;

wasip3::http::service::export!(App);

impl wasip3::exports::http::handler::Guest for App {
    async fn handle(_: Request) -> Result<Response, ErrorCode> {
        let (mut body, reader) = wit_stream::new();
        let (_, trailers) = wit_future::new(|| Ok(None));
        let (response, _) = Response::new(Fields::new(), Some(reader), trailers);
        spawn_local(async move {
            body.write_all(b"hello\n".to_vec()).await;
        });
        Ok(response)
    }
}
