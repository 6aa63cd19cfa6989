//! The smallest application for `wasi:http` 0.2: what one costs that does
//! nothing.

#![cfg(target_family = "wasm")]
#![expect(clippy::unwrap_used, reason = "a guest may trap")]

use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

struct App;

wasip2::http::proxy::export!(App);

impl wasip2::exports::http::incoming_handler::Guest for App {
    fn handle(_: IncomingRequest, out: ResponseOutparam) {
        let response = OutgoingResponse::new(Fields::new());
        let body = response.body().unwrap();
        ResponseOutparam::set(out, Ok(response));
        let stream = body.write().unwrap();
        stream.blocking_write_and_flush(b"hello\n").unwrap();
        drop(stream);
        OutgoingBody::finish(body, None).unwrap();
    }
}
