//! `fcgi-wasm status`.

pub(crate) mod fetch;
pub(crate) mod table;

use std::io::{Write, stdout};
use std::process::ExitCode;

use anyhow::Result;

use crate::args::Status;

pub(crate) fn run(args: &Status) -> Result<ExitCode> {
    let text = fetch::status(&args.server)?;
    let mut out = stdout().lock();
    if args.json {
        writeln!(out, "{text}")?;
    } else {
        let status = fetch::parse(&text)?;
        for line in table::lines(&status, usize::MAX) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
