//! Listings of WASI 0.1. wasmtime reads all of a folder each time, however little of it
//! the guest asked for, and has a copy of each name meanwhile. So there is one of a
//! tenant's at a time, and none of a folder that is too large.

use wasmtime::{Caller, Extern, Linker, Result};
use wasmtime_wasi::p1::types::{Errno, Fd};
use wasmtime_wasi::p1::wasi_snapshot_preview1::{self, WasiSnapshotPreview1};
use wiggle::GuestMemory;

use crate::sandbox::grants::tell;
use crate::sandbox::guest::Guest;
use crate::sandbox::waits::named;

/// How large a folder may be that is listed, bytes as its file system counts them: 30,000
/// names of 255 bytes, or some 300,000 short ones. As ours they take up to ten times that.
const FOLDER_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Puts ours in the place of wasmtime's, which it calls.
pub(in crate::sandbox) fn link(linker: &mut Linker<Guest>) -> Result<()> {
    type Given = (i32, i32, i32, i64, i32);

    linker.func_wrap_async(
        "wasi_snapshot_preview1",
        "fd_readdir",
        |mut caller: Caller<'_, Guest>, (fd, into, bytes, cookie, used): Given| {
            Box::new(async move {
                let journal = caller.data().journal().clone();
                let turns = caller.data().listings();
                let name = || "another listing of its tenant's".into();
                // Nobody closes it.
                let _turn = named(&journal, name, turns.acquire()).await;
                let memory = caller.get_export("memory");
                let (mut memory, guest) = match &memory {
                    Some(Extern::Memory(memory)) => {
                        let (bytes, guest) = memory.data_and_store_mut(&mut caller);
                        (GuestMemory::Unshared(bytes), guest)
                    }
                    Some(Extern::SharedMemory(memory)) => {
                        (GuestMemory::Shared(memory.data()), caller.data_mut())
                    }
                    _ => wasmtime::bail!("it exports no memory"),
                };
                let folder = Fd::from(fd as u32);
                let found = guest.wasi_0_1().fd_filestat_get(&mut memory, folder).await;
                if found.is_ok_and(|found| found.size > FOLDER_BYTES_MAX) {
                    let hint = "a folder was not listed: it has too many files for WASI 0.1";
                    tell(&journal, guest.customer(), hint);
                    return Ok(Errno::Nomem as i32);
                }
                let wasi = guest.wasi_0_1();
                wasi_snapshot_preview1::fd_readdir(wasi, &mut memory, fd, into, bytes, cookie, used)
                    .await
            })
        },
    )?;
    Ok(())
}
