//! Where the host comes in: what the export that `#[handler]` makes calls.
//!
//! Not for apps. Public because the macro's output names it.

use crate::IntoResponse;
use crate::Request;
use crate::host;
use crate::send::Outlet;
use crate::send::answer;

pub use crate::bindings::export_handler;
pub use crate::bindings::exports::fcgi_wasm::app::handler::Guest;

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
