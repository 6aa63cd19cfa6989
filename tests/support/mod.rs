//! What the tests are made with.

pub(crate) mod apache;
pub(crate) mod authorizer;
pub(crate) mod caddy;
pub(crate) mod certificate;
pub(crate) mod daemon;
pub(crate) mod example_build;
pub(crate) mod guest_build;
pub(crate) mod h2o;
pub(crate) mod haproxy;
pub(crate) mod hosting;
pub(crate) mod http_client;
pub(crate) mod lighttpd;
pub(crate) mod load;
pub(crate) mod local;
pub(crate) mod manual;
pub(crate) mod metrics;
pub(crate) mod nginx;
pub(crate) mod observed;
pub(crate) mod process;
pub(crate) mod script;
pub(crate) mod setting;
pub(crate) mod started;
pub(crate) mod two;
pub(crate) mod web_server;

use std::time::{Duration, Instant};

use libtest_mimic::{Completion, Trial};

/// How long a test waits for what has to happen. Nothing is said of how fast
/// it happens; only a test that would wait for ever fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A test that can not run here, and why.
#[derive(Debug)]
pub(crate) struct Skip(pub(crate) String);

/// What a test returns: it failed if it panicked.
pub(crate) type Outcome = Result<(), Skip>;

/// Lists the tests of a module. One that is left out is dead code, which the
/// compiler names.
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        pub(crate) fn tests() -> Vec<libtest_mimic::Trial> {
            vec![$($crate::support::trial(module_path!(), stringify!($name), $name)),*]
        }
    };
}

/// One test for the harness.
pub(crate) fn trial(
    module: &str,
    name: &str,
    test: impl FnOnce() -> Outcome + Send + 'static,
) -> Trial {
    let module = module.rsplit("::").next().unwrap_or(module);
    let must_run = std::env::var_os("FCGI_WASM_TESTS_REQUIRE_ALL").is_some();
    Trial::ignorable_test(format!("{module}::{name}"), move || match test() {
        Ok(()) => Ok(Completion::Completed),
        Err(Skip(reason)) if must_run => Err(format!("can not run here: {reason}").into()),
        Err(Skip(reason)) => Ok(Completion::ignored_with(reason)),
    })
}

/// Waits until something holds.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
