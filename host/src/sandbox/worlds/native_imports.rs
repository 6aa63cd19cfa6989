//! What the native contract gives its guests to call (guest-sdk/wit/app.wit): the
//! request, a filter's file, the response.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use wasmtime::component::{ComponentType, Lift, Linker, LinkerInstance, Lower, WasmList};
use wasmtime::{AsContext, Result, StoreContextMut};

use crate::cgi;
use crate::message::BodyError;
use crate::sandbox::guest::Guest;

/// How much of a body is taken from a guest's memory at a time, bytes: so much
/// of ours does even the largest write take.
const WRITE_BYTES: usize = 64 * 1024;

/// The most header fields of a response. Apache refuses over 100, nginx and
/// the others over what fits into their buffers.
const FIELDS_MAX: usize = 1024;

/// How much of a header's name a complaint quotes, bytes: a guest can give it one
/// as large as its memory.
const QUOTED_BYTES_MAX: usize = 256;

/// How much of its body a filter can leave unread when it turns to its file, and
/// still read afterwards, bytes. Both come on the same connection, the body
/// first (FastCGI §6.4).
const BODY_KEPT_BYTES_MAX: usize = 1024 * 1024;

/// Adds the imports of the contract. They are linked by hand because this way
/// a body goes from the guest's memory to ours, or back, in one copy.
pub(super) fn link(linker: &mut Linker<Guest>) -> Result<()> {
    linker.instance("fcgi-wasm:app/types@0.1.0")?;
    link_request(&mut linker.instance("fcgi-wasm:app/request@0.1.0")?)?;
    link_source(&mut linker.instance("fcgi-wasm:app/source@0.1.0")?)?;
    link_response(&mut linker.instance("fcgi-wasm:app/response@0.1.0")?)
}

/// `fields`
pub(super) type Fields = Vec<(String, Vec<u8>)>;

/// `body-error`
#[derive(Clone, Copy, ComponentType, Lift, Lower)]
#[component(enum)]
#[repr(u8)]
enum WitBodyError {
    #[component(name = "incomplete")]
    Incomplete,
    #[component(name = "too-large")]
    TooLarge,
}

impl From<BodyError> for WitBodyError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Incomplete => Self::Incomplete,
            BodyError::TooLarge => Self::TooLarge,
        }
    }
}

fn link_request(request: &mut LinkerInstance<Guest>) -> Result<()> {
    request.func_wrap("method", |store: StoreContextMut<Guest>, ()| {
        let method = store.data().params.text("REQUEST_METHOD");
        Ok((method.unwrap_or_default().into_owned(),))
    })?;
    request.func_wrap("target", |store: StoreContextMut<Guest>, ()| {
        // The front-end refused requests that have none.
        Ok((cgi::target(&store.data().params).unwrap_or_default(),))
    })?;
    request.func_wrap("headers", |store: StoreContextMut<Guest>, ()| {
        let headers = cgi::request_headers(&store.data().params);
        let fields = headers
            .into_iter()
            .map(|(name, value)| (name, value.into_owned()));
        Ok((fields.collect::<Fields>(),))
    })?;
    request.func_wrap(
        "header",
        |store: StoreContextMut<Guest>, (name,): (String,)| {
            Ok((cgi::request_header(&store.data().params, &name),))
        },
    )?;
    request.func_wrap("params", |store: StoreContextMut<Guest>, ()| {
        let params = store.data().params.iter();
        let of_web_server = params.filter(|(name, _)| !cgi::is_client_header(name));
        let fields = of_web_server.filter_map(|(name, value)| {
            Some((str::from_utf8(name).ok()?.to_owned(), value.to_vec()))
        });
        Ok((fields.collect::<Fields>(),))
    })?;
    request.func_wrap(
        "param",
        |store: StoreContextMut<Guest>, (name,): (String,)| {
            let is_of_web_server = !cgi::is_client_header(name.as_bytes());
            let value = is_of_web_server
                .then(|| store.data().params.text(&name))
                .flatten();
            Ok((value.map(Cow::into_owned),))
        },
    )?;
    request.func_wrap_async(
        "read",
        |mut store: StoreContextMut<Guest>, (max,): (u32,)| {
            Box::new(async move {
                let bytes = store.data_mut().body.read(max as usize).await;
                Ok((bytes.map_err(WitBodyError::from),))
            })
        },
    )
}

