//! The engine as the command line sets it, and loading with signs of progress.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use fcgi_wasm::{Compiler, Engine, EngineOptions, Observer};
use indicatif::{ProgressBar, ProgressStyle};

use crate::args::CacheArgs;

/// How long a load may take before a terminal is told what takes so long.
const PATIENCE: Duration = Duration::from_millis(300);

/// This program, even if its file was replaced meanwhile.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// Starts an engine with these options, and the cache that was asked for. The default
/// one is done without if it can not be used: a service may have no home.
pub(crate) fn start(
    options: EngineOptions,
    cache: &CacheArgs,
    observers: &[Arc<dyn Observer>],
) -> Result<Engine> {
    let mut options = options
        .cache_max(cache.cache_size.as_u64())
        .compiler(Compiler::new(
            OWN_PROGRAM,
            ["compile-for-server", "--quiet"],
        ));
    for observer in observers {
        options = options.observe(observer.clone());
    }
    if cache.no_cache {
        return Ok(options.start()?);
    }
    if let Some(folder) = &cache.cache {
        return Ok(options.cache(folder).start()?);
    }
    let Some(folder) = default_cache() else {
        tracing::warn!(
            "there is no cache: neither XDG_CACHE_HOME nor HOME is set, so each start compiles anew (see --cache)"
        );
        return Ok(options.start()?);
    };
    match options.clone().cache(folder).start() {
        Ok(engine) => Ok(engine),
        Err(error) => {
            tracing::warn!("{error}; each start compiles anew (see --cache)");
            Ok(options.start()?)
        }
    }
}

/// The folder that a unit of systemd names by `CacheDirectory=`, the first if
/// it names several, or that of the XDG Base Directory Specification.
fn default_cache() -> Option<PathBuf> {
    if let Some(folders) = std::env::var_os("CACHE_DIRECTORY") {
        let first = std::env::split_paths(&folders).next();
        return first.filter(|folder| folder.is_absolute());
    }
    let absolute = |name| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(caches.join("fcgi-wasm"))
}

/// Waits for work on a component; on a terminal a line says so.
pub(crate) async fn with_progress<T>(
    path: &Path,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let mut work = std::pin::pin!(work);
    if !std::io::stderr().is_terminal() {
        return work.await;
    }
    if let Ok(done) = tokio::time::timeout(PATIENCE, work.as_mut()).await {
        return done;
    }
    let line = ProgressBar::new_spinner().with_message(format!("compiling {}", path.display()));
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
        line.set_style(style);
    }
    line.enable_steady_tick(Duration::from_millis(100));
    let done = work.await;
    line.finish_and_clear();
    done
}
