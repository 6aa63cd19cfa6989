//! Tries to reach other servers.

use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{Fields, Method, OutgoingRequest, Scheme};

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

/// How many of fifty requests, none of which is sent, may have a method and an
/// authority of so many bytes.
pub(crate) fn keep(bytes: usize) -> String {
    let long = "x".repeat(bytes);
    let requests: Vec<_> = (0..50)
        .map(|_| OutgoingRequest::new(Fields::new()))
        .collect();
    let method = Method::Other(long.clone());
    let methods = requests.iter().filter(|r| r.set_method(&method).is_ok());
    let methods = methods.count();
    let authorities = requests
        .iter()
        .filter(|r| r.set_authority(Some(&long)).is_ok());
    format!("{methods} methods, {} authorities\n", authorities.count())
}
