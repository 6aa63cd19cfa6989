//! Tries to reach other servers.

use wasip3::http::client;
use wasip3::http::types::{Fields, Method, Request, Scheme};
use wasip3::sockets::ip_name_lookup::resolve_addresses;
use wasip3::wit_future;

/// What comes of a GET to this host.
pub(crate) async fn get(host: &str) -> String {
    let request = request();
    request.set_scheme(Some(&Scheme::Http)).unwrap();
    request.set_authority(Some(host)).unwrap();
    request.set_path_with_query(Some("/")).unwrap();
    match client::send(request).await {
        Ok(response) => format!("status {}\n", response.get_status_code()),
        Err(error) => format!("{error:?}\n"),
    }
}

/// The addresses that have this name.
pub(crate) async fn look_up(name: &str) -> String {
    format!("{:?}\n", resolve_addresses(name.to_owned()).await)
}

/// How many of fifty requests, none of which is sent, may have a method and an
/// authority of so many bytes.
pub(crate) fn keep(bytes: usize) -> String {
    let long = "x".repeat(bytes);
    let requests: Vec<_> = (0..50).map(|_| request()).collect();
    let method = Method::Other(long.clone());
    let methods = requests.iter().filter(|r| r.set_method(&method).is_ok());
    let methods = methods.count();
    let authorities = requests
        .iter()
        .filter(|r| r.set_authority(Some(&long)).is_ok());
    format!("{methods} methods, {} authorities\n", authorities.count())
}

fn request() -> Request {
    let (trailers, trailers_reader) = wit_future::new(|| Ok(None));
    drop(trailers);
    let (request, _sent) = Request::new(Fields::new(), None, trailers_reader, None);
    request
}
