//! What an instance holds beside its memory: file descriptors of the process, and
//! memory of ours behind its handles.
//!
//! The process has a limited number of descriptors for all, the web server's
//! connections included. wasmtime opens a guest's files and sockets, and makes
//! its header fields and streams, without asking. So they are counted where it
//! works on them: in the instance's table of resources.

use std::any::Any;
use std::collections::HashMap;
use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use rustix::process::{Resource, getrlimit};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::{p2, sockets};

use super::account::DESCRIPTORS;
use super::folders::EntryStream;
use super::limits::{MemoryLimit, Meter};
use super::runtime::Flavour;
use crate::message::Fault;

/// How often an instance is looked at: at each so-many-th of its calls. So many
/// more descriptors than were counted it may have; to look at each call would
/// cost as much as the call.
const CALLS_UNSEEN_MAX: u32 = 16;

/// How many handles an instance has for nothing. C libraries need some ten.
const HANDLES_FREE: u64 = 16;

/// How much of the instance's memory each other one counts as, bytes: that is how
/// large header fields may be, and what waits in a stream.
const HANDLE_BYTES: u64 = 64 * 1024;

/// How much of the instance's memory each thing counts as that a guest of WASI 0.3 has
/// under way, bytes; and how many it has for nothing. An error that nobody reads
/// is three of them, and what one call hands over.
const CONCURRENT_BYTES: u64 = 32 * 1024;
const CONCURRENT_FREE: u64 = 64;

/// Which part of the process's descriptors all guests together may hold. The
/// rest is for connections, logs and files of ours.
const GUESTS_PART: u64 = 2;

/// How many descriptors all guests together may hold.
pub(super) fn descriptors_of_guests() -> u64 {
    let most = getrlimit(Resource::Nofile).current;
    most.map_or(u64::MAX, |most| most / GUESTS_PART)
}

/// What one instance holds, on the accounts of who pays, until it is gone.
pub(super) struct Holdings {
    meter: Arc<Meter>,
    claimed: u64,
    /// For its handles, at the time when it had most of them.
    memory_bytes: u64,
    /// The same for what it has under way.
    concurrent_bytes: u64,
    calls_unseen: u32,
    /// The files that a guest of WASI 0.3 was seen with, by their addresses: it
    /// may drop one and keep its stream, which is in no table.
    files: Option<HashMap<usize, Weak<File>>>,
    /// How often it connected, which counts for WASI 0.3 for the same reason.
    connects: Arc<AtomicU64>,
}

impl Holdings {
    pub(super) fn new(meter: Arc<Meter>, flavour: Flavour) -> Self {
        Self {
            meter,
            claimed: 0,
            memory_bytes: 0,
            concurrent_bytes: 0,
            calls_unseen: 0,
            files: (flavour == Flavour::Concurrent).then(HashMap::new),
            connects: Arc::default(),
        }
    }

    /// Where its connections are counted.
    pub(super) fn connects(&self) -> Arc<AtomicU64> {
        self.connects.clone()
    }

    /// Looks at what it holds, now and then, before a call works on this table.
    /// One that holds too much is left with nothing, which ends it.
    pub(super) fn look_at(&mut self, table: &mut ResourceTable, memory: &mut MemoryLimit) {
        self.calls_unseen += 1;
        if self.files.is_none() && self.calls_unseen < CALLS_UNSEEN_MAX {
            return;
        }
        self.calls_unseen = 0;
        let (handles, held) = self.count(table);
        if !self.claim(held) || !self.claim_memory(handles, memory) {
            *table = ResourceTable::new();
            table.set_max_capacity(0);
        }
    }

    /// How many handles it has; and how many descriptors it may hold, or threads
    /// that work on its files: each stream is one, as it may be a file's.
    fn count(&mut self, table: &mut ResourceTable) -> (u64, u64) {
        let (mut handles, mut held, mut files_in_table) = (0, 0, 0);
        for entry in table.iter_mut() {
            handles += 1;
            match (&mut self.files, file_of(entry)) {
                (Some(files), Some(file)) => {
                    files_in_table += 1;
                    let address = Arc::as_ptr(file).addr();
                    files.entry(address).or_insert_with(|| Arc::downgrade(file));
                }
                _ => held += u64::from(may_hold(entry)),
            }
        }
        if let Some(files) = &mut self.files {
            files.retain(|_, file| file.strong_count() > 0);
            // Each of its streams and of the operations that are under way has
            // the file once more.
            let shares = files.values().map(Weak::strong_count).sum::<usize>() as u64;
            held += shares + self.connects.load(Relaxed);
            // Those in the table are counted already.
            handles += shares.saturating_sub(files_in_table);
        }
        (handles, held)
    }

