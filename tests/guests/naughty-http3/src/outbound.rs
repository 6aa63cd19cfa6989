//! Tries to reach other servers.

use wasip3::http::client;
use wasip3::http::types::{Fields, Method, Request, Response, Scheme};
use wasip3::sockets::ip_name_lookup::resolve_addresses;
use wasip3::wit_bindgen::rt::async_support::StreamReader;
use wasip3::wit_future;

/// What comes of a GET to this host.
pub(crate) async fn get(host: &str) -> String {
    let request = request(None);
    direct(&request, host);
    match client::send(request).await {
        Ok(response) => format!("status {}\n", response.get_status_code()),
        Err(error) => format!("{error:?}\n"),
    }
}

/// Sends what this host answers back to it, as the body of a POST, and leaves
/// while that is under way.
pub(crate) async fn send_back(host: &str) -> String {
    let asking = request(None);
    direct(&asking, host);
    let answer = client::send(asking).await.unwrap();
    let (handled, result) = wit_future::new(|| Ok(()));
    drop(handled);
    let (bytes, _end) = Response::consume_body(answer, result);
    let sending = request(Some(bytes));
    direct(&sending, host);
    sending.set_method(&Method::Post).unwrap();
    let answer = client::send(sending).await.unwrap();
    format!("status {}\n", answer.get_status_code())
}

/// The addresses that have this name.
pub(crate) async fn look_up(name: &str) -> String {
    format!("{:?}\n", resolve_addresses(name.to_owned()).await)
}

/// How many of fifty requests, none of which is sent, may have a method and an
/// authority of so many bytes.
pub(crate) fn keep(bytes: usize) -> String {
    let long = "x".repeat(bytes);
    let requests: Vec<_> = (0..50).map(|_| request(None)).collect();
    let method = Method::Other(long.clone());
    let methods = requests.iter().filter(|r| r.set_method(&method).is_ok());
    let methods = methods.count();
    let authorities = requests
        .iter()
        .filter(|r| r.set_authority(Some(&long)).is_ok());
    format!("{methods} methods, {} authorities\n", authorities.count())
}

fn direct(request: &Request, host: &str) {
    request.set_scheme(Some(&Scheme::Http)).unwrap();
    request.set_authority(Some(host)).unwrap();
    request.set_path_with_query(Some("/")).unwrap();
}

fn request(body: Option<StreamReader<u8>>) -> Request {
    let (trailers, trailers_reader) = wit_future::new(|| Ok(None));
    drop(trailers);
    let (request, _sent) = Request::new(Fields::new(), body, trailers_reader, None);
    request
}
