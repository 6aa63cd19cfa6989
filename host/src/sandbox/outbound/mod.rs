//! HTTP requests that a guest sends: only to the hosts that were granted, a
//! limited number, of limited size and time.

mod address;
mod connection;
mod line;
pub(super) mod parts;
mod response;

use std::sync::Arc;

use tokio_util::sync::{CancellationToken, DropGuard};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use self::connection::Destination;
use self::line::Line;
use super::app::Deployment;
use super::grants::tell;
use super::limits::Meter;
use super::names::Names;
use super::waits::named;
use crate::message::Journal;

/// How much of a body that a `wasi:http` guest writes is taken at a time,
/// bytes; two such pieces may wait.
const BODY_CHUNK_BYTES: usize = 64 * 1024;

/// What one instance may send, and has sent.
pub(super) struct Outbound {
    deployment: Arc<Deployment>,
    journal: Arc<Journal>,
    meter: Arc<Meter>,
    sent: usize,
    has_told: bool,
    /// Ends the connections with the instance; made for the first request.
    ///
    /// A WASI 0.3 connection is a task of its own, which owns the body that it
    /// sends, and with that the handle that would abort it. Where the body is
    /// another connection's response, nobody else ends it.
    open: Option<DropGuard>,
}

impl Outbound {
    pub(super) fn new(
        deployment: Arc<Deployment>,
        journal: Arc<Journal>,
        meter: Arc<Meter>,
    ) -> Self {
        Self {
            deployment,
            journal,
            meter,
            sent: 0,
            has_told: false,
            open: None,
        }
    }

    /// Where the request goes, if it may go there, and the right to.
    fn admit(
        &mut self,
        request: &http::Request<WasiBody>,
    ) -> Result<(Destination, Option<Line>), Error> {
        let may_be_private = self.deployment.policy.grants.private_hosts;
        let destination = Destination::of(request.uri(), may_be_private)?;
        let Destination { host, port, .. } = &destination;
        let hosts = &self.deployment.policy.grants.hosts;
        if !hosts.iter().any(|pattern| pattern.matches(host, *port)) {
            self.tell(&format!(
                "an HTTP request to {host}:{port} was refused; --allow-host {host} allows it"
            ));
            return Err(Error::HttpRequestDenied);
        }
        self.sent += 1;
        let requests_max = self.deployment.policy.outbound_requests_max;
        if self.sent > requests_max {
            self.tell(&format!("more than {requests_max} HTTP requests were sent"));
            return Err(Error::ConnectionLimitReached);
        }
        let line = self.meter.customer().cloned().map(Line::take).transpose();
        let line = line.map_err(|refusal| {
            self.tell(&refusal);
            Error::ConnectionLimitReached
        })?;
        Ok((destination, line))
    }

    /// Says it once: a guest may try again and again.
    fn tell(&mut self, hint: &str) {
        if !std::mem::replace(&mut self.has_told, true) {
            tell(&self.journal, self.meter.customer().map(Arc::as_ref), hint);
        }
    }
}

type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Result<(http::Response<WasiBody>, Io), Error>;

impl WasiHttpHooks for Outbound {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Io,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let admitted = self.admit(&request);
        let journal = self.journal.clone();
        let customer = self.meter.customer().cloned();
        let names = Names::of(customer.as_deref());
        let guard = || CancellationToken::new().drop_guard();
        let open = self.open.get_or_insert_with(guard).token().clone();
        Box::new(async move {
            let (destination, line) = admitted?;
            let times = connection::Times::new(options.unwrap_or_default());
            let name = || {
                let Destination { host, port, .. } = &destination;
                format!("an HTTP request to {host}:{port}").into()
            };
            let send = connection::send(request, &destination, &names, times);
            let sent = named(&journal, name, send).await;
            if let Err(error) = &sent
                && let Some(hint) = destination.complaint(error)
            {
                tell(&journal, customer.as_deref(), &hint);
            }
            let (response, io) = sent?;
            let io: Io = Box::new(async move {
                let ended = open.run_until_cancelled_owned(Box::into_pin(io)).await;
                drop(line);
                ended.unwrap_or(Ok(()))
            });
            Ok((response, io))
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK_BYTES
    }

    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK_BYTES
    }
}
