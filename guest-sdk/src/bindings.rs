//! What wit-bindgen makes of `wit/app.wit`.
//!
//! Only `host.rs` and the output of the attribute macros look in here.

wit_bindgen::generate!({
    path: "wit",
    world: "responder",
    pub_export_macro: true,
    export_macro_name: "export_handler",
    default_bindings_module: "::fcgi_wasm_sdk::bindings",
});

/// A world of its own, so that a component exports only what it was made for.
pub mod authorizer {
    wit_bindgen::generate!({
        path: "wit",
        world: "authorizer",
        with: {
            "fcgi-wasm:app/types@0.1.0": crate::bindings::fcgi_wasm::app::types,
            "fcgi-wasm:app/request@0.1.0": crate::bindings::fcgi_wasm::app::request,
            "fcgi-wasm:app/response@0.1.0": crate::bindings::fcgi_wasm::app::response,
        },
        pub_export_macro: true,
        export_macro_name: "export_authorization",
        default_bindings_module: "::fcgi_wasm_sdk::bindings::authorizer",
    });
}

/// As [`authorizer`].
pub mod filter {
    wit_bindgen::generate!({
        path: "wit",
        world: "filter",
        with: {
            "fcgi-wasm:app/types@0.1.0": crate::bindings::fcgi_wasm::app::types,
            "fcgi-wasm:app/request@0.1.0": crate::bindings::fcgi_wasm::app::request,
            "fcgi-wasm:app/response@0.1.0": crate::bindings::fcgi_wasm::app::response,
        },
        pub_export_macro: true,
        export_macro_name: "export_filtering",
        default_bindings_module: "::fcgi_wasm_sdk::bindings::filter",
    });
}
