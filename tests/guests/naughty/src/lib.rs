//! Misbehaves by path, for the tests: an application of the native contract.

mod bodies;
mod faults;
mod surroundings;

use std::sync::atomic::{AtomicU32, Ordering};

use fcgi_wasm_sdk::prelude::*;

/// Would count requests, if an instance ever saw a second one.
static COUNT: AtomicU32 = AtomicU32::new(0);

#[handler]
fn app(request: Request) -> Result<Response> {
    let path = request.path_info().to_string();
    let (first, rest) = match path.trim_start_matches('/').split_once('/') {
        Some((first, rest)) => (first, rest.to_owned()),
        None => (path.trim_start_matches('/'), String::new()),
    };
    let number = || rest.parse().unwrap_or(0);
    match first {
        "hello" => "hello\n".into_response(),
        "count" => format!("{}\n", COUNT.fetch_add(1, Ordering::SeqCst) + 1).into_response(),
        "status" => StatusCode::from_u16(number() as u16)?.into_response(),

        "spin" => faults::spin(),
        "sleep" => faults::sleep(),
        "grow" => faults::grow(),
        "recurse" => faults::recurse(number()).to_string().into_response(),
        "trap" => panic!("as asked"),
        "exit" => std::process::exit(number() as i32),
        "fail" => Err("disk full, as asked".into()),
        "fail-long" => Err("forged\n".repeat(number() as usize).into()),
        "half" => faults::half(),
        "half-fail" => faults::half_fail(),
        "late-trap" => faults::late_trap(),
        "work-on" => faults::work_on(),
        "work-on-for-ever" => faults::work_on_for_ever(),

        "echo" => bodies::echo(request),
        "upload" => bodies::upload(request),
        "swallow" => bodies::swallow(request),
        "download" => bodies::download(number()),
        "whole" => vec![b'x'; number() as usize].into_response(),
        "early" => bodies::early(request),
        "first-then-sleep" => bodies::first_then_sleep(),
        "never-reads" => faults::sleep(),
        "never-ends" => bodies::never_ends(),
        "pieces" => bodies::pieces(number()),

        "send-file" => match request.uri().query() {
            Some(path) => Ok(Response::send_file(path)),
            None => Ok(Response::send_file(format!("/{rest}"))),
        },

        "params" => surroundings::params(&request),
        "target" => request.uri().to_string().into_response(),
        "headers" => surroundings::headers(&request),
        "world" => surroundings::world(),
        "log" => surroundings::log(number()),
        "commands" => surroundings::commands(),
        "many-headers" => surroundings::many_headers(number()),
        "wide-head" => surroundings::wide_head(number()),
        "cookies" => surroundings::cookies(),
        "big-head" => surroundings::big_head(number()),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}
