//! A request straight to a component, in this process.

use std::path::Path;

use anyhow::Result;
use bytes::BytesMut;
use fcgi_wasm::{App, Body, Engine, Fault, Handler, Params, Response, Role, cgi};
use http_body_util::BodyExt;

use super::answer::Answer;
use super::said::Streams;
use crate::args::Request;
use crate::engine;

pub(crate) async fn ask(
    path: &Path,
    args: &Request,
    params: Params,
    streams: Streams,
    answer: &mut Answer,
) -> Result<()> {
    let engine = engine::start(Engine::options().instances_max(1), &args.cache, &[])?;
    let loading = async { Ok(App::load(&engine, path, args.about.policy()).await?) };
    let app = engine::with_progress(path, loading).await?;
    let mut request = fcgi_wasm::Request {
        role: args.role,
        params,
        body: Body::from(streams.body),
        data: Body::from(streams.file),
        ..fcgi_wasm::Request::default()
    };
    if args.role == Role::Authorizer {
        cgi::authorizer_params(&mut request.params);
    }
    let journal = request.journal.clone();
    answer.start();
    let outcome = answer_with(&app, request, answer).await;
    let app_status = match &outcome {
        Ok(None) => 0,
        Ok(Some(fault)) => {
            journal.say(&format!("fcgi-wasm: {fault}"));
            fault.app_status()
        }
        Err(_) => 1,
    };
    answer.end(app_status);
    app.drained().await;
    answer.stderr(&journal.take_messages());
    answer.cost(journal.usage());
    outcome.map(drop)
}

/// Shows the response, and gives the fault if it failed.
async fn answer_with(
    app: &App,
    request: fcgi_wasm::Request,
    answer: &mut Answer,
) -> Result<Option<Fault>> {
    let number = request.journal.number();
    let role = request.role;
    let checked = match cgi::check(role, &request.params) {
        Ok(()) => app.handle(request).await,
        Err(fault) => Err(fault),
    };
    let mut head = BytesMut::new();
    let written = checked.and_then(|mut response| {
        write_head(role, &mut response, &mut head)?;
        Ok(response)
    });
    let (mut response, mut fault) = match written {
        Ok(response) => (response, None),
        Err(fault) => {
            let page = fault.page(number);
            head.clear();
            cgi::write_head(page.status, &page.headers, &mut head);
            (page, Some(fault))
        }
    };
    answer.stdout(&head)?;
    while let Some(frame) = response.body.frame().await {
        match frame.map(http_body::Frame::into_data) {
            Ok(Ok(bytes)) => answer.stdout(&bytes)?,
            Ok(Err(_trailers)) => {}
            Err(reason) => {
                fault = Some(reason);
                break;
            }
        }
    }
    Ok(fault)
}

/// As a front-end sends it.
fn write_head(role: Role, response: &mut Response, head: &mut BytesMut) -> Result<(), Fault> {
    if role == Role::Authorizer {
        if let Some(variables) = &response.leave {
            return cgi::write_leave(variables, head).map_err(Fault::BadResponse);
        }
        cgi::refuse_success(response);
    }
    cgi::write_head(response.status, &response.headers, head);
    Ok(())
}
