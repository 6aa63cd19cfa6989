//! The command `fcgi-wasm`: reads the command line and calls the library.

mod accounts;
mod args;
mod check;
mod compile;
mod conf;
mod config;
mod descriptors;
mod doctor;
mod engine;
mod hosting;
mod log;
mod manual;
mod memory;
mod new;
mod observing;
mod reach;
mod reload;
mod request;
mod serve;
mod signals;
mod starter;
mod status;
mod systemd;
mod top;

use std::process::ExitCode;

use anyhow::Result;
use args::{Args, Command};
use clap::Parser;

/// A request allocates some hundred times, and a CGI program's several hundred:
/// against the C library's allocator this saves 5 % of its processor time, and
/// of a CGI program's 17 %.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse_from(args::with_command(std::env::args_os()));
    let wanted = match &args.command {
        Command::Serve(serve) => serve.config.as_deref().map(config::log),
        _ => None,
    };
    let outcome = log::start(
        &args.log,
        args.command.default_log(),
        args.command.log_place(),
        wanted.unwrap_or_default(),
    );
    let outcome = outcome.and_then(|()| run(args.command));
    outcome.unwrap_or_else(|error| {
        log::fail(&error);
        ExitCode::FAILURE
    })
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Serve(serve) => serve::run(*serve),
        Command::Config(config) => config::run(&config),
        Command::Reload(reload) => reload::run(&reload),
        Command::Check(check) => check::run(&check),
        Command::Compile(compile) => compile::run(&compile),
        Command::Request(request) => request::run(*request),
        Command::Conf(conf) => conf::run(&conf),
        Command::Doctor(doctor) => doctor::run(&doctor),
        Command::ConnectAs(as_whom) => reach::run(&as_whom),
        Command::Status(status) => status::run(&status),
        Command::Top(top) => top::run(top),
        Command::New(new) => new::run(&new),
        Command::Completions(completions) => Ok(manual::completions(&completions)),
        Command::Man(man) => manual::pages(&man),
        Command::CompileForServer => compile::run_for_server(),
    }
}
