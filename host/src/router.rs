//! Chooses who answers: by the host and the path that the client asked for.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::message::{BoxFuture, Fault, Handler, Request, Response};

/// A table of routes that can be swapped while requests run. Clones share it.
#[derive(Clone, Default)]
pub struct Router {
    table: Arc<ArcSwap<Vec<Route>>>,
}

#[derive(Clone)]
struct Route {
    /// Lower case, without port; empty for any.
    host: String,
    /// Without the slash at its end, so empty for the root.
    prefix: String,
    handler: Arc<dyn Handler>,
}

impl Router {
    /// A router that knows nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a route: `shop.example/` for all of a host, `shop.example/admin`
    /// for a part of it, `/admin` for that part of any host, `/` for
    /// everything. The longest path wins, then a named host over any. A route
    /// of the same name replaces the one before.
    ///
    /// Requests that run go on where they are.
    #[must_use]
    pub fn route(self, pattern: &str, handler: impl Handler) -> Self {
        let (host, path) = match pattern.find('/') {
            Some(slash) => pattern.split_at(slash),
            None => (pattern, ""),
        };
        let route = Route {
            host: host.to_ascii_lowercase(),
            prefix: path.trim_end_matches('/').to_owned(),
            handler: Arc::new(handler),
        };
        self.table.rcu(|table| {
            let mut table = table.as_ref().clone();
            table.retain(|known| known.host != route.host || known.prefix != route.prefix);
            table.push(route.clone());
            table.sort_by_key(|known| {
                std::cmp::Reverse((known.prefix.len(), !known.host.is_empty()))
            });
            table
        });
        self
    }

    fn choose(&self, host: &str, path: &str) -> Option<Arc<dyn Handler>> {
        let table = self.table.load();
        let route = table.iter().find(|route| route.matches(host, path))?;
        Some(route.handler.clone())
    }
}

impl Route {
    fn matches(&self, host: &str, path: &str) -> bool {
        let rest = path.strip_prefix(&self.prefix);
        (self.host.is_empty() || self.host.eq_ignore_ascii_case(host))
            && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl Handler for Router {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Fault>> {
        Box::pin(async move {
            let params = &request.params;
            let text = |name| params.text(name).unwrap_or_default();
            let host = text("HTTP_HOST");
            let host = if host.is_empty() {
                text("SERVER_NAME")
            } else {
                host
            };
            let host = without_port(&host);
            let path = format!("{}{}", text("SCRIPT_NAME"), text("PATH_INFO"));
            let Some(handler) = self.choose(host, &path) else {
                return Err(Fault::NoSuchApp(format!("{host}{path}")));
            };
            handler.handle(request).await
        })
    }
}

/// The host alone; an IPv6 address keeps its brackets.
fn without_port(host: &str) -> &str {
    match host.rfind(':') {
        Some(colon) if !host[colon..].contains(']') => &host[..colon],
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn named(name: &'static str) -> impl Handler {
        move |_| async move { Ok(Response::text(StatusCode::OK, name)) }
    }

    async fn answer(router: &Router, host: &str, path: &str) -> Result<String, Fault> {
        use http_body_util::BodyExt;

        let pairs = [("HTTP_HOST", host), ("SCRIPT_NAME", path)];
        let request = Request {
            params: pairs.into_iter().collect(),
            ..Request::default()
        };
        let body = router.handle(request).await?.body.collect().await?;
        Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
    }

    #[tokio::test]
    async fn the_longest_path_wins_then_a_named_host() {
        let router = Router::new()
            .route("/", named("any"))
            .route("shop.example/", named("shop"))
            .route("/admin", named("any admin"))
            .route("Shop.example/admin/", named("shop admin"));
        let cases = [
            ("other", "/x", "any"),
            ("shop.example", "/x", "shop"),
            ("SHOP.example:8080", "/x", "shop"),
            ("other", "/admin/x", "any admin"),
            ("shop.example", "/admin", "shop admin"),
            ("shop.example", "/administrator", "shop"),
            ("[::1]:80", "", "any"),
        ];
        for (host, path, expected) in cases {
            let answer = answer(&router, host, path).await;
            assert_eq!(answer.as_deref(), Ok(expected), "{host}{path}");
        }
    }

    #[tokio::test]
    async fn nobody_is_a_404_that_names_the_place() {
        let router = Router::new().route("shop.example/a", named("shop"));
        let fault = answer(&router, "shop.example", "/b")
            .await
            .expect_err("none");
        assert_eq!(fault.status(), 404);
        assert!(fault.to_string().contains("shop.example/b"));
    }

    #[tokio::test]
    async fn a_route_is_replaced_while_the_router_is_in_use() {
        let router = Router::new().route("/", named("old"));
        let _ = router.clone().route("/", named("new"));
        assert_eq!(answer(&router, "", "/").await.as_deref(), Ok("new"));
    }
}
