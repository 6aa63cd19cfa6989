//! Listings of `wasi:filesystem/types` 0.2.

use std::collections::VecDeque;
use std::io;

use rustix::fs::FileType;
use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::filesystem::types::{DescriptorType, DirectoryEntry, ErrorCode};

use super::listing::{Batch, Entry, Listing};
use crate::sandbox::guest::Guest;

/// Stands for `directory-entry-stream`.
pub(in crate::sandbox) struct EntryStream {
    waiting: VecDeque<io::Result<Entry>>,
    rest: Option<Listing>,
}

impl From<Batch> for EntryStream {
    fn from(Batch { entries, rest }: Batch) -> Self {
        Self {
            waiting: entries.into(),
            rest,
        }
    }
}

/// Puts ours in the place of wasmtime's.
pub(super) fn link(linker: &mut Linker<Guest>) -> Result<()> {
    let mut types = linker.instance("wasi:filesystem/types@0.2.12")?;
    types.resource(
        "directory-entry-stream",
        ResourceType::host::<EntryStream>(),
        |mut store, handle| {
            let table = store.data_mut().filesystem().table;
            table.delete(Resource::<EntryStream>::new_own(handle))?;
            Ok(())
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.read-directory",
        |store, (folder,): (Resource<Descriptor>,)| {
            Box::new(async move { Ok((read_directory(store, folder).await?,)) })
        },
    )?;
    types.func_wrap_async(
        "[method]directory-entry-stream.read-directory-entry",
        |store, (stream,): (Resource<EntryStream>,)| {
            Box::new(async move { Ok((read_directory_entry(store, stream).await?,)) })
        },
    )
}

async fn read_directory(
    mut store: StoreContextMut<'_, Guest>,
    folder: Resource<Descriptor>,
) -> Result<Result<Resource<EntryStream>, ErrorCode>> {
    let table = store.data_mut().filesystem().table;
    let Descriptor::Dir(folder) = table.get(&folder)? else {
        return Ok(Err(ErrorCode::NotDirectory));
    };
    match Listing::begin(folder.dir.clone()).await {
        Ok(batch) => Ok(Ok(table.push(EntryStream::from(batch))?)),
        Err(error) => Ok(Err(error.into())),
    }
}

async fn read_directory_entry(
    mut store: StoreContextMut<'_, Guest>,
    stream: Resource<EntryStream>,
) -> Result<Result<Option<DirectoryEntry>, ErrorCode>> {
    let stream = store.data_mut().filesystem().table.get_mut(&stream)?;
    if stream.waiting.is_empty()
        && let Some(rest) = stream.rest.take()
    {
        match rest.go_on().await {
            Ok(batch) => *stream = batch.into(),
            Err(error) => return Ok(Err(error.into())),
        }
    }
    let entry = stream.waiting.pop_front().transpose();
    let entry = entry.map(|entry| {
        entry.map(|Entry { kind, name }| DirectoryEntry {
            type_: type_of(kind),
            name,
        })
    });
    Ok(entry.map_err(ErrorCode::from))
}

fn type_of(kind: FileType) -> DescriptorType {
    match kind {
        FileType::RegularFile => DescriptorType::RegularFile,
        FileType::Directory => DescriptorType::Directory,
        FileType::Symlink => DescriptorType::SymbolicLink,
        FileType::Fifo => DescriptorType::Fifo,
        FileType::Socket => DescriptorType::Socket,
        FileType::CharacterDevice => DescriptorType::CharacterDevice,
        FileType::BlockDevice => DescriptorType::BlockDevice,
        FileType::Unknown => DescriptorType::Unknown,
    }
}
