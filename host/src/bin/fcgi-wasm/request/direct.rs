//! A request straight to a component, in this process.

use std::path::Path;

use anyhow::Result;
use bytes::BytesMut;
use fcgi_wasm::{App, Body, Fault, Handler, Params, cgi};
use http_body_util::BodyExt;

use super::answer::Answer;
use crate::args::Request;
use crate::engine;

pub(crate) async fn ask(
    path: &Path,
    args: &Request,
    params: Params,
    body: Vec<u8>,
    answer: &mut Answer,
) -> Result<()> {
    let engine = engine::start(&args.cache, 1)?;
    let loading = async { Ok(App::load(&engine, path, args.about.policy()).await?) };
    let app = engine::with_progress(path, loading).await?;
    let request = fcgi_wasm::Request {
        params,
        body: Body::from(body),
        ..fcgi_wasm::Request::default()
    };
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
    let checked = match cgi::check(&request.params) {
        Ok(()) => app.handle(request).await,
        Err(fault) => Err(fault),
    };
    let (mut response, mut fault) = match checked {
        Ok(response) => (response, None),
        Err(fault) => (fault.page(number), Some(fault)),
    };
    let mut head = BytesMut::new();
    cgi::write_head(response.status, &response.headers, &mut head);
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
