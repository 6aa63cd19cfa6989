//! The method and the authority of requests that guests make: short ones.
//!
//! wasmtime takes them at any length and keeps them in our memory, as long as the
//! guest keeps the request and whether it sends it or not. Paths and schemes have
//! limits in the `http` crate, fields in the context.

use wasmtime::component::{Linker, Resource};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::{p2, p3};

use crate::sandbox::guest::Guest;
use crate::sandbox::runtime::Flavour;

/// The most bytes of each: so much do nginx and Apache take of a whole request
/// line. A host's name has at most 253.
const PART_BYTES_MAX: usize = 8 * 1024;

type Set = std::result::Result<(), ()>;

/// Puts the limit before what wasmtime has for this.
pub(in crate::sandbox) fn link(linker: &mut Linker<Guest>, flavour: Flavour) -> Result<()> {
    link_wasi02(linker)?;
    if flavour == Flavour::Concurrent {
        link_wasi03(linker)?;
    }
    Ok(())
}

fn is_long(text: &str) -> bool {
    text.len() > PART_BYTES_MAX
}

fn link_wasi02(linker: &mut Linker<Guest>) -> Result<()> {
    use p2::bindings::http::types::{HostOutgoingRequest, Method};
    use p2::types::HostOutgoingRequest as Request;

    let mut types = linker.instance("wasi:http/types@0.2.12")?;
    types.func_wrap(
        "[method]outgoing-request.set-method",
        |mut store: StoreContextMut<Guest>, (request, method): (Resource<Request>, Method)| {
            if matches!(&method, Method::Other(name) if is_long(name)) {
                return Ok((Set::Err(()),));
            }
            let mut http = store.data_mut().http();
            Ok((HostOutgoingRequest::set_method(&mut http, request, method)?,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-authority",
        |mut store: StoreContextMut<Guest>,
         (request, authority): (Resource<Request>, Option<String>)| {
            if authority.as_deref().is_some_and(is_long) {
                return Ok((Set::Err(()),));
            }
            let mut http = store.data_mut().http();
            let set = HostOutgoingRequest::set_authority(&mut http, request, authority)?;
            Ok((set,))
        },
    )
}

fn link_wasi03(linker: &mut Linker<Guest>) -> Result<()> {
    use p3::Request;
    use p3::bindings::http::types::{HostRequest, Method};

    let mut types = linker.instance("wasi:http/types@0.3.0")?;
    types.func_wrap(
        "[method]request.set-method",
        |mut store: StoreContextMut<Guest>, (request, method): (Resource<Request>, Method)| {
            if matches!(&method, Method::Other(name) if is_long(name)) {
                return Ok((Set::Err(()),));
            }
            let mut http = store.data_mut().http();
            Ok((HostRequest::set_method(&mut http, request, method)?,))
        },
    )?;
    types.func_wrap(
        "[method]request.set-authority",
        |mut store: StoreContextMut<Guest>,
         (request, authority): (Resource<Request>, Option<String>)| {
            if authority.as_deref().is_some_and(is_long) {
                return Ok((Set::Err(()),));
            }
            let mut http = store.data_mut().http();
            let set = HostRequest::set_authority(&mut http, request, authority)?;
            Ok((set,))
        },
    )
}
