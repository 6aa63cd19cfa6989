//! Where the host comes in: what the exports that the attribute macros make call.
//!
//! Not for apps. Public because the macros' output names it.

use crate::IntoResponse;
use crate::IntoVerdict;
use crate::Request;
use crate::Source;
use crate::bindings::authorizer::exports::fcgi_wasm::app::authorization;
use crate::host;
use crate::send::Outlet;
use crate::send::answer;
use crate::verdict::Variables;
use crate::verdict::judge;

pub use crate::bindings::authorizer::export_authorization;
pub use crate::bindings::authorizer::exports::fcgi_wasm::app::authorization::Guest as AuthorizationGuest;
pub use crate::bindings::authorizer::exports::fcgi_wasm::app::authorization::Verdict as Ruling;
pub use crate::bindings::export_handler;
pub use crate::bindings::exports::fcgi_wasm::app::handler::Guest as HandlerGuest;
pub use crate::bindings::filter::export_filtering;
pub use crate::bindings::filter::exports::fcgi_wasm::app::filtering::Guest as FilteringGuest;

/// Serves the request of this instance.
///
/// # Errors
/// Text for the web server's error log; the visitor gets a plain 500 if nothing was started.
pub fn run<R: IntoResponse>(app: impl FnOnce(Request) -> R) -> Result<(), String> {
    let outcome = host::request().and_then(|request| app(request).into_response());
    answer(outcome, &mut Outlet::new())
}

/// The same, on wstd's runtime.
///
/// # Errors
/// Those of [`run`].
#[cfg(feature = "async")]
pub fn run_async<F>(app: impl FnOnce(Request) -> F) -> Result<(), String>
where
    F: Future<Output: IntoResponse>,
{
    wstd::runtime::block_on(async {
        let outcome = match host::request() {
            Ok(request) => app(request).await.into_response(),
            Err(error) => Err(error),
        };
        answer(outcome, &mut Outlet::new())?;
        // The runtime now waits for the tasks that were spawned; the client need not.
        Outlet::new().finished();
        Ok(())
    })
}

/// Judges the request of this instance.
///
/// # Errors
/// Those of [`run`]; the request is refused.
pub fn authorize<R: IntoVerdict>(app: impl FnOnce(Request) -> R) -> Result<Ruling, String> {
    let outcome = host::request().and_then(|request| app(request).into_verdict());
    judge(outcome, &mut Outlet::new()).map(ruling)
}

/// The same, on wstd's runtime.
///
/// # Errors
/// Those of [`authorize`].
#[cfg(feature = "async")]
pub fn authorize_async<F>(app: impl FnOnce(Request) -> F) -> Result<Ruling, String>
where
    F: Future<Output: IntoVerdict>,
{
    let outcome = wstd::runtime::block_on(async {
        match host::request() {
            Ok(request) => app(request).await.into_verdict(),
            Err(error) => Err(error),
        }
    });
    judge(outcome, &mut Outlet::new()).map(ruling)
}

fn ruling(leave: Option<Variables>) -> Ruling {
    match leave {
        Some(variables) => authorization::Verdict::Allow(variables),
        None => authorization::Verdict::Deny,
    }
}

/// Serves the request of this instance with its file.
///
/// # Errors
/// Those of [`run`].
pub fn filter<R: IntoResponse>(app: impl FnOnce(Request, Source) -> R) -> Result<(), String> {
    run(|request| app(request, host::source()))
}

/// The same, on wstd's runtime.
///
/// # Errors
/// Those of [`run`].
#[cfg(feature = "async")]
pub fn filter_async<F>(app: impl FnOnce(Request, Source) -> F) -> Result<(), String>
where
    F: Future<Output: IntoResponse>,
{
    run_async(|request| app(request, host::source()))
}
