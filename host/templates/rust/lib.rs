//! A web application: each request in an instance of its own.

use fcgi_wasm_sdk::prelude::*;

#[handler]
fn app(request: Request) -> Result<Response> {
    match (request.method().as_str(), request.path_info()) {
        ("GET", "" | "/") => "Hello from {name}\n".into_response(),
        ("POST", "/echo") => request.into_body().text()?.into_response(),
        _ => (StatusCode::NOT_FOUND, "not found\n").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use fcgi_wasm_sdk::prelude::*;
    use fcgi_wasm_sdk::{Params, testing};

    #[test]
    fn says_hello() -> Result<()> {
        let response = testing::run(super::app, Request::get("/").body(())?);
        assert_eq!(response.body(), "Hello from {name}\n");
        Ok(())
    }

    #[test]
    fn echoes() -> Result<()> {
        let params = Params::from_iter([("PATH_INFO", "/echo")]);
        let request = Request::post("/echo").extension(params).body("hi")?;
        assert_eq!(testing::run(super::app, request).body(), "hi");
        Ok(())
    }

    #[test]
    fn knows_no_other_page() -> Result<()> {
        let params = Params::from_iter([("PATH_INFO", "/x")]);
        let request = Request::get("/x").extension(params).body(())?;
        assert_eq!(testing::run(super::app, request).status(), 404);
        Ok(())
    }
}
