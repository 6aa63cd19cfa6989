//! What all CGI programs have in common, whichever WASI they are made for:
//! environment, standard input and output, and how they end (RFC 3875).

use std::future::poll_fn;
use std::pin::pin;

use wasmtime::{Result, Store};
use wasmtime_wasi::I32Exit;

use crate::cgi;
use crate::message::{Body, Fault, Request};
use crate::sandbox::cgi_io::{CgiInput, CgiOutput};
use crate::sandbox::grants::Program;
use crate::sandbox::guest::{Guest, Sandbox};
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

/// The store of a program's one run, and what it writes.
pub(super) fn enter(
    sandbox: Sandbox,
    request: Request,
    reply: &Reply,
) -> (Store<Guest>, CgiOutput) {
    let output = CgiOutput::new(reply.clone());
    let program = Program {
        variables: cgi::environment(&request.params),
        input: CgiInput::new(request.body),
        output: output.clone(),
    };
    let mut store = sandbox.enter(request.params, Body::default(), None);
    store.data_mut().set_program(program);
    (store, output)
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
