//! Names in `wasi:sockets/ip-name-lookup` 0.2.

use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::vec;

use futures_util::FutureExt;
use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddress, Network};
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn};
use wasmtime_wasi::sockets::WasiSocketsView;

use super::resolver::{NoAddress, addresses};
use crate::sandbox::guest::Guest;

/// Stands for `resolve-address-stream`.
enum AddressStream {
    LookingUp(AbortOnDropJoinHandle<Result<Vec<IpAddr>, NoAddress>>),
    Found(Result<vec::IntoIter<IpAddr>, NoAddress>),
}

type Stream = Resource<AddressStream>;

/// Puts ours in the place of wasmtime's.
pub(super) fn link(linker: &mut Linker<Guest>) -> Result<()> {
    let mut names = linker.instance("wasi:sockets/ip-name-lookup@0.2.12")?;
    names.resource(
        "resolve-address-stream",
        ResourceType::host::<AddressStream>(),
        |mut store, handle| {
            let table = store.data_mut().sockets().table;
            table.delete(Stream::new_own(handle))?;
            Ok(())
        },
    )?;
    names.func_wrap(
        "resolve-addresses",
        |store, (network, name): (Resource<Network>, String)| {
            Ok((resolve_addresses(store, &network, name)?,))
        },
    )?;
    names.func_wrap(
        "[method]resolve-address-stream.resolve-next-address",
        |store, (stream,): (Stream,)| Ok((resolve_next_address(store, &stream)?,)),
    )?;
    names.func_wrap(
        "[method]resolve-address-stream.subscribe",
        |mut store: StoreContextMut<Guest>,
         (stream,): (Stream,)|
         -> Result<(Resource<DynPollable>,)> {
            Ok((subscribe(store.data_mut().sockets().table, stream)?,))
        },
    )
}

fn resolve_addresses(
    mut store: StoreContextMut<'_, Guest>,
    network: &Resource<Network>,
    name: String,
) -> Result<Result<Stream, ErrorCode>> {
    let guest = store.data_mut();
    let names = guest.names();
    let table = guest.sockets().table;
    // Whoever has a network may ask.
    table.get(network)?;
    let mut looking_up = Box::pin(addresses(names, name));
    let stream = match looking_up.as_mut().now_or_never() {
        Some(Err(error)) => return Ok(Err(error.into())),
        Some(Ok(found)) => AddressStream::Found(Ok(found.into_iter())),
        None => AddressStream::LookingUp(spawn(looking_up)),
    };
    Ok(Ok(table.push(stream)?))
}

fn resolve_next_address(
    mut store: StoreContextMut<'_, Guest>,
    stream: &Stream,
) -> Result<Result<Option<IpAddress>, ErrorCode>> {
    let stream = store.data_mut().sockets().table.get_mut(stream)?;
    let cx = &mut Context::from_waker(Waker::noop());
    Ok(match stream.poll_found(cx) {
        Poll::Pending => Err(ErrorCode::WouldBlock),
        Poll::Ready(Ok(addresses)) => Ok(addresses.next().map(IpAddress::from)),
        Poll::Ready(Err(error)) => Err((*error).into()),
    })
}

impl AddressStream {
    fn poll_found(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<&mut Result<vec::IntoIter<IpAddr>, NoAddress>> {
        if let Self::LookingUp(looking_up) = self {
            let found = ready!(Pin::new(looking_up).poll(cx));
            *self = Self::Found(found.map(Vec::into_iter));
        }
        match self {
            Self::Found(found) => Poll::Ready(found),
            Self::LookingUp(_) => Poll::Pending,
        }
    }
}

#[async_trait]
impl Pollable for AddressStream {
    async fn ready(&mut self) {
        poll_fn(|cx| self.poll_found(cx).map(drop)).await;
    }
}

impl From<NoAddress> for ErrorCode {
    fn from(why: NoAddress) -> Self {
        match why {
            NoAddress::NotAllowed => Self::PermanentResolverFailure,
            NoAddress::Invalid => Self::InvalidArgument,
            NoAddress::Unresolvable => Self::NameUnresolvable,
        }
    }
}
