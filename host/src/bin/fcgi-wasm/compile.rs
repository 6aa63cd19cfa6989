//! `fcgi-wasm compile`.

use std::io::{stdin, stdout};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};
use fcgi_wasm::{App, Budget, Engine, Policy};

use crate::args::Compile;
use crate::engine;

pub(crate) fn run(args: &Compile) -> Result<ExitCode> {
    if args.cache.no_cache {
        bail!("--no-cache leaves nowhere to keep what is compiled");
    }
    let engine = engine::start(Engine::options().instances_max(1), &args.cache, &[])?;
    if !engine.has_cache() {
        bail!("there is no cache to keep what is compiled: name a folder (--cache)");
    }
    let runtime = tokio::runtime::Runtime::new()?;
    // Whoever serves it may allow more than is usual.
    let budget = Budget::strict().memory_max(u64::MAX);
    let policy = Policy::strict().memory_max(u64::MAX).budget(budget);
    for path in &args.apps {
        let started = Instant::now();
        let loading = async { Ok(App::load(&engine, path, policy.clone()).await?) };
        runtime.block_on(engine::with_progress(path, loading))?;
        let seconds = started.elapsed().as_secs_f32();
        tracing::info!("{} is ready to be served ({seconds:.1} s)", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// The process that compiles one component, for a server that is its parent.
pub(crate) fn run_for_server() -> Result<ExitCode> {
    Engine::compile_for_parent(stdin().lock(), stdout().lock())?;
    Ok(ExitCode::SUCCESS)
}
