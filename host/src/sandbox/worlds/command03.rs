//! `wasi:cli/run@0.3`: a command, run as a CGI program (RFC 3875).

use std::future::poll_fn;

use wasmtime::Result;
use wasmtime::component::Accessor;
use wasmtime::error::Context as _;
use wasmtime_wasi::p3::bindings::CommandPre;

use super::program::{Ending, enter, run};
use super::{World, bell};
use crate::message::{BoxFuture, Request};
use crate::sandbox::fault::NotMade;
use crate::sandbox::guest::{Guest, Sandbox};
use crate::sandbox::load::Loaded;
use crate::sandbox::reply::Reply;

/// A component that exports `run`.
struct Command03(CommandPre<Guest>);

pub(super) fn bind(loaded: &Loaded<'_>) -> Result<Box<dyn World>> {
    Ok(Box::new(Command03(CommandPre::new(loaded.link()?)?)))
}

impl World for Command03 {
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
                let main = async |accessor: &Accessor<Guest>| -> Result<Ending> {
                    let ran = command.wasi_cli_run().call_run(accessor).await?;
                    // Its output may still be on its way to the host.
                    poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
                    Ok(Ending::of(ran))
                };
                bell::run(store.run_concurrent(main), || ()).await?
            };
            run(work, output, &reply).await
        })
    }
}
