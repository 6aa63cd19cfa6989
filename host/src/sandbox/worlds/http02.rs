//! `wasi:http/incoming-handler@0.2`: any component for the proxy world.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use http::Method;
use http_body_util::BodyExt;
use tokio::sync::oneshot;
use wasmtime::Result;
use wasmtime::error::Context as _;
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use super::pump::{Pump, Step};
use super::{World, bell};
use crate::cgi;
use crate::message::{Body, BoxFuture, Fault, Request};
use crate::sandbox::fault::{NotMade, beginning, is_clean_exit};
use crate::sandbox::guest::{Guest, Sandbox};
use crate::sandbox::incoming::to_wasi;
use crate::sandbox::load::Loaded;
use crate::sandbox::reply::Reply;

/// A component that exports `incoming-handler`.
struct Http02(ProxyPre<Guest>);

pub(super) fn bind(loaded: &Loaded<'_>) -> Result<Box<dyn World>> {
    Ok(Box::new(Http02(ProxyPre::new(loaded.link()?)?)))
}

impl World for Http02 {
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
            let scheme = match cgi::is_https(&request.params) {
                true => Scheme::Https,
                false => Scheme::Http,
            };
            let mut store = sandbox.enter(self.0.engine(), request.params, Body::default(), None);
            let (sender, answer) = oneshot::channel();
            let mut view = store.data_mut().http();
            let incoming = view.new_incoming_request(scheme, incoming)?;
            let outparam = view.new_response_outparam(sender)?;
            let proxy = self
                .0
                .instantiate_async(&mut store)
                .await
                .context(NotMade)?;
            let mut response = Response::Awaited(answer, reply.clone(), method);

            let ending = {
                let handler = proxy.wasi_http_incoming_handler();
                let mut call = pin!(handler.call_handle(&mut store, incoming, outparam));
                let work = poll_fn(|cx| {
                    let ending = call.as_mut().poll(cx);
                    if ending.is_pending() {
                        response.advance(cx);
                    }
                    ending
                });
                // Most guests flush after each piece, and wait for us to take
                // it. It is shown when they wait for something else.
                bell::run(work, || reply.show()).await
            };
            match ending {
                Err(error) if !is_clean_exit(&error) => {
                    // What the guest had completed counts, and only while its
                    // store is there can that be told from what it had not.
                    poll_fn(|cx| match response.advance(cx) {
                        Step::Reader => Poll::Pending,
                        Step::Guest | Step::Over => Poll::Ready(()),
                    })
                    .await;
                    Err(error)
                }
                _ => {
                    // Now nothing is left that the body could be waiting for.
                    drop(store);
                    poll_fn(|cx| match response.advance(cx) {
                        Step::Over => Poll::Ready(()),
                        Step::Reader | Step::Guest => Poll::Pending,
                    })
                    .await;
                    Ok(())
                }
            }
        })
    }
}

type Answer = Result<hyper::Response<HyperOutgoingBody>, ErrorCode>;

/// The response, before and after `response-outparam.set`.
enum Response {
    Awaited(oneshot::Receiver<Answer>, Reply, Method),
    Sending(Pump),
    Over,
}

impl Response {
    fn advance(&mut self, cx: &mut Context<'_>) -> Step {
        if let Self::Awaited(answer, reply, method) = self {
            let Poll::Ready(answer) = Pin::new(answer).poll(cx) else {
                return Step::Guest;
            };
            *self = match answer {
                // It was never called.
                Err(_) => Self::Over,
                Ok(Ok(response)) => {
                    let (head, body) = response.into_parts();
                    let reply = reply.clone();
                    let (status, headers) = (head.status, head.headers);
                    Self::Sending(Pump::start(reply, method, status, headers, body))
                }
                Ok(Err(code)) => {
                    reply.fail(Fault::Failed(beginning(format_args!("{code:?}"))));
                    Self::Over
                }
            };
        }
        match self {
            Self::Sending(pump) => pump.advance(cx),
            Self::Awaited(..) | Self::Over => Step::Over,
        }
    }
}
