//! `wasi:http/handler@0.3`: any component for the service world.

use std::future::poll_fn;
use std::task::Poll;

use http_body_util::BodyExt;
use wasmtime::Result;
use wasmtime::component::Accessor;
use wasmtime::error::Context as _;
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p3::Request as WasiRequest;
use wasmtime_wasi_http::p3::bindings::ServicePre;

use super::pump::{Pump, Step};
use super::{World, bell};
use crate::cgi;
use crate::message::{Body, BoxFuture, Request};
use crate::sandbox::fault::{Failed, NotMade};
use crate::sandbox::guest::{Guest, Sandbox};
use crate::sandbox::incoming::to_wasi;
use crate::sandbox::load::Loaded;
use crate::sandbox::reply::Reply;

/// A component that exports `handler`.
struct Http03(ServicePre<Guest>);

pub(super) fn bind(loaded: &Loaded<'_>) -> Result<Box<dyn World>> {
    Ok(Box::new(Http03(ServicePre::new(loaded.link()?)?)))
}

impl World for Http03 {
    fn run<'a>(
        &'a self,
        sandbox: Sandbox,
        request: Request,
        reply: Reply,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let body = request.body.map_err(to_wasi);
            let incoming = match cgi::http_request(&request.params, body) {
                Ok(incoming) => incoming,
                Err(fault) => {
                    reply.fail(fault);
                    return Ok(());
                }
            };
            let method = incoming.method().clone();
            let mut store = sandbox.enter(self.0.engine(), request.params, Body::default(), None);
            let (incoming, sent) = WasiRequest::from_http(store.data_mut().http().hooks, incoming);
            let service = self
                .0
                .instantiate_async(&mut store)
                .await
                .context(NotMade)?;
            let answer = reply.clone();
            let run = async |accessor: &Accessor<Guest>| -> Result<()> {
                let response = match service.handle(accessor, incoming).await? {
                    Ok(response) => response,
                    Err(code) => return Err(Failed::new(format_args!("{code:?}")).into()),
                };
                let response = accessor.with(|store| response.into_http(store, sent))?;
                let (head, body) = response.into_parts();
                let mut pump = Pump::start(reply, &method, head.status, head.headers, body);
                poll_fn(|cx| match pump.advance(cx) {
                    Step::Over => Poll::Ready(()),
                    Step::Reader | Step::Guest => Poll::Pending,
                })
                .await;
                // What the guest set going for after its answer.
                poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
                Ok(())
            };
            // Not before it pauses: a guest returns its response first and
            // writes the body after that, mostly at once.
            bell::run(store.run_concurrent(run), || answer.show()).await?
        })
    }
}
