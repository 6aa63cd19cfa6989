//! The addresses of hosts, by their names: for guests that were granted addresses,
//! and for the HTTP requests of those that were granted hosts.

mod resolver;
mod wasi02;
mod wasi03;

pub(super) use resolver::Names;

use wasmtime::Result;
use wasmtime::component::Linker;

use super::guest::Guest;
use super::runtime::Flavour;

/// Puts ours in the place of what wasmtime has for this.
pub(super) fn link(linker: &mut Linker<Guest>, flavour: Flavour) -> Result<()> {
    wasi02::link(linker)?;
    if flavour == Flavour::Concurrent {
        wasi03::link(linker)?;
    }
    Ok(())
}
