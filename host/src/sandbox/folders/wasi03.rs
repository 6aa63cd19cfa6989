//! Listings of `wasi:filesystem/types` 0.3.

use std::fs::File;
use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustix::fs::FileType;
use tokio::sync::oneshot;
use wasmtime::component::{
    Destination, FutureReader, Linker, Resource, StreamProducer, StreamReader, StreamResult,
    VecBuffer,
};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemView};
use wasmtime_wasi::p3::bindings::filesystem::types::{DescriptorType, DirectoryEntry, ErrorCode};

use super::listing::{Batch, Entry, Listing, Reading};
use crate::sandbox::guest::Guest;

/// What `read-directory` gives: the entries, and whether these were all.
type Listed = (
    StreamReader<DirectoryEntry>,
    FutureReader<Result<(), ErrorCode>>,
);

/// Puts ours in the place of wasmtime's.
pub(super) fn link(linker: &mut Linker<Guest>) -> Result<()> {
    let mut types = linker.instance("wasi:filesystem/types@0.3.0")?;
    types.func_wrap(
        "[method]descriptor.read-directory",
        |store, (folder,): (Resource<Descriptor>,)| Ok((read_directory(store, &folder)?,)),
    )
}

fn read_directory(
    mut store: StoreContextMut<'_, Guest>,
    folder: &Resource<Descriptor>,
) -> Result<Listed> {
    let state = match store.data_mut().filesystem().table.get(folder)? {
        Descriptor::Dir(folder) => State::Unopened(folder.dir.clone()),
        Descriptor::File(_) => State::Over(Err(ErrorCode::NotDirectory)),
    };
    let (result, told) = oneshot::channel();
    let entries = Entries {
        state,
        result: Some(result),
    };
    let entries = StreamReader::new(&mut store, entries)?;
    Ok((entries, FutureReader::new(&mut store, told)?))
}

/// Produces the entries of a folder.
struct Entries {
    state: State,
    /// Where it is said how it ended, until then.
    result: Option<oneshot::Sender<Result<(), ErrorCode>>>,
}

enum State {
    Unopened(Arc<File>),
    Open(Listing),
    Reading(Reading),
    Over(Result<(), ErrorCode>),
}

impl Entries {
    fn tell(&mut self, how_it_ended: Result<(), ErrorCode>) {
        if let Some(result) = self.result.take() {
            // Nobody to tell is no error: the guest did not want to know.
            let _ = result.send(how_it_ended);
        }
    }
}

impl StreamProducer<Guest> for Entries {
    type Item = DirectoryEntry;
    type Buffer = VecBuffer<DirectoryEntry>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'a, Guest>,
        mut destination: Destination<'a, Self::Item, Self::Buffer>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        if destination.remaining(store) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        loop {
            let state = mem::replace(&mut self.state, State::Over(Ok(())));
            let mut reading = match state {
                State::Unopened(folder) => Listing::begin(folder),
                State::Open(listing) => listing.go_on(),
                State::Reading(reading) => reading,
                State::Over(how) => {
                    self.tell(how);
                    return Poll::Ready(Ok(StreamResult::Dropped));
                }
            };
            let Poll::Ready(read) = Pin::new(&mut reading).poll(cx) else {
                self.state = State::Reading(reading);
                return match finish {
                    true => Poll::Ready(Ok(StreamResult::Cancelled)),
                    false => Poll::Pending,
                };
            };
            let (entries, next) = split(read);
            self.state = next;
            if !entries.is_empty() {
                destination.set_buffer(entries.into());
                return Poll::Ready(Ok(StreamResult::Completed));
            }
        }
    }
}

impl Drop for Entries {
    fn drop(&mut self) {
        self.tell(Ok(()));
    }
}

/// The entries up to the first that can not be told, and how it goes on.
fn split(read: io::Result<Batch>) -> (Vec<DirectoryEntry>, State) {
    let Batch { entries, rest } = match read {
        Ok(batch) => batch,
        Err(error) => return (Vec::new(), State::Over(Err(error.into()))),
    };
    let mut told = Vec::with_capacity(entries.len());
    for entry in entries {
        match entry {
            Ok(Entry { kind, name }) => told.push(DirectoryEntry {
                type_: type_of(kind),
                name,
            }),
            Err(error) => return (told, State::Over(Err(error.into()))),
        }
    }
    (told, rest.map_or(State::Over(Ok(())), State::Open))
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
        FileType::Unknown => DescriptorType::Other(None),
    }
}
