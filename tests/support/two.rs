//! Two tenants with an application each, on one engine, by the names of hosts:
//! a noisy one and a quiet one.

use fcgi_wasm::{App, Budget, Engine, Policy, Router, Tenant};
use tokio::runtime::Runtime;

use super::Skip;
use super::guest_build::{guest, target_folder};
use super::local::Local;
use super::web_server::*;

/// The server, and the application that exceeds its budgets.
pub(crate) struct Two {
    pub(crate) local: Local,
    pub(crate) noisy: App,
}

pub(crate) const NOISY: &str = "noisy.example";
pub(crate) const QUIET: &str = "quiet.example";

impl Two {
    pub(crate) fn serve(guest_name: &str, budget: Budget, policy: Policy) -> Result<Self, Skip> {
        Self::serve_on(&engine(256), guest_name, budget, policy)
    }

    pub(crate) fn serve_on(
        engine: &Engine,
        guest_name: &str,
        budget: Budget,
        policy: Policy,
    ) -> Result<Self, Skip> {
        let noisy = Tenant::new(engine, "noisy", budget);
        let quiet = Tenant::new(engine, "quiet", Budget::strict());
        let noisy = load(&noisy, "noise", guest_name, policy.clone())?;
        let quiet = load(&quiet, "peace", guest_name, policy)?;
        let router = Router::new()
            .route(NOISY, noisy.clone())
            .route(QUIET, quiet);
        Ok(Self {
            local: Local::serve(router),
            noisy,
        })
    }

    pub(crate) fn ask(&self, host: &str, path: &str) -> Answer {
        self.local.ask(1, &request(host, path))
    }

    /// A request that runs until its [`release`].
    pub(crate) fn hold(&self, host: &str) -> Peer {
        let mut peer = self.local.connect();
        peer.send(&held(host));
        assert_eq!(peer.read_record().expect("it runs").kind, STDOUT);
        peer
    }

    #[track_caller]
    pub(crate) fn quiet_is_served(&self) {
        assert_eq!(self.ask(QUIET, "/hello").text(), "hello\n");
    }

    /// Asks the noisy one for what exceeds its budget.
    #[track_caller]
    pub(crate) fn is_over(&self, path: &str, cause: &str) {
        let answer = self.ask(NOISY, path);
        assert_eq!(answer.status(), 503, "{path}: {answer:?}");
        assert_eq!(answer.headers("retry-after"), ["1"], "{path}");
        let log = answer.log();
        assert!(log.contains(&format!("over budget: {cause}")), "{log}");
        self.quiet_is_served();
    }
}

pub(crate) fn engine(instances_max: usize) -> Engine {
    let options = Engine::options().instances_max(instances_max);
    let options = options.cache(target_folder().join("tenants-cache"));
    options.start().expect("an engine")
}

pub(crate) fn load(
    tenant: &Tenant,
    name: &str,
    guest_name: &str,
    policy: Policy,
) -> Result<App, Skip> {
    let runtime = Runtime::new().expect("a runtime");
    let app = runtime.block_on(App::load_for(tenant, name, guest(guest_name)?, policy));
    Ok(app.expect("an application"))
}

pub(crate) fn request(host: &str, path: &str) -> Vec<u8> {
    let mut bytes = head("GET", host, path);
    bytes.extend(stdin(1, &[]));
    bytes
}

/// One that says something and then waits for its body.
pub(crate) fn held(host: &str) -> Vec<u8> {
    held_at(host, "/early")
}

pub(crate) fn held_at(host: &str, path: &str) -> Vec<u8> {
    head("POST", host, path)
}

fn head(method: &str, host: &str, path: &str) -> Vec<u8> {
    let mut list = get_params(path);
    list[0] = ("REQUEST_METHOD", method);
    list.retain(|(name, _)| *name != "HTTP_HOST");
    list.push(("HTTP_HOST", host));
    let mut bytes = begin(1, RESPONDER, true);
    bytes.extend(params(1, &list));
    bytes
}

#[track_caller]
pub(crate) fn release(mut held: Peer) {
    held.send(&stdin(1, b"rest\n"));
    assert!(held.answer(1).stdout.ends_with(b"rest\n"));
}
