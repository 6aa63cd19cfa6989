//! What wit-bindgen makes of `wit/app.wit`.
//!
//! Only `host.rs` and the output of `#[handler]` look in here.

wit_bindgen::generate!({
    path: "wit",
    world: "responder",
    pub_export_macro: true,
    export_macro_name: "export_handler",
    default_bindings_module: "::fcgi_wasm_sdk::bindings",
});
