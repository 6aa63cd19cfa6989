//! The smallest application: says what was asked for, and where it is mounted.

use fcgi_wasm_sdk::prelude::*;

#[handler]
fn app(request: Request) -> String {
    let (method, path) = (request.method(), request.uri().path());
    let (script_name, path_info) = (request.script_name(), request.path_info());
    format!("Hello from {script_name}{path_info}\n{method} {path}: {script_name} + {path_info}\n")
}

#[cfg(test)]
mod tests {
    use fcgi_wasm_sdk::prelude::*;
    use fcgi_wasm_sdk::{Params, testing};

    #[test]
    fn says_where_it_is_mounted() -> Result<()> {
        let params = Params::from_iter([("SCRIPT_NAME", "/shop"), ("PATH_INFO", "/cart")]);
        let request = Request::get("/shop/cart?id=7").extension(params).body(())?;
        let response = testing::run(super::app, request);
        let expected = "Hello from /shop/cart\nGET /shop/cart: /shop + /cart\n";
        assert_eq!(response.body(), expected);
        Ok(())
    }
}
