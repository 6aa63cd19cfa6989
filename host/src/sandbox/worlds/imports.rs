//! What guests may import, whatever their world.

use std::error::Error;

use wasmtime::component::Resource;
use wasmtime::{Result, StoreContextMut, component};
use wasmtime_wasi::p2::DynOutputStream;
use wasmtime_wasi::p2::bindings::io::streams::{Host as _, HostOutputStream as _};
use wasmtime_wasi::{TrappableError, WasiView};
use wasmtime_wasi_config::WasiConfig;

use super::native_imports;
use crate::sandbox::guest::{CONCURRENT_WRITE_BYTES_MAX, Guest};
use crate::sandbox::outbound::parts;
use crate::sandbox::runtime::Flavour;
use crate::sandbox::{folders, logging, names, sockets, waits};

/// All imports that components are given. What an application was not granted
/// is refused when it is used, not when it is loaded: real components import
/// much that they never call.
pub(in crate::sandbox) fn link(
    engine: &wasmtime::Engine,
    flavour: Flavour,
) -> Result<component::Linker<Guest>> {
    let mut linker = component::Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    if flavour == Flavour::Concurrent {
        wasmtime_wasi::p3::add_to_linker(&mut linker)?;
        wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    }
    wasmtime_wasi_config::add_to_linker(&mut linker, |guest: &mut Guest| {
        WasiConfig::from(guest.settings())
    })?;
    // These stand before, or in the place of, what was linked above.
    linker.allow_shadowing(true);
    folders::link(&mut linker, flavour)?;
    names::link(&mut linker, flavour)?;
    parts::link(&mut linker, flavour)?;
    sockets::link(&mut linker, flavour)?;
    waits::link(&mut linker, flavour)?;
    link_environment(&mut linker, flavour)?;
    if flavour == Flavour::Concurrent {
        link_check_write(&mut linker)?;
    }
    linker.allow_shadowing(false);
    logging::link(&mut linker)?;
    native_imports::link(&mut linker)?;
    Ok(linker)
}

/// What a function of wasmtime's did, as the guest is told it: an error that is none for
/// the guest ends it.
pub(in crate::sandbox) fn as_told<T, E>(done: Result<T, TrappableError<E>>) -> Result<Result<T, E>>
where
    E: Error + Send + Sync + 'static,
{
    match done {
        Ok(done) => Ok(Ok(done)),
        Err(error) => Ok(Err(error.downcast()?)),
    }
}

/// In the place of wasmtime's, whose state would have to be given a copy of all
/// variables, and hands the guest a copy of that.
fn link_environment(linker: &mut component::Linker<Guest>, flavour: Flavour) -> Result<()> {
    let interfaces: &[&str] = match flavour {
        Flavour::Concurrent => &["wasi:cli/environment@0.2.12", "wasi:cli/environment@0.3.0"],
        Flavour::Plain => &["wasi:cli/environment@0.2.12"],
    };
    for interface in interfaces {
        linker.instance(interface)?.func_wrap(
            "get-environment",
            |mut store: StoreContextMut<Guest>, (): ()| Ok((store.data_mut().environment(),)),
        )?;
    }
    Ok(())
}

/// What a stream takes at once of a guest that hands over no more in one call.
fn link_check_write(linker: &mut component::Linker<Guest>) -> Result<()> {
    linker.instance("wasi:io/streams@0.2.12")?.func_wrap(
        "[method]output-stream.check-write",
        |mut store: StoreContextMut<Guest>, (stream,): (Resource<DynOutputStream>,)| {
            let table = store.data_mut().ctx().table;
            Ok((match table.check_write(stream) {
                Ok(bytes) => Ok(bytes.min(CONCURRENT_WRITE_BYTES_MAX as u64)),
                Err(error) => Err(table.convert_stream_error(error)?),
            },))
        },
    )
}

/// All imports that modules are given.
pub(in crate::sandbox) fn link_modules(
    engine: &wasmtime::Engine,
) -> Result<wasmtime::Linker<Guest>> {
    let mut linker = wasmtime::Linker::new(engine);
    wasmtime_wasi::p1::add_to_linker_async(&mut linker, Guest::wasi_0_1)?;
    linker.allow_shadowing(true);
    folders::link_modules(&mut linker)?;
    linker.allow_shadowing(false);
    Ok(linker)
}
