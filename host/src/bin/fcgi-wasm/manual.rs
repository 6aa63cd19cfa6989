//! `fcgi-wasm completions` and `fcgi-wasm man`: made from what `--help` says.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::CommandFactory;

use crate::args::{Args, Completions, Man};

pub(crate) fn completions(args: &Completions) -> ExitCode {
    let mut command = Args::command();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "fcgi-wasm", &mut script);
    match std::io::Write::write_all(&mut std::io::stdout(), &script) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

pub(crate) fn pages(args: &Man) -> Result<ExitCode> {
    let shown = args.folder.display();
    std::fs::create_dir_all(&args.folder).with_context(|| format!("cannot make {shown}"))?;
    let written = clap_mangen::generate_to(Args::command(), &args.folder);
    written.with_context(|| format!("cannot write to {shown}"))?;
    Ok(ExitCode::SUCCESS)
}
