//! `fcgi-wasm conf`: configurations for web servers and process managers,
//! printed and checked.

mod check;
mod print;
mod unit;

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::args::Conf;
pub(crate) use unit::is_configuration;

/// What to set HAProxy's `tune.bufsize` to, bytes: heads of some 60 KiB fit
/// then, and uploads pass, which over 65543 they do not (2.6).
const HAPROXY_BYTES: usize = 65_536;

pub(crate) fn run(args: &Conf) -> Result<ExitCode> {
    if let Some(file) = &args.check {
        return check::run(args, file);
    }
    let kind = args.kind.context("say for what: nginx, apache and so on")?;
    print::run(args, kind)?;
    Ok(ExitCode::SUCCESS)
}