    /// Claims so many in all. Whether it may have them.
    fn claim(&mut self, held: u64) -> bool {
        let Some(customer) = self.meter.customer().cloned() else {
            return true;
        };
        let more = held.saturating_sub(self.claimed);
        let [app, tenant] = customer.accounts();
        let all = &customer.gate().descriptors;
        let ceilings = [
            (&app.descriptors, app),
            (&tenant.descriptors, tenant),
            (all, tenant),
        ];
        for (taken, (ceiling, account)) in ceilings.iter().enumerate() {
            if !ceiling.take(more) {
                for (ceiling, _) in &ceilings[..taken] {
                    ceiling.give_back(more);
                }
                let detail = account.describe(DESCRIPTORS);
                let journal = self.meter.journal();
                let fault = account.exceeded(DESCRIPTORS, detail, journal);
                self.meter.condemned.get_or_init(|| fault);
                return false;
            }
        }
        self.claimed += more;
        self.give_back(self.claimed - held);
        true
    }

    /// Claims what so many handles may take of memory. Whether it may have it.
    fn claim_memory(&mut self, handles: u64, memory: &mut MemoryLimit) -> bool {
        let bytes = handles.saturating_sub(HANDLES_FREE) * HANDLE_BYTES;
        let more = bytes.saturating_sub(self.memory_bytes);
        self.memory_bytes += more;
        self.grow(more, memory, || {
            format!("its {handles} handles count as {HANDLE_BYTES} bytes each")
        })
    }

    /// Claims what so many things may take that a guest of WASI 0.3 has under way.
    pub(super) fn count_concurrent(
        &mut self,
        entries: u64,
        memory: &mut MemoryLimit,
    ) -> wasmtime::Result<()> {
        let bytes = entries.saturating_sub(CONCURRENT_FREE) * CONCURRENT_BYTES;
        let more = bytes.saturating_sub(self.concurrent_bytes);
        self.concurrent_bytes += more;
        let may_have = self.grow(more, memory, || {
            format!(
                "its {entries} calls, streams and futures count as {CONCURRENT_BYTES} bytes each"
            )
        });
        match may_have {
            true => Ok(()),
            false => wasmtime::bail!("it has too much under way"),
        }
    }

    /// Claims so much more of the instance's memory. Whether it may have it; else it
    /// is condemned.
    fn grow(
        &mut self,
        bytes: u64,
        memory: &mut MemoryLimit,
        cause: impl FnOnce() -> String,
    ) -> bool {
        if bytes == 0 || memory.grow(bytes) {
            return true;
        }
        let fault = self.meter.memory_fault().cloned();
        let fault = fault.unwrap_or_else(|| Fault::OutOfMemory {
            bytes_max: memory.bytes_max,
            cause: cause(),
        });
        self.meter.condemned.get_or_init(|| fault);
        false
    }

    /// Keeps an eye on the files in this table when the instance goes: something
    /// may go on with them.
    pub(super) fn part_with(&mut self, table: &mut ResourceTable) {
        let Some(customer) = self.meter.customer() else {
            return;
        };
        let in_table = table
            .iter_mut()
            .filter_map(|entry| Some(Arc::downgrade(file_of(entry)?)));
        let dropped = self.files.iter_mut().flat_map(HashMap::drain);
        let mut files = in_table.chain(dropped.map(|(_, file)| file)).peekable();
        if files.peek().is_some() {
            customer.tenant.abandoned().add(files);
        }
    }

    fn give_back(&mut self, descriptors: u64) {
        if let Some(customer) = self.meter.customer()
            && descriptors > 0
        {
            for account in customer.accounts() {
                account.descriptors.give_back(descriptors);
            }
            customer.gate().descriptors.give_back(descriptors);
        }
        self.claimed -= descriptors;
    }
}

impl Drop for Holdings {
    fn drop(&mut self) {
        self.give_back(self.claimed);
    }
}

/// The file or folder of the system behind a resource that is one.
fn file_of(resource: &(dyn Any + Send)) -> Option<&Arc<File>> {
    match resource.downcast_ref()? {
        Descriptor::File(file) => Some(&file.file),
        Descriptor::Dir(folder) => Some(&folder.dir),
    }
}

/// Whether this resource is one that has a descriptor, or may have.
fn may_hold(resource: &(dyn Any + Send)) -> bool {
    resource.is::<Descriptor>()
        || resource.is::<EntryStream>()
        || resource.is::<p2::DynInputStream>()
        || resource.is::<p2::DynOutputStream>()
        || resource.is::<p2::TcpSocket>()
        || resource.is::<p2::UdpSocket>()
        || resource.is::<sockets::TcpSocket>()
        || resource.is::<sockets::UdpSocket>()
}
