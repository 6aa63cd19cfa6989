//! Files and folders of WASI 0.1: what wasmtime would have copies of meanwhile that
//! are as large as the guest likes is refused, or is done a piece at a time.

use std::ops::Range;

use wasmtime::{AsContextMut, Caller, Extern, Linker, Result};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p1::types::{Errno, Fd};
use wasmtime_wasi::p1::wasi_snapshot_preview1::{self, WasiSnapshotPreview1};
use wiggle::GuestMemory;

use super::{PATH_BYTES_MAX, PIECE_BYTES_MAX};
use crate::sandbox::grants::tell;
use crate::sandbox::guest::Guest;
use crate::sandbox::waits::named;

const MODULE: &str = "wasi_snapshot_preview1";

/// How large one of a list of buffers is (`iovec`), bytes: its address, and its length.
const BUFFER_BYTES: usize = 8;

/// How large a folder may be that is listed, bytes as its file system counts them: 30,000
/// names of 255 bytes, or some 300,000 short ones. As ours they take up to ten times that.
const FOLDER_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Puts ours in the place of wasmtime's, which it calls.
pub(in crate::sandbox) fn link(linker: &mut Linker<Guest>) -> Result<()> {
    link_listings(linker)?;
    link_paths(linker)?;
    link_pieces(linker)
}

/// wasmtime reads all of a folder each time, however little of it the guest asked for,
/// and has a copy of each name meanwhile. So there is one of a tenant's at a time, and
/// none of a folder that is too large.
fn link_listings(linker: &mut Linker<Guest>) -> Result<()> {
    type Given = (i32, i32, i32, i64, i32);

    linker.func_wrap_async(
        MODULE,
        "fd_readdir",
        |mut caller: Caller<'_, Guest>, (fd, into, bytes, cookie, used): Given| {
            Box::new(async move {
                let journal = caller.data().journal().clone();
                let turns = caller.data().listings();
                let name = || "another listing of its tenant's".into();
                // Nobody closes it.
                let _turn = named(&journal, name, turns.acquire()).await;
                let (memory, wasi) = enter(&mut caller)?;
                let folder = Fd::from(fd as u32);
                let memory = &mut GuestMemory::Unshared(memory);
                let found = wasi.fd_filestat_get(memory, folder).await;
                if found.is_ok_and(|found| found.size > FOLDER_BYTES_MAX) {
                    let hint = "a folder was not listed: it has too many files for WASI 0.1";
                    tell(&journal, caller.data().customer(), hint);
                    return Ok(Errno::Nomem as i32);
                }
                let (memory, wasi) = enter(&mut caller)?;
                let memory = &mut GuestMemory::Unshared(memory);
                wasi_snapshot_preview1::fd_readdir(wasi, memory, fd, into, bytes, cookie, used)
                    .await
            })
        },
    )?;
    Ok(())
}

/// Refuses paths that are too long, before there are copies of them.
fn link_paths(linker: &mut Linker<Guest>) -> Result<()> {
    macro_rules! link {
        ($($name:ident($($given:ident: $type:ty),*), of $($bytes:ident),+;)*) => { $(
            linker.func_wrap_async(MODULE, stringify!($name), |
                mut caller: Caller<'_, Guest>,
                ($($given,)*): ($($type,)*)
            | {
                Box::new(async move {
                    let is_long = |bytes: i32| bytes as u32 as usize > PATH_BYTES_MAX;
                    if $(is_long($bytes))||+ {
                        return Ok(Errno::Nametoolong as i32);
                    }
                    let (memory, wasi) = enter(&mut caller)?;
                    let memory = &mut GuestMemory::Unshared(memory);
                    wasi_snapshot_preview1::$name(wasi, memory, $($given),*).await
                })
            })?;
        )* };
    }
    link! {
        path_create_directory(fd: i32, path: i32, bytes: i32), of bytes;
        path_filestat_get(fd: i32, follow: i32, path: i32, bytes: i32, into: i32), of bytes;
        path_filestat_set_times(fd: i32, follow: i32, path: i32, bytes: i32, read: i64,
            written: i64, which: i32), of bytes;
        path_link(fd: i32, follow: i32, old: i32, old_bytes: i32, to: i32, new: i32,
            new_bytes: i32), of old_bytes, new_bytes;
        path_open(fd: i32, follow: i32, path: i32, bytes: i32, how: i32, rights: i64,
            inherited: i64, flags: i32, into: i32), of bytes;
        path_readlink(fd: i32, path: i32, bytes: i32, into: i32, room: i32, used: i32), of bytes;
        path_remove_directory(fd: i32, path: i32, bytes: i32), of bytes;
        path_rename(fd: i32, old: i32, old_bytes: i32, to: i32, new: i32, new_bytes: i32),
            of old_bytes, new_bytes;
        path_symlink(old: i32, old_bytes: i32, fd: i32, new: i32, new_bytes: i32),
            of old_bytes, new_bytes;
        path_unlink_file(fd: i32, path: i32, bytes: i32), of bytes;
    }
    Ok(())
}