/// Guests in other roles have no file: it is empty, and of 1970.
fn link_source(source: &mut LinkerInstance<Guest>) -> Result<()> {
    source.func_wrap("last-modified", |store: StoreContextMut<Guest>, ()| {
        let seconds = cgi::data_last_modified(&store.data().params);
        Ok((seconds.unwrap_or_default(),))
    })?;
    source.func_wrap("length", |store: StoreContextMut<Guest>, ()| {
        let bytes = cgi::data_length(&store.data().params);
        Ok((bytes.unwrap_or_default(),))
    })?;
    source.func_wrap_async(
        "read",
        |mut store: StoreContextMut<Guest>, (max,): (u32,)| {
            Box::new(async move {
                let guest = store.data_mut();
                guest.body.set_aside(BODY_KEPT_BYTES_MAX).await;
                let bytes = guest.source.read(max as usize).await;
                Ok((bytes.map_err(WitBodyError::from),))
            })
        },
    )
}

fn link_response(response: &mut LinkerInstance<Guest>) -> Result<()> {
    response.func_wrap(
        "start",
        |store: StoreContextMut<Guest>, (status, fields): (u16, Fields)| {
            let reply = store.data().reply.as_ref();
            let started = response_head(status, fields).and_then(|(status, headers)| {
                reply.ok_or_else(not_this_way)?.start(status, headers)
            });
            Ok((started,))
        },
    )?;
    response.func_wrap_async(
        "write",
        |store: StoreContextMut<Guest>, (bytes,): (WasmList<u8>,)| {
            Box::new(async move { Ok((write(store, bytes).await,)) })
        },
    )?;
    response.func_wrap_async("flush", |store: StoreContextMut<Guest>, ()| {
        Box::new(async move {
            let Some(reply) = store.data().reply.clone() else {
                return Ok((Err(()),));
            };
            reply.flush();
            Ok((reply.ready().await.map_err(drop),))
        })
    })?;
    response.func_wrap_async("finish", |store: StoreContextMut<Guest>, ()| {
        Box::new(async move {
            let Some(reply) = store.data().reply.clone() else {
                return Ok((Err(()),));
            };
            let is_read = reply.ready().await.map_err(drop);
            reply.finish();
            Ok((is_read,))
        })
    })
}

fn not_this_way() -> String {
    "this component exports another contract, and answers as that one has it".to_owned()
}

/// A guest that is waiting in this call can not change its memory meanwhile.
async fn write(store: StoreContextMut<'_, Guest>, bytes: WasmList<u8>) -> Result<(), ()> {
    let reply = store.data().reply.clone().ok_or(())?;
    let mut written = 0;
    loop {
        let all = bytes.as_le_slice(store.as_context());
        let end = all.len().min(written + WRITE_BYTES);
        reply.append(&all[written..end]);
        reply.ready().await.map_err(drop)?;
        written = end;
        if written == all.len() {
            return Ok(());
        }
    }
}

fn response_head(status: u16, fields: Fields) -> Result<(StatusCode, HeaderMap), String> {
    let status = StatusCode::from_u16(status)
        .map_err(|_| format!("the status {status} is none from 200 to 599"))?;
    let too_many = || format!("there are over {FIELDS_MAX} headers");
    if fields.len() > FIELDS_MAX {
        return Err(too_many());
    }
    let mut headers = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields {
        let quoted = &name[..name.floor_char_boundary(QUOTED_BYTES_MAX)];
        let illegal = |what| format!("the header {quoted:?} has {what} that is not legal in HTTP");
        let legal_name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| illegal("a name"))?;
        let value =
            HeaderValue::from_maybe_shared(Bytes::from(value)).map_err(|_| illegal("a value"))?;
        headers
            .try_append(legal_name, value)
            .map_err(|_| too_many())?;
    }
    Ok((status, headers))
}
