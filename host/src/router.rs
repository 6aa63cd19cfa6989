//! Chooses who answers: by a param that the web server sets, or else by the host
//! and the path that the client asked for.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::message::{BoxFuture, Fault, Handler, Request, Response};

/// The param by which a web server chooses an application by its name.
const NAME_PARAM: &str = "FCGI_WASM_APP";

/// A table of routes that can be swapped while requests run. Clones share it.
#[derive(Clone, Default)]
pub struct Router {
    table: Arc<ArcSwap<Table>>,
}

#[derive(Clone, Default)]
struct Table {
    /// By host, in lower case and without port, empty for any: as many hosts
    /// as there are must not make a request slower.
    hosts: HashMap<String, Vec<Route>>,
    names: HashMap<String, Arc<dyn Handler>>,
    otherwise: Option<Arc<dyn Handler>>,
}

/// The longest prefix stands first among those of a host.
#[derive(Clone)]
struct Route {
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
        let host = host.to_ascii_lowercase();
        let route = Route {
            prefix: path.trim_end_matches('/').to_owned(),
            handler: Arc::new(handler),
        };
        self.change(|table| {
            let routes = table.hosts.entry(host.clone()).or_default();
            routes.retain(|known| known.prefix != route.prefix);
            routes.push(route.clone());
            routes.sort_by_key(|known| std::cmp::Reverse(known.prefix.len()));
        })
    }

    /// Adds a name by which the web server may choose this handler with the
    /// param `FCGI_WASM_APP`, before all routes. Where no name is known, that
    /// param means nothing.
    #[must_use]
    pub fn name(self, name: &str, handler: impl Handler) -> Self {
        let handler: Arc<dyn Handler> = Arc::new(handler);
        self.change(|table| {
            table.names.insert(name.to_owned(), handler.clone());
        })
    }

    /// Who answers what no route leads to. Nobody unless set: that is a 404.
    #[must_use]
    pub fn otherwise(self, handler: impl Handler) -> Self {
        let handler: Arc<dyn Handler> = Arc::new(handler);
        self.change(|table| table.otherwise = Some(handler.clone()))
    }

    /// Takes the table of another router in place of its own, all at once.
    pub fn replace(&self, other: &Self) {
        self.table.store(other.table.load_full());
    }

    fn change(self, change: impl Fn(&mut Table)) -> Self {
        if Arc::strong_count(&self.table) == 1 {
            // Nobody else sees it, so a table of thousands is not copied for
            // each that is added.
            let mut table = Arc::unwrap_or_clone(self.table.swap(Arc::default()));
            change(&mut table);
            self.table.store(Arc::new(table));
            return self;
        }
        self.table.rcu(|table| {
            let mut table = table.as_ref().clone();
            change(&mut table);
            table
        });
        self
    }

    /// Who has a route of this host and path; else who answers otherwise, if anybody does.
    fn choose(&self, host: &str, path: &str) -> Result<Arc<dyn Handler>, Option<Arc<dyn Handler>>> {
        let table = self.table.load();
        let named = table.find(&host.to_ascii_lowercase(), path);
        let any = table.find("", path);
        let route = match (named, any) {
            (Some(named), Some(any)) if any.prefix.len() > named.prefix.len() => Some(any),
            (None, any) => any,
            (named, _) => named,
        };
        match route {
            Some(route) => Ok(route.handler.clone()),
            None => Err(table.otherwise.clone()),
        }
    }

    /// Who has the name that the web server says, if it says one that means
    /// something.
    fn named(&self, request: &Request) -> Option<Result<Arc<dyn Handler>, Fault>> {
        let table = self.table.load();
        let name = request.params.text(NAME_PARAM)?;
        if table.names.is_empty() || name.is_empty() {
            return None;
        }
        let handler = table.names.get(name.as_ref()).cloned();
        let nobody = || Fault::NoSuchApp(format!("the name {name:?} ({NAME_PARAM})"));
        Some(handler.ok_or_else(nobody))
    }
}

impl Table {
    fn find(&self, host: &str, path: &str) -> Option<&Route> {
        let routes = self.hosts.get(host)?;
        routes.iter().find(|route| route.matches(path))
    }
}

impl Route {
    fn matches(&self, path: &str) -> bool {
        let rest = path.strip_prefix(&self.prefix);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl Handler for Router {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Fault>> {
        Box::pin(async move {
            if let Some(named) = self.named(&request) {
                return named?.handle(request).await;
            }
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
            match self.choose(host, &path) {
                Ok(handler) => handler.handle(request).await,
                Err(None) => Err(Fault::NoSuchApp(format!("{host}{path}"))),
                Err(Some(otherwise)) => {
                    let asked = format!("{host}{path}");
                    let answer = otherwise.handle(request).await;
                    answer.map_err(|fault| match fault {
                        Fault::NoSuchApp(what) => {
                            Fault::NoSuchApp(format!("{asked} by a route, nor for {what}"))
                        }
                        fault => fault,
                    })
                }
            }
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
    async fn a_name_wins_where_names_are_known() {
        use http_body_util::BodyExt;

        let router = Router::new().route("/", named("route"));
        let ask = |router: &Router, name: &str| {
            let request = Request {
                params: [("FCGI_WASM_APP", name)].into_iter().collect(),
                ..Request::default()
            };
            let router = router.clone();
            async move {
                let body = router.handle(request).await?.body.collect().await?;
                Ok::<_, Fault>(String::from_utf8_lossy(&body.to_bytes()).into_owned())
            }
        };
        assert_eq!(ask(&router, "blog").await.as_deref(), Ok("route"));
        let router = router.name("blog", named("blog"));
        assert_eq!(ask(&router, "blog").await.as_deref(), Ok("blog"));
        assert_eq!(ask(&router, "").await.as_deref(), Ok("route"));
        let fault = ask(&router, "shop").await.expect_err("nobody");
        assert_eq!(fault.status(), 404);
        assert!(fault.to_string().contains("shop"), "{fault}");
    }

    #[tokio::test]
    async fn what_no_route_leads_to_has_somebody_too() {
        let router = Router::new().route("/a", named("a"));
        let router = router.otherwise(named("otherwise"));
        assert_eq!(answer(&router, "", "/a").await.as_deref(), Ok("a"));
        assert_eq!(answer(&router, "", "/b").await.as_deref(), Ok("otherwise"));
        router.replace(&Router::new().route("/", named("new")));
        assert_eq!(answer(&router, "", "/b").await.as_deref(), Ok("new"));
        let router = Router::new().otherwise(|_: Request| async {
            Err(Fault::NoSuchApp("a request without a file".to_owned()))
        });
        let fault = answer(&router, "a.example:80", "/b")
            .await
            .expect_err("nobody");
        let both = "for a.example/b by a route, nor for a request without a file";
        assert!(fault.to_string().ends_with(both), "{fault}");
    }

    #[tokio::test]
    async fn a_route_is_replaced_while_the_router_is_in_use() {
        let router = Router::new().route("/", named("old"));
        let _ = router.clone().route("/", named("new"));
        assert_eq!(answer(&router, "", "/").await.as_deref(), Ok("new"));
    }
}
