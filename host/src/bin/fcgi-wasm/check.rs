//! `fcgi-wasm check`.

use std::io::{Write, stdout};
use std::process::ExitCode;

use anyhow::Result;
use bytesize::ByteSize;
use fcgi_wasm::{Engine, Inspection, Role, printable};

use crate::args::Check;
use crate::engine;

pub(crate) fn run(args: &Check) -> Result<ExitCode> {
    let engine = engine::start(Engine::options().instances_max(1), &args.cache, &[])?;
    let runtime = tokio::runtime::Runtime::new()?;
    let path = args.app.clone();
    let inspecting = async move {
        let inspecting = tokio::task::spawn_blocking(move || Inspection::of_file(&engine, &path));
        Ok(inspecting.await??)
    };
    let inspection = runtime.block_on(engine::with_progress(&args.app, inspecting))?;
    write(&inspection, &mut stdout().lock())?;
    Ok(match inspection.problem {
        None => ExitCode::SUCCESS,
        Some(_) => ExitCode::FAILURE,
    })
}

fn write(inspection: &Inspection, out: &mut impl Write) -> std::io::Result<()> {
    let contract = inspection.contract.unwrap_or("none that is known here");
    writeln!(out, "contract   {contract}")?;
    if !inspection.roles.is_empty() {
        let roles: Vec<_> = inspection.roles.iter().map(Role::to_string).collect();
        writeln!(out, "roles      {}", roles.join(", "))?;
    }
    writeln!(out, "size       {}", ByteSize(inspection.file_bytes))?;
    if let Some(bytes) = inspection.memory_bytes_initial {
        writeln!(out, "memory     {} at the start", ByteSize(bytes))?;
    }
    for (index, export) in inspection.exports.iter().enumerate() {
        let label = if index == 0 { "exports" } else { "" };
        writeln!(out, "{label:<10} {}", printable(export))?;
    }
    for (index, import) in inspection.imports.iter().enumerate() {
        let label = if index == 0 { "imports" } else { "" };
        let verdict = match import.grant {
            Some(grant) => format!("provided: {grant}"),
            None => "NOT PROVIDED".to_owned(),
        };
        let name = printable(&import.name);
        writeln!(out, "{label:<10} {name:<45} {verdict}")?;
    }
    match &inspection.problem {
        None => writeln!(out, "\nIt can be served."),
        Some(problem) => writeln!(out, "\nIt can not be served: {}", printable(problem)),
    }
}