/// Has no more than a piece read or written at once: wasmtime makes a copy of the first
/// buffer of a list that is not empty, which may have to wait for a thread.
fn link_pieces(linker: &mut Linker<Guest>) -> Result<()> {
    macro_rules! link {
        ($($name:ident($fd:ident, $list:ident, $count:ident, $($given:ident: $type:ty),*);)*) => { $(
            linker.func_wrap_async(MODULE, stringify!($name), |
                mut caller: Caller<'_, Guest>,
                ($fd, $list, $count, $($given),*): (i32, i32, i32, $($type),*)
            | {
                Box::new(async move {
                    let (memory, wasi) = enter(&mut caller)?;
                    let shorter = Shorter::make(memory, $list, $count);
                    let whole = &mut GuestMemory::Unshared(memory);
                    let done = wasi_snapshot_preview1::$name(
                        wasi, whole, $fd, $list, $count, $($given),*
                    );
                    let done = done.await;
                    if let Some(shorter) = shorter {
                        shorter.undo(memory);
                    }
                    done
                })
            })?;
        )* };
    }
    link! { fd_read(fd, list, count, used: i32); }
    link! { fd_write(fd, list, count, used: i32); }
    link! { fd_pwrite(fd, list, count, offset: i64, used: i32); }
    Ok(())
}

/// The guest's memory and its state, as wasmtime's own functions are called with.
fn enter<'a>(caller: &'a mut Caller<'_, Guest>) -> Result<(&'a mut [u8], &'a mut WasiP1Ctx)> {
    let Some(Extern::Memory(memory)) = caller.get_export("memory") else {
        wasmtime::bail!("it exports no memory");
    };
    let fuel = caller.as_context_mut().hostcall_fuel();
    let (memory, guest) = memory.data_and_store_mut(caller);
    let wasi = guest.wasi_0_1();
    wasi.set_hostcall_fuel(fuel);
    Ok((memory, wasi))
}

/// The first buffer of a list that is not empty, which is said to be no larger than a
/// piece for as long as wasmtime looks at it.
struct Shorter {
    /// Where its length stands in the guest's memory.
    place: Range<usize>,
    length: [u8; 4],
}

impl Shorter {
    /// `None` if it is no larger, or the list is not all in the memory.
    fn make(memory: &mut [u8], list: i32, count: i32) -> Option<Self> {
        let (list, count) = (list as u32 as usize, count as u32 as usize);
        let list = list..list.checked_add(count.checked_mul(BUFFER_BYTES)?)?;
        let buffers = memory.get(list.clone())?.chunks_exact(BUFFER_BYTES);
        let length = |buffer: &[u8]| buffer[4..].try_into().map_or(0, u32::from_le_bytes);
        let mut lengths = buffers.map(length).enumerate();
        let (index, length) = lengths.find(|(_, length)| *length > 0)?;
        if length <= PIECE_BYTES_MAX {
            return None;
        }
        let start = list.start + index * BUFFER_BYTES + 4;
        let place = start..start + 4;
        memory[place.clone()].copy_from_slice(&PIECE_BYTES_MAX.to_le_bytes());
        let length = length.to_le_bytes();
        Some(Self { place, length })
    }

    fn undo(self, memory: &mut [u8]) {
        memory[self.place].copy_from_slice(&self.length);
    }
}
