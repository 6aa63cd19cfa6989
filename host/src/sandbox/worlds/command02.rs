//! `wasi:cli/run@0.2`: a command, run as a CGI program (RFC 3875).

use wasmtime::Result;
use wasmtime::error::Context as _;
use wasmtime_wasi::p2::bindings::CommandPre;

use super::World;
use super::program::{Ending, enter, run};
use crate::message::{BoxFuture, Request};
use crate::sandbox::fault::NotMade;
use crate::sandbox::guest::{Guest, Sandbox};
use crate::sandbox::load::Loaded;
use crate::sandbox::reply::Reply;

/// A component that exports `run`.
struct Command02(CommandPre<Guest>);

pub(super) fn bind(loaded: &Loaded<'_>) -> Result<Box<dyn World>> {
    Ok(Box::new(Command02(CommandPre::new(loaded.link()?)?)))
}

impl World for Command02 {
    fn run<'a>(
        &'a self,
        sandbox: Sandbox,
        request: Request,
        reply: Reply,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let (mut store, output) = enter(sandbox, self.0.engine(), request, &reply).await;
            let work = async {
                let command = self
                    .0
                    .instantiate_async(&mut store)
                    .await
                    .context(NotMade)?;
                let ran = command.wasi_cli_run().call_run(&mut store).await?;
                Ok(Ending::of(ran))
            };
            run(work, output, &reply).await
        })
    }
}
