//! What all CGI programs have in common, whichever WASI they are made for:
//! environment, standard input and output, and how they end (RFC 3875).

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use tokio::time::timeout;
use wasmtime::{Engine, Result, Store};
use wasmtime_wasi::I32Exit;

use crate::cgi;
use crate::message::{Body, Fault, Request};
use crate::sandbox::cgi_io::{CgiInput, CgiOutput};
use crate::sandbox::grants::Program;
use crate::sandbox::guest::{Guest, Sandbox};
use crate::sandbox::incoming::Incoming;
use crate::sandbox::reply::Reply;

/// How a program ended, if it did not trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Success,
    Failure,
}

impl Ending {
    pub(super) fn of(ran: Result<(), ()>) -> Self {
        match ran {
            Ok(()) => Self::Success,
            Err(()) => Self::Failure,
        }
    }
}

/// How much of a body that comes without its length is awaited, bytes and time,
/// so that the program can be told a length: many read as much as CONTENT_LENGTH
/// says, and nothing without it (RFC 3875 §4.2). What is longer is streamed.
const AWAITED_BYTES_MAX: usize = 1024 * 1024;
const AWAITED_TIME_MAX: Duration = Duration::from_secs(5);

/// The store of a program's one run, and what it writes.
pub(super) async fn enter(
    sandbox: Sandbox,
    engine: &Engine,
    request: Request,
    reply: &Reply,
) -> (Store<Guest>, CgiOutput) {
    let output = CgiOutput::new(reply.clone());
    let mut variables = cgi::environment(&request.params);
    let mut input = Incoming::new(request.body);
    if cgi::content_length(&request.params).is_none() {
        let awaited = input.gather(AWAITED_BYTES_MAX);
        if let Ok(Some(bytes @ 1..)) = timeout(AWAITED_TIME_MAX, awaited).await {
            variables.push(("CONTENT_LENGTH".to_owned(), bytes.to_string()));
        }
    }
    let program = Program {
        name: name_of(&variables).to_owned(),
        input: CgiInput::new(input),
        output: output.clone(),
    };
    let mut store = sandbox.enter(engine, request.params, Body::default(), None);
    store.data_mut().set_program(program, variables);
    (store, output)
}

/// The program's name, by which it may refer to itself.
fn name_of(variables: &[(String, String)]) -> &str {
    let name = variables.iter().find(|(name, _)| name == "SCRIPT_NAME");
    match name {
        Some((_, path)) if !path.is_empty() => path,
        _ => "app",
    }
}

/// Runs a program to its end, and sees to it that its response gets one.
pub(super) async fn run(
    work: impl Future<Output = Result<Ending>>,
    output: CgiOutput,
    reply: &Reply,
) -> Result<()> {
    let mut work = pin!(work);
    let ran = poll_fn(|cx| {
        let ran = work.as_mut().poll(cx);
        if ran.is_pending() {
            output.pause();
        }
        ran
    })
    .await;
    let status = match ran {
        Ok(Ending::Success) => 0,
        Ok(Ending::Failure) => 1,
        Err(error) => match error.downcast_ref() {
            Some(I32Exit(status)) => *status,
            None => return Err(error),
        },
    };
    match (output.complaint(), status) {
        (None, 0) => {}
        // The response is there, whatever the program thinks of itself.
        (None, status) => {
            reply.break_off(Fault::Exited(status));
        }
        (Some(complaint), 0) => {
            reply.fail(complaint);
        }
        (Some(_), status) => return Err(I32Exit(status).into()),
    }
    Ok(())
}
