//! The request, and what it tells beside the `http` crate's fields.

use crate::Body;
use crate::Params;
use std::net::IpAddr;

/// A request, with its [`Body`] unless another type is named.
///
/// Its URI is the path and query as the client wrote them. Its headers are what the *client*
/// says; what the *web server* says is in its [`Params`].
pub type Request<B = Body> = http::Request<B>;

/// What a request tells beside the `http` crate's fields: its [`Params`] and its query.
pub trait RequestExt {
    /// All that the web server says; none on a request that was made by hand without.
    fn params(&self) -> &Params;

    /// The fields of the query (`?page=2&tag=a`) as `T`. Without a query there are no fields.
    /// For fields that repeat ask for a `Vec<(String, String)>`.
    ///
    /// # Errors
    /// One of which the visitor is told, with status 400.
    fn query<T: serde::de::DeserializeOwned>(&self) -> crate::Result<T>;

    /// One param as text, with what is not UTF-8 replaced by `U+FFFD`.
    fn param(&self, name: &str) -> Option<&str> {
        self.params().get(name)
    }

    /// See [`Params::script_name`].
    fn script_name(&self) -> &str {
        self.params().script_name()
    }

    /// See [`Params::path_info`].
    fn path_info(&self) -> &str {
        self.params().path_info()
    }

    /// See [`Params::remote_addr`].
    fn remote_addr(&self) -> Option<IpAddr> {
        self.params().remote_addr()
    }

    /// See [`Params::remote_user`].
    fn remote_user(&self) -> Option<&str> {
        self.params().remote_user()
    }

    /// See [`Params::is_https`].
    fn is_https(&self) -> bool {
        self.params().is_https()
    }
}

impl<B> RequestExt for Request<B> {
    fn params(&self) -> &Params {
        self.extensions().get().unwrap_or_else(|| Params::none())
    }

    fn query<T: serde::de::DeserializeOwned>(&self) -> crate::Result<T> {
        serde_urlencoded::from_str(self.uri().query().unwrap_or_default()).map_err(|error| {
            crate::Error::new(
                http::StatusCode::BAD_REQUEST,
                format!("the query is malformed: {error}"),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_without_params_says_nothing() {
        let request = Request::new(());
        assert_eq!(request.script_name(), "");
        assert_eq!(request.param("HTTPS"), None);
        assert!(!request.is_https());
    }

    #[test]
    fn the_params_are_in_the_extensions() {
        let params = Params::from_iter([("REMOTE_ADDR", "::1"), ("HTTPS", "on")]);
        let request = Request::get("/").extension(params).body(()).unwrap();
        assert_eq!(request.remote_addr(), "::1".parse().ok());
        assert!(request.is_https());
    }

    #[test]
    fn queries_are_parsed_or_the_fault_of_the_visitor() {
        let query = |target: &str| {
            let request = Request::get(target).body(()).unwrap();
            request.query::<Vec<(String, u32)>>()
        };
        assert!(query("/").unwrap().is_empty());
        assert_eq!(query("/?a%20b=1&c=2").unwrap()[0], ("a b".into(), 1));
        assert_eq!(query("/?a=x").unwrap_err().status(), 400);
    }
}
