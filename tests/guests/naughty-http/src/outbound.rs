//! Tries to reach other servers.

use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{Fields, OutgoingRequest, Scheme};

/// What comes of a GET to this host.
pub(crate) fn get(host: &str) -> String {
    let request = OutgoingRequest::new(Fields::new());
    request.set_scheme(Some(&Scheme::Http)).unwrap();
    request.set_authority(Some(host)).unwrap();
    request.set_path_with_query(Some("/")).unwrap();
    let response = match handle(request, None) {
        Ok(response) => response,
        Err(error) => return format!("refused at once: {error:?}\n"),
    };
    response.subscribe().block();
    format!(
        "{:?}\n",
        response
            .get()
            .map(|result| result.map(|result| result.map(drop)))
    )
}
