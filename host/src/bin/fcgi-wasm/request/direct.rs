//! A request straight to a component, in this process.

use std::path::Path;

use anyhow::Result;
use bytes::BytesMut;
use fcgi_wasm::cgi::{self, ToCome};
use fcgi_wasm::{App, Body, Engine, Fault, Handler, Params, Response, Role};
use http_body::Frame;
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
            journal.say(&fault.to_string());
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

/// Shows the response, and gives the fault if it failed: what a front-end sends, and what
/// it refuses.
async fn answer_with(
    app: &App,
    request: fcgi_wasm::Request,
    answer: &mut Answer,
) -> Result<Option<Fault>> {
    let number = request.journal.number();
    let role = request.role;
    let is_head = request.params.get("REQUEST_METHOD") == Some(b"HEAD");
    let checked = match cgi::check(role, &request.params) {
        Ok(()) => app.handle(request).await,
        Err(fault) => Err(fault),
    };
    let written = checked.and_then(|mut response| {
        let head = head(role, &mut response, is_head)?;
        Ok((head, response))
    });
    let (head, mut response, fault) = match written {
        Ok((head, response)) => (head, response, None),
        Err(fault) => {
            let page = fault.page(number);
            let mut head = BytesMut::new();
            cgi::write_head(page.status, &page.headers, &mut head);
            (head, page, Some(fault))
        }
    };
    answer.stdout(&head)?;
    if is_head || response.leave.is_some() || !cgi::may_have_body(response.status) {
        // Nobody gets it, but the application comes to its end.
        while let Some(Ok(_)) = response.body.frame().await {}
        return Ok(fault);
    }
    let mut to_come = ToCome::of(&response.headers);
    while let Some(frame) = response.body.frame().await {
        let mut bytes = match frame.map(Frame::into_data) {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(_trailers)) => continue,
            Err(fault) => return Ok(Some(fault)),
        };
        let taken = to_come.take(&mut bytes);
        answer.stdout(&bytes)?;
        if let Err(fault) = taken {
            return Ok(Some(fault));
        }
    }
    Ok(to_come.end().err().or(fault))
}

fn head(role: Role, response: &mut Response, is_head: bool) -> Result<BytesMut, Fault> {
    if role == Role::Authorizer {
        if let Some(variables) = &response.leave {
            let mut head = BytesMut::new();
            cgi::write_leave(variables, &mut head).map_err(Fault::BadResponse)?;
            return Ok(head);
        }
        cgi::refuse_success(response);
    }
    cgi::response_head(response, is_head)
}
