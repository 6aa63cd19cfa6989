//! fcgi-wasm in a program of one's own: `cargo run --example embed app.wasm`.

use fcgi_wasm::{App, Engine, FastCgi, Http, Listener, MIB, Policy, Router, Server};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("name a component")?;
    let engine = Engine::start()?;
    let app = App::load(&engine, path, Policy::strict().memory_max(64 * MIB)).await?;
    Server::new(Router::new().route("/", app))
        .listen(Listener::unix("/tmp/embed.sock")?, FastCgi::default())
        .listen(
            Listener::tcp(([127, 0, 0, 1], 8080).into())?,
            Http::default(),
        )
        .run_until(async { drop(tokio::signal::ctrl_c().await) })
        .await?;
    Ok(())
}
