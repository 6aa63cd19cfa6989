//! The command `fcgi-wasm`: reads the command line and calls the library.

mod args;
mod check;
mod compile;
mod conf;
mod doctor;
mod engine;
mod log;
mod manual;
mod new;
mod reach;
mod request;
mod serve;

use std::process::ExitCode;

use args::{Args, Command};
use clap::Parser;

fn main() -> ExitCode {
    let args = Args::parse();
    log::start(&args.log, args.command.default_log());
    let outcome = match args.command {
        Command::Serve(serve) => serve::run(serve),
        Command::Check(check) => check::run(&check),
        Command::Compile(compile) => compile::run(&compile),
        Command::Request(request) => request::run(request),
        Command::Conf(conf) => conf::run(&conf),
        Command::Doctor(doctor) => doctor::run(&doctor),
        Command::ConnectAs(as_whom) => reach::run(&as_whom),
        Command::New(new) => new::run(&new),
        Command::Completions(completions) => Ok(manual::completions(&completions)),
        Command::Man(man) => manual::pages(&man),
    };
    outcome.unwrap_or_else(|error| {
        log::fail(&error);
        ExitCode::FAILURE
    })
}
