//! One request to another server: resolve, check, connect, send.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, LazyLock};
use std::task::Poll;
use std::time::Duration;

use http::Uri;
use http::uri::{PathAndQuery, Scheme};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use super::address::is_of_others;
use super::response::Limited;
use super::{Io, Sent};
use crate::sandbox::names::Names;

/// The longest times that a guest may set: it waits within its own anyway.
const CONNECT_MAX: Duration = Duration::from_secs(30);
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Where a request goes.
#[derive(Clone, Debug)]
pub(super) struct Destination {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) is_https: bool,
    pub(super) may_be_private: bool,
}

impl Destination {
    /// Where a request for this goes.
    pub(super) fn of(uri: &Uri, may_be_private: bool) -> Result<Self, Error> {
        let authority = uri.authority().ok_or(Error::HttpRequestUriInvalid)?;
        let is_https = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(Error::HttpProtocolError),
        };
        let own_port = if is_https { 443 } else { 80 };
        Ok(Self {
            host: authority.host().to_owned(),
            port: authority.port_u16().unwrap_or(own_port),
            is_https,
            may_be_private,
        })
    }

    /// What the operator and the application's author are told of a request that failed for
    /// this; `None` where the application itself is.
    pub(super) fn complaint(&self, error: &Error) -> Option<String> {
        let Self { host, port, .. } = self;
        let cause = match error {
            Error::DestinationIpProhibited => {
                return Some(format!(
                    "an HTTP request to {host} was refused because that is an address of this \
                     machine or a private network; --allow-private-hosts allows it"
                ));
            }
            Error::Connect(error) | Error::Tls(error) => error.to_string(),
            Error::Hyper(error) => match std::error::Error::source(error) {
                Some(source) => format!("{error}: {source}"),
                None => error.to_string(),
            },
            _ => return None,
        };
        Some(format!("an HTTP request to {host}:{port} failed: {cause}"))
    }
}

/// How long each step may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    connect: Duration,
    first_byte: Duration,
    between_bytes: Duration,
}

impl Times {
    /// What the guest wants, within limits.
    pub(super) fn new(options: RequestOptions) -> Self {
        let within = |wanted: Option<Duration>, most: Duration| wanted.unwrap_or(most).min(most);
        Self {
            connect: within(options.connect_timeout, CONNECT_MAX),
            first_byte: within(options.first_byte_timeout, SILENCE_MAX),
            between_bytes: within(options.between_bytes_timeout, SILENCE_MAX),
        }
    }
}

/// Sends the request, and gives the head of the response as soon as it comes.
/// What follows a redirect is another request, checked anew.
pub(super) async fn send(
    mut request: http::Request<WasiBody>,
    destination: &Destination,
    names: &Names,
    times: Times,
) -> Sent {
    let connected = timeout(times.connect, connect(destination, names)).await;
    let stream = connected.map_err(|_| Error::ConnectionTimeout)??;
    // On the wire stands only the path (RFC 9112 §3.2.1).
    let target = request.uri().path_and_query().cloned();
    *request.uri_mut() = Uri::from(target.unwrap_or_else(|| PathAndQuery::from_static("/")));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Driven beside the request. It may be over before the answer is taken.
    let mut connection = Some(Box::pin(connection));
    let mut ended = Ok(());
    let mut answer = pin!(timeout(times.first_byte, sender.send_request(request)));
    let answered = poll_fn(|cx| {
        if let Some(driven) = &mut connection
            && let Poll::Ready(result) = driven.as_mut().poll(cx)
        {
            ended = result;
            connection = None;
        }
        answer.as_mut().poll(cx)
    })
    .await;
    let answered = answered.map_err(|_| Error::ConnectionReadTimeout)?;
    // If both failed, the connection knows why.
    let response = answered.map_err(|error| ended.err().unwrap_or(error))?;
    let io: Io = Box::new(async move {
        if let Some(driven) = connection {
            driven.await?;
        }
        Ok(())
    });
    Ok((
        response.map(|body| Limited::body(body, times.between_bytes)),
        io,
    ))
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Connects to the first of the host's addresses that may be used and answers.
/// They are checked as resolved: a name that pointed elsewhere a moment ago
/// gains nothing.
async fn connect(destination: &Destination, names: &Names) -> Result<Pin<Box<dyn Stream>>, Error> {
    let Destination { host, port, .. } = destination;
    let unbracketed = host.trim_start_matches('[').trim_end_matches(']');
    let resolved = names.look_up(unbracketed.to_owned(), *port).await;
    let resolved = resolved.map_err(|error| Error::DnsError {
        rcode: Some(error.to_string()),
        info_code: None,
    })?;
    let allowed = resolved
        .into_iter()
        .filter(|address| destination.may_be_private || is_of_others(address.ip()));
    let mut failure = Error::DestinationIpProhibited;
    for address in allowed {
        match TcpStream::connect(address).await {
            Ok(stream) if destination.is_https => {
                let name = ServerName::try_from(unbracketed.to_owned())
                    .map_err(|_| Error::TlsProtocolError)?;
                let stream = TlsConnector::from(TLS.clone()).connect(name, stream).await;
                return Ok(Box::pin(stream.map_err(Error::Tls)?));
            }
            Ok(stream) => return Ok(Box::pin(stream)),
            Err(error) => failure = Error::Connect(error),
        }
    }
    Err(failure)
}

/// TLS with the certificate authorities of Mozilla's programme.
static TLS: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
    let roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.into(),
    };
    let config = ClientConfig::builder().with_root_certificates(roots);
    Arc::new(config.with_no_client_auth())
});
