//! The folders that a guest was granted: what it is told of them, a word about
//! the flag where there are none, and how it lists them.

mod listing;
mod wasi01;
mod wasi02;
mod wasi03;

pub(super) use wasi01::link as link_modules;
pub(super) use wasi02::EntryStream;

use wasmtime::component::Linker;
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::filesystem::WasiFilesystemView;
use wasmtime_wasi::{p2, p3};

use super::guest::Guest;
use super::runtime::Flavour;

/// How long a path may be, bytes: Linux takes no longer ones (`PATH_MAX`), and wasmtime
/// has several copies of one while it waits for a thread that asks Linux.
const PATH_BYTES_MAX: usize = 4096;

/// How much of a file a guest reads or writes at once, bytes, as much as wasmtime's
/// streams do. The host has a copy of it while it waits for a thread.
const PIECE_BYTES_MAX: u32 = 64 * 1024;

/// Puts what is ours before or in the place of what wasmtime has for this.
pub(super) fn link(linker: &mut Linker<Guest>, flavour: Flavour) -> Result<()> {
    link_preopens(linker, flavour)?;
    wasi02::link(linker)?;
    if flavour == Flavour::Concurrent {
        wasi03::link(linker)?;
    }
    Ok(())
}

/// Puts a hint before `wasi:filesystem/preopens`: a guest's C library asks once,
/// and then tells each file that it does not exist without asking us.
fn link_preopens(linker: &mut Linker<Guest>, flavour: Flavour) -> Result<()> {
    use p2::bindings::filesystem::preopens::Host as Host02;
    use p3::bindings::filesystem::preopens::Host as Host03;

    let mut preopens = linker.instance("wasi:filesystem/preopens@0.2.12")?;
    preopens.func_wrap(
        "get-directories",
        |mut store: StoreContextMut<Guest>, (): ()| {
            let guest = store.data_mut();
            guest.hint_at_folders();
            Ok((Host02::get_directories(&mut guest.filesystem())?,))
        },
    )?;
    if flavour == Flavour::Concurrent {
        let mut preopens = linker.instance("wasi:filesystem/preopens@0.3.0")?;
        preopens.func_wrap(
            "get-directories",
            |mut store: StoreContextMut<Guest>, (): ()| {
                let guest = store.data_mut();
                guest.hint_at_folders();
                Ok((Host03::get_directories(&mut guest.filesystem())?,))
            },
        )?;
    }
    Ok(())
}
