//! `fcgi-wasm doctor`: what a web server would find at a socket, step by step.

mod examination;
mod report;
mod talk;

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use crate::args::Doctor;
use crate::reach::Visitor;
use examination::{check_access, connect_tcp, connect_unix, examine, find_socket};
use report::Report;

pub(crate) fn run(args: &Doctor) -> Result<ExitCode> {
    let mut report = Report::new();
    let path = Path::new(&args.target);
    match args.target.to_socket_addrs() {
        Ok(found) if !path.exists() => {
            let addresses: Vec<SocketAddr> = found.collect();
            examine(&mut report, args, &mut || connect_tcp(&addresses))?;
        }
        _ if find_socket(&mut report, path)? => {
            let visitor = Visitor::find(args.user.as_deref())?;
            check_access(&mut report, path, visitor.as_ref())?;
            examine(&mut report, args, &mut || connect_unix(path))?;
        }
        _ => {}
    }
    Ok(match report.has_failed() {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}
