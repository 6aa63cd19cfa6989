//! Names of the imports that guests wait in, for the slow log.
//!
//! A guest that waits can not be asked where it is: it is the host's work that is
//! polled. So those imports in which most of the waiting is done say their names,
//! at the first poll in which they are not ready; before that nobody pays for it.

use std::borrow::Cow;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use wasmtime::component::{Accessor, Linker, Resource, WasmList};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::p2::bindings::io::poll::{Host as _, HostPollable as _};
use wasmtime_wasi::p2::bindings::io::streams::{Host as _, HostInputStream as _, StreamError};
use wasmtime_wasi::p2::{DynInputStream, DynPollable};
use wasmtime_wasi::p3::bindings::clocks::monotonic_clock::HostWithStore as _;

use super::guest::{Guest, HANDLES_MAX};
use super::runtime::Flavour;
use crate::message::Journal;

/// Does this, and notes in the journal that the guest waits for it while it is
/// not ready.
pub(super) async fn named<T>(
    journal: &Arc<Journal>,
    name: impl FnOnce() -> Cow<'static, str>,
    work: impl Future<Output = T>,
) -> T {
    let mut work = pin!(work);
    let mut name = Some(name);
    let mut wait = None;
    poll_fn(|cx| {
        let poll = work.as_mut().poll(cx);
        if poll.is_pending()
            && let Some(name) = name.take()
        {
            wait = journal.waits_for(name());
        }
        poll
    })
    .await
}

/// Puts those that have names in the place of wasmtime's.
pub(super) fn link(linker: &mut Linker<Guest>, flavour: Flavour) -> Result<()> {
    link_poll(linker)?;
    link_streams(linker)?;
    match flavour {
        Flavour::Concurrent => link_clock(linker),
        Flavour::Plain => Ok(()),
    }
}

fn link_poll(linker: &mut Linker<Guest>) -> Result<()> {
    let mut poll = linker.instance("wasi:io/poll@0.2.12")?;
    poll.func_wrap_async(
        "poll",
        |mut store: StoreContextMut<Guest>, (list,): (WasmList<Resource<DynPollable>>,)| {
            Box::new(async move {
                // One that is borrowed may stand there any number of times.
                if list.len() > HANDLES_MAX {
                    wasmtime::bail!("it polls more than {HANDLES_MAX} at a time");
                }
                let list = list.iter(&mut store)?.collect::<Result<Vec<_>>>()?;
                let journal = store.data().journal().clone();
                let polled = store.data_mut().ctx().table.poll(list);
                Ok((named(&journal, || "wasi:io/poll#poll".into(), polled).await?,))
            })
        },
    )?;
    poll.func_wrap_async(
        "[method]pollable.block",
        |mut store: StoreContextMut<Guest>, (pollable,): (Resource<DynPollable>,)| {
            Box::new(async move {
                let journal = store.data().journal().clone();
                let block = store.data_mut().ctx().table.block(pollable);
                named(&journal, || "wasi:io/poll#pollable.block".into(), block).await
            })
        },
    )
}

fn link_streams(linker: &mut Linker<Guest>) -> Result<()> {
    let mut streams = linker.instance("wasi:io/streams@0.2.12")?;
    streams.func_wrap_async(
        "[method]input-stream.blocking-read",
        |mut store: StoreContextMut<Guest>, (stream, most): (Resource<DynInputStream>, u64)| {
            Box::new(async move {
                let journal = store.data().journal().clone();
                let table = store.data_mut().ctx().table;
                let name = || "wasi:io/streams#input-stream.blocking-read".into();
                let read = named(&journal, name, table.blocking_read(stream, most)).await;
                let read: std::result::Result<_, StreamError> = match read {
                    Ok(bytes) => Ok(bytes),
                    Err(error) => Err(table.convert_stream_error(error)?),
                };
                Ok((read,))
            })
        },
    )
}

fn link_clock(linker: &mut Linker<Guest>) -> Result<()> {
    let mut clock = linker.instance("wasi:clocks/monotonic-clock@0.3.0")?;
    clock.func_wrap_concurrent("wait-for", |store: &Accessor<Guest>, (time,): (u64,)| {
        Box::pin(async move {
            let journal = store.with(|mut store| store.get().journal().clone());
            let clock = store.with_getter::<WasiClocks>(|guest| guest.clocks());
            let name = || "wasi:clocks/monotonic-clock#wait-for".into();
            named(&journal, name, WasiClocks::wait_for(&clock, time)).await
        })
    })?;
    clock.func_wrap_concurrent("wait-until", |store: &Accessor<Guest>, (mark,): (u64,)| {
        Box::pin(async move {
            let journal = store.with(|mut store| store.get().journal().clone());
            let clock = store.with_getter::<WasiClocks>(|guest| guest.clocks());
            let name = || "wasi:clocks/monotonic-clock#wait-until".into();
            named(&journal, name, WasiClocks::wait_until(&clock, mark)).await
        })
    })
}
