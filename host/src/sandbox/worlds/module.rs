//! A core module with `_start`, for WASI 0.1: run as a CGI program (RFC 3875),
//! as it is. wasmtime's adapter to components breaks some: a stock Go program
//! traps in it.

use wasmtime::error::Context as _;
use wasmtime::{InstancePre, Result};

use super::World;
use super::program::{Ending, enter, run};
use crate::message::{BoxFuture, Request};
use crate::sandbox::fault::NotMade;
use crate::sandbox::guest::{Guest, Sandbox};
use crate::sandbox::load::Loaded;
use crate::sandbox::reply::Reply;

/// A module that exports `_start`.
struct Module01(InstancePre<Guest>);

pub(super) fn bind(loaded: &Loaded<'_>) -> Result<Box<dyn World>> {
    Ok(Box::new(Module01(loaded.link_module()?)))
}

impl World for Module01 {
    fn run<'a>(
        &'a self,
        sandbox: Sandbox,
        request: Request,
        reply: Reply,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let (mut store, output) =
                enter(sandbox, self.0.module().engine(), request, &reply).await;
            let work = async {
                let instance = self
                    .0
                    .instantiate_async(&mut store)
                    .await
                    .context(NotMade)?;
                let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
                start.call_async(&mut store, ()).await?;
                Ok(Ending::Success)
            };
            run(work, output, &reply).await
        })
    }
}
