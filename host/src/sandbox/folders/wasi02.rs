//! Files and folders of `wasi:filesystem/types` 0.2: listings, and what wasmtime would
//! have copies of that are as large as the guest likes.

use std::collections::VecDeque;
use std::io;

use rustix::fs::FileType;
use wasmtime::component::{Linker, LinkerInstance, Resource, ResourceType, WasmList, WasmStr};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorFlags, DescriptorType, DirectoryEntry, ErrorCode, HostDescriptor, NewTimestamp,
    OpenFlags, PathFlags,
};

use super::listing::{Batch, Entry, Listing};
use super::{PATH_BYTES_MAX, PIECE_BYTES_MAX};
use crate::sandbox::guest::Guest;
use crate::sandbox::worlds::as_told;

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
    link_listings(&mut types)?;
    link_paths(&mut types)?;
    types.func_wrap_async(
        "[method]descriptor.write",
        |store, (file, bytes, offset): (Resource<Descriptor>, WasmList<u8>, u64)| {
            Box::new(async move { Ok((write(store, file, &bytes, offset).await?,)) })
        },
    )
}

fn link_listings(types: &mut LinkerInstance<'_, Guest>) -> Result<()> {
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

/// Refuses paths that are too long, before there are copies of them.
fn link_paths(types: &mut LinkerInstance<'_, Guest>) -> Result<()> {
    macro_rules! link {
        ($($wit:literal $name:ident($($given:ident: $type:ty),*), of $($path:ident),+;)*) => { $(
            types.func_wrap_async(concat!("[method]descriptor.", $wit), |
                mut store: StoreContextMut<'_, Guest>,
                (at, $($given,)*): (Resource<Descriptor>, $($type,)*)
            | {
                Box::new(async move {
                    $(let Some($path) = short(&store, &$path)? else {
                        return Ok((Err(ErrorCode::NameTooLong),));
                    };)+
                    let mut files = store.data_mut().filesystem();
                    Ok((as_told(files.$name(at, $($given),*).await)?,))
                })
            })?;
        )* };
    }
    link! {
        "create-directory-at" create_directory_at(path: WasmStr), of path;
        "stat-at" stat_at(follow: PathFlags, path: WasmStr), of path;
        "set-times-at" set_times_at(follow: PathFlags, path: WasmStr, read: NewTimestamp,
            written: NewTimestamp), of path;
        "link-at" link_at(follow: PathFlags, old: WasmStr, to: Resource<Descriptor>,
            new: WasmStr), of old, new;
        "open-at" open_at(follow: PathFlags, path: WasmStr, how: OpenFlags,
            flags: DescriptorFlags), of path;
        "readlink-at" readlink_at(path: WasmStr), of path;
        "remove-directory-at" remove_directory_at(path: WasmStr), of path;
        "rename-at" rename_at(old: WasmStr, to: Resource<Descriptor>, new: WasmStr), of old, new;
        "symlink-at" symlink_at(old: WasmStr, new: WasmStr), of old, new;
        "unlink-file-at" unlink_file_at(path: WasmStr), of path;
        "metadata-hash-at" metadata_hash_at(follow: PathFlags, path: WasmStr), of path;
    }
    Ok(())
}

fn short(store: &StoreContextMut<'_, Guest>, path: &WasmStr) -> Result<Option<String>> {
    let path = path.to_str(store)?;
    Ok((path.len() <= PATH_BYTES_MAX).then(|| path.into_owned()))
}

/// Writes a piece of it.
async fn write(
    mut store: StoreContextMut<'_, Guest>,
    file: Resource<Descriptor>,
    bytes: &WasmList<u8>,
    offset: u64,
) -> Result<Result<u64, ErrorCode>> {
    let bytes = bytes.as_le_slice(&store);
    let piece = bytes.len().min(PIECE_BYTES_MAX as usize);
    let piece = bytes[..piece].to_vec();
    as_told(
        store
            .data_mut()
            .filesystem()
            .write(file, piece, offset)
            .await,
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
