//! The configuration file: many applications of many tenants in one process.
//!
//! [`keys`] is the list of all that can be written. [`reader`] reads files into
//! a [`Document`] of checked values that know where they come from, and [`planner`]
//! makes of it what the library is called with. What a person does wrong
//! anywhere is a [`Complaint`] with file, line and cure, all at once.

mod complaint;
mod document;
mod doubts;
mod keys;
mod needs;
mod plan;
mod planner;
mod policy;
mod policy_keys;
mod process;
mod process_keys;
mod reader;
mod rehearsal;
mod schema;
mod show;
mod table_keys;
mod values;

use std::io::{ErrorKind, Write, stderr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, anyhow};

use fcgi_wasm::printable;

use crate::args::{Config, ConfigCommand};
use complaint::Complaint;
pub(crate) use document::Document;
pub(crate) use needs::needs;
pub(crate) use plan::{App, Documents, Listen, Log, Plan, Server, Socket, Tenant};
use planner::plan;

/// `fcgi-wasm config`.
pub(crate) fn run(args: &Config) -> Result<ExitCode> {
    let text = match &args.command {
        ConfigCommand::Check(file) => {
            let plan = load(&file.path)?;
            let mut found = rehearsal::rehearse(&plan);
            found.doubts.extend(doubts::doubts(&plan));
            warn(found.doubts);
            found.faults.extend(plan.missing.iter().cloned());
            if !found.faults.is_empty() {
                return Err(all(found.faults));
            }
            let path = file.path.display();
            let (sockets, apps) = (plan.sockets.len(), plan.apps.len());
            let (roots, tenants) = (plan.documents.len(), plan.tenants.len());
            format!(
                "{path} is sound: sockets: {sockets}, applications: {apps}, document roots: \
                 {roots}, tenants: {tenants}\n"
            )
        }
        ConfigCommand::Show(file) => show::show(&read(&file.path)?),
        ConfigCommand::Schema => format!("{:#}\n", schema::schema()),
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        // Who reads it may have seen enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Tells what is no error, a line each.
fn warn(mut doubts: Vec<Complaint>) {
    doubts.sort_by(Complaint::in_order);
    for doubt in doubts {
        // Nobody may read it, which is no error either.
        let _ = writeln!(stderr(), "warning: {}", printable(&doubt.to_string()));
    }
}

/// Reads a configuration, and checks all that can be without serving it.
pub(crate) fn load(path: &Path) -> Result<Plan> {
    plan(read(path)?).map_err(all)
}

/// Where a configuration wants the log, which is to be there before anything
/// else: whoever reads all of it tells what is wrong.
pub(crate) fn log(path: &Path) -> Log {
    std::path::absolute(path)
        .map(|path| process::log(&reader::read_main(&path)))
        .unwrap_or_default()
}

fn read(path: &Path) -> Result<Document> {
    let path: PathBuf = std::path::absolute(path)?;
    reader::read(&path).map_err(all)
}

/// All complaints, a line each.
fn all(mut complaints: Vec<Complaint>) -> anyhow::Error {
    complaints.sort_by(Complaint::in_order);
    let lines: Vec<_> = complaints.iter().map(Complaint::to_string).collect();
    anyhow!("{}", lines.join("\n"))
}

#[cfg(test)]
mod tests;
