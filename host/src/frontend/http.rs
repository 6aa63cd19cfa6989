//! HTTP/1.1 for developers: the same application without a web server.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ::http::{HeaderMap, Method, header};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio_util::sync::CancellationToken;

use super::discard::discard;
use super::report::{News, Report, Witness};
use super::{Frontend, Socket};
use crate::cgi::{self, Mount};
use crate::message::{
    Body, BodyError, BoxFuture, Fault, Handler, Observers, Params, Request, ResponseBody, Role,
};

/// How long a request's head may take to arrive.
const HEAD_WAIT_MAX: Duration = Duration::from_secs(30);

/// A small HTTP/1.1 server, for development only: it has no TLS and none of
/// the defences of a web server.
#[derive(Clone, Debug, Default)]
pub struct Http {
    mount: Option<Mount>,
    news: Arc<News>,
}

impl Http {
    /// Splits each request's path at this URL path; see [`Mount`]. Without it
    /// the application is mounted at the root.
    #[must_use]
    pub fn mount(mut self, mount: Mount) -> Self {
        self.mount = Some(mount);
        self
    }
}

impl Frontend for Http {
    fn converse(
        &self,
        socket: Box<dyn Socket>,
        handler: Arc<dyn Handler>,
        observers: Observers,
        stop: CancellationToken,
    ) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let peer: Arc<str> = socket.peer().into();
            let witness = Witness {
                peer: peer.clone(),
                observers,
                news: self.news.clone(),
                line: None,
            };
            let service = service_fn(|request| self.serve(request, handler.as_ref(), &witness));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_WAIT_MAX)
                .serve_connection(TokioIo::new(socket), service);
            let mut connection = std::pin::pin!(connection);
            let outcome = tokio::select! {
                outcome = connection.as_mut() => outcome,
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = outcome {
                tracing::debug!(%peer, %error, "an HTTP connection ended early");
            }
        })
    }
}

impl Http {
    async fn serve(
        &self,
        request: hyper::Request<Incoming>,
        handler: &dyn Handler,
        witness: &Witness,
    ) -> Result<hyper::Response<ResponseBody>, Infallible> {
        let is_head = request.method() == Method::HEAD;
        let mut params = params_of(&request, &witness.peer);
        if let Some(mount) = &self.mount {
            mount.apply(&mut params);
        }
        let mut report = Report::new(Role::Responder, &params, witness);
        let journal = report.journal().clone();
        let noting = journal.clone();
        let body = request.into_body().map_err(|_| BodyError::Incomplete);
        let body = body.map_frame(move |frame| {
            noting.note_received(frame.data_ref().map_or(0, Bytes::len));
            frame
        });
        let request = Request {
            role: Role::Responder,
            params,
            body: Body::new(body),
            data: Body::default(),
            journal: journal.clone(),
        };
        let answer = match cgi::check(request.role, &request.params) {
            Ok(()) => handler.handle(request).await,
            Err(fault) => Err(fault),
        };
        let checked = answer.and_then(|mut response| {
            cgi::response_head(&mut response, is_head)?;
            Ok(response)
        });
        let response = checked.unwrap_or_else(|fault| {
            report.fault(&fault);
            fault.page(journal.number())
        });
        report.answered(response.status);
        let has_body = !is_head && cgi::may_have_body(response.status);
        let body = match has_body {
            true => response.body,
            false => {
                discard(response.body);
                Body::default()
            }
        };
        let mut answer = hyper::Response::new(Body::new(Reported {
            to_come: body.size_hint().exact(),
            body,
            report: Some(report),
        }));
        *answer.status_mut() = response.status;
        *answer.headers_mut() = response.headers;
        Ok(answer)
    }
}

/// A body that tells when it is over, and how.
struct Reported {
    body: ResponseBody,
    /// How much is, if that is known: whoever sends it may not ask for its end.
    to_come: Option<u64>,
    report: Option<Report>,
}

impl Reported {
    fn end(&mut self) {
        if let Some(report) = self.report.take() {
            report.end();
        }
    }
}

impl HttpBody for Reported {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = self.get_mut();
        let frame = Pin::new(&mut this.body).poll_frame(cx);
        match &frame {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                if let Some(report) = &this.report {
                    report.journal().note_sent(bytes);
                }
                if let Some(to_come) = &mut this.to_come {
                    *to_come = to_come.saturating_sub(bytes as u64);
                }
            }
            Poll::Ready(Some(Err(fault))) => {
                if let Some(report) = &mut this.report {
                    report.fault(fault);
                }
            }
            Poll::Ready(None) => this.end(),
            Poll::Pending => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body that is dropped before its end was aborted, which the report says by
/// itself.
impl Drop for Reported {
    fn drop(&mut self) {
        if self.to_come == Some(0) || self.body.is_end_stream() {
            self.end();
        }
    }
}

/// The variables that a web server would send (RFC 3875 §4.1).
fn params_of(request: &hyper::Request<Incoming>, peer: &str) -> Params {
    let headers = request.headers();
    let mut params = Params::with_capacity(1024);
    let mut push = |name: &str, value: &[u8]| params.push(name.as_bytes(), value);
    let uri = request.uri();
    push("GATEWAY_INTERFACE", b"CGI/1.1");
    push(
        "SERVER_SOFTWARE",
        concat!("fcgi-wasm/", env!("CARGO_PKG_VERSION")).as_bytes(),
    );
    push(
        "SERVER_PROTOCOL",
        format!("{:?}", request.version()).as_bytes(),
    );
    push("REQUEST_METHOD", request.method().as_str().as_bytes());
    push("REQUEST_SCHEME", b"http");
    push("REQUEST_URI", uri.to_string().as_bytes());
    push("SCRIPT_NAME", b"");
    push("PATH_INFO", &cgi::decode(uri.path().as_bytes()));
    push("QUERY_STRING", uri.query().unwrap_or_default().as_bytes());
    let (address, port) = peer.rsplit_once(':').unwrap_or((peer, ""));
    push("REMOTE_ADDR", address.trim_matches(['[', ']']).as_bytes());
    push("REMOTE_PORT", port.as_bytes());
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let host: Option<::http::uri::Authority> = host.and_then(|host| host.parse().ok());
    if let Some(host) = host {
        push("SERVER_NAME", host.host().as_bytes());
        push(
            "SERVER_PORT",
            host.port()
                .as_ref()
                .map_or("80", |port| port.as_str())
                .as_bytes(),
        );
    }
    push_headers(headers, push);
    params
}

fn push_headers(headers: &HeaderMap, mut push: impl FnMut(&str, &[u8])) {
    for (name, value) in headers {
        // As web servers do: an underscore would be taken for a hyphen.
        if name.as_str().contains('_') {
            continue;
        }
        let variable = name.as_str().to_ascii_uppercase().replace('-', "_");
        match variable.as_str() {
            "CONTENT_TYPE" | "CONTENT_LENGTH" => push(&variable, value.as_bytes()),
            _ => push(&format!("HTTP_{variable}"), value.as_bytes()),
        }
    }
}
