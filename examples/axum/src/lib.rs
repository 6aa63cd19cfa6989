//! An axum router: parameters in the path, JSON in and out, and a response that is streamed.

use axum::Json;
use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::routing::post;
use fcgi_wasm_sdk::Finished;
use fcgi_wasm_sdk::Request;
use fcgi_wasm_sdk::Result;
use fcgi_wasm_sdk::handler;
use fcgi_wasm_sdk::serve;
use fcgi_wasm_sdk::wstd::task::sleep;
use fcgi_wasm_sdk::wstd::time::Duration;
use futures_util::stream;
use serde::Deserialize;
use serde::Serialize;
use std::convert::Infallible;

#[handler]
async fn app(request: Request) -> Result<Finished> {
    let router = Router::new()
        .route("/", get(async || "Hello from axum\n"))
        .route("/greet/{name}", get(greet))
        .route("/sum", post(sum))
        .route("/countdown", get(countdown));
    serve(router, request).await
}

async fn greet(Path(name): Path<String>) -> String {
    format!("Hello {name}\n")
}

#[derive(Deserialize, Serialize)]
struct Numbers {
    numbers: Vec<f64>,
    sum: Option<f64>,
}

/// Sends the JSON back with the sum filled in.
async fn sum(Json(mut body): Json<Numbers>) -> Json<Numbers> {
    body.sum = Some(body.numbers.iter().sum());
    Json(body)
}

/// Ten lines in a second; the client sees each of them at once.
async fn countdown() -> impl IntoResponse {
    let lines = stream::unfold(10, async |left: u32| {
        let left = left.checked_sub(1)?;
        sleep(Duration::from_millis(100)).await;
        Some((Ok::<_, Infallible>(format!("{left}\n")), left))
    });
    let text = [(CONTENT_TYPE, "text/plain; charset=utf-8")];
    (text, Body::from_stream(lines))
}

#[cfg(test)]
mod tests {
    use axum::http::header::CONTENT_TYPE;
    use fcgi_wasm_sdk::Request;
    use fcgi_wasm_sdk::Result;
    use fcgi_wasm_sdk::testing;

    #[test]
    fn routes_lead_to_handlers() -> Result<()> {
        let response = testing::run_async(super::app, Request::get("/greet/Ada").body(())?);
        assert_eq!(response.body(), "Hello Ada\n");
        let response = testing::run_async(super::app, Request::get("/nowhere").body(())?);
        assert_eq!(response.status(), 404);
        Ok(())
    }

    #[test]
    fn json_goes_in_and_out() -> Result<()> {
        let post = Request::post("/sum").header(CONTENT_TYPE, "application/json");
        let response = testing::run_async(super::app, post.body(r#"{"numbers":[1,2.5]}"#)?);
        assert_eq!(response.body(), r#"{"numbers":[1.0,2.5],"sum":3.5}"#);
        Ok(())
    }
}
