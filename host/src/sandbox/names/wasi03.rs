//! Names in `wasi:sockets/ip-name-lookup` 0.3.

use std::net::IpAddr;

use wasmtime::Result;
use wasmtime::component::{Accessor, Linker};
use wasmtime_wasi::p3::bindings::sockets::ip_name_lookup::ErrorCode;
use wasmtime_wasi::p3::bindings::sockets::types::IpAddress;

use super::resolver::{NoAddress, addresses};
use crate::sandbox::guest::Guest;

/// Puts ours in the place of wasmtime's.
pub(super) fn link(linker: &mut Linker<Guest>) -> Result<()> {
    let mut names = linker.instance("wasi:sockets/ip-name-lookup@0.3.0")?;
    names.func_wrap_concurrent(
        "resolve-addresses",
        |store: &Accessor<Guest>, (name,): (String,)| {
            Box::pin(async move {
                let names = store.with(|mut store| store.get().names());
                let found = addresses(names, name).await.map_err(ErrorCode::from);
                let into_guest = |found: Vec<IpAddr>| found.into_iter().map(IpAddress::from);
                Ok((found.map(|found| into_guest(found).collect::<Vec<_>>()),))
            })
        },
    )
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
