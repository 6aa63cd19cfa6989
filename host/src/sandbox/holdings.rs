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
use wasmtime_wasi::p2;
use wasmtime_wasi::sockets::{TcpSocket, UdpSocket};

use super::account::DESCRIPTORS;
use super::folders::EntryStream;
use super::limits::{MemoryLimit, Meter};
use super::runtime::Flavour;
use super::sockets;
use crate::message::Fault;

/// How often an instance is looked at: at each so-many-th of its calls. So many
/// more descriptors than were counted it may have; to look at each call would
/// cost as much as the call.
const CALLS_UNSEEN_MAX: u32 = 16;

/// C libraries need some ten handles. 64 KiB are how large header fields may be, and
/// what waits in a stream.
const HANDLES: AsMemory = AsMemory {
    name: "handles",
    free: 16,
    bytes_each: 64 * 1024,
    claimed: 0,
};

/// What a guest of WASI 0.3 has under way. An error that nobody reads is three of
/// these, and what one call hands over.
const CONCURRENT: AsMemory = AsMemory {
    name: "calls, streams and futures",
    free: 64,
    bytes_each: 32 * 1024,
    claimed: 0,
};

/// Which part of the process's descriptors all guests together may hold. The
/// rest is for connections, logs and files of ours.
const GUESTS_PART: u64 = 2;

/// How many descriptors all guests together may hold.
pub(super) fn descriptors_of_guests() -> u64 {
    let most = getrlimit(Resource::Nofile).current;
    most.map_or(u64::MAX, |most| most / GUESTS_PART)
}

/// Things of ours that count as memory of the instance that has them.
struct AsMemory {
    name: &'static str,
    /// How many it has for nothing.
    free: u64,
    /// How much each other one counts as, bytes.
    bytes_each: u64,
    /// For as many as there were when there were most, bytes.
    claimed: u64,
}

impl AsMemory {
    /// Claims what so many may take. Whether the instance may have it; else it is
    /// condemned.
    fn claim(&mut self, count: u64, memory: &mut MemoryLimit, meter: &Meter) -> bool {
        let Self {
            name,
            free,
            bytes_each,
            claimed,
        } = *self;
        let more = (count.saturating_sub(free) * bytes_each).saturating_sub(claimed);
        if more > 0 && !memory.grow(more) {
            let fault = meter.memory_fault().cloned();
            let fault = fault.unwrap_or_else(|| Fault::OutOfMemory {
                bytes_max: memory.bytes_max,
                cause: format!("its {count} {name} count as {bytes_each} bytes each"),
            });
            meter.condemned.get_or_init(|| fault);
            return false;
        }
        self.claimed += more;
        true
    }
}

/// What one instance holds, on the accounts of who pays, until it is gone.
pub(super) struct Holdings {
    meter: Arc<Meter>,
    claimed: u64,
    handles: AsMemory,
    concurrent: AsMemory,
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
            handles: HANDLES,
            concurrent: CONCURRENT,
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
        if !self.claim(held) || !self.handles.claim(handles, memory, &self.meter) {
            *table = ResourceTable::new();
            table.set_max_capacity(0);
        }
    }

    /// How many handles it has; and how many descriptors it may hold, or threads
    /// that work on its files: each stream is one, as it may be a file's.
    fn count(&mut self, table: &mut ResourceTable) -> (u64, u64) {
        let (mut handles, mut held, mut files_in_table) = (0, 0, 0);
        for entry in table.iter_mut() {
            handles += match is_socket(entry) {
                true => sockets::HANDLES,
                false => 1,
            };
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

    /// Claims what so many things may take that a guest of WASI 0.3 has under way.
    pub(super) fn count_concurrent(
        &mut self,
        entries: u64,
        memory: &mut MemoryLimit,
    ) -> wasmtime::Result<()> {
        match self.concurrent.claim(entries, memory, &self.meter) {
            true => Ok(()),
            false => wasmtime::bail!("it has too much under way"),
        }
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
        || is_socket(resource)
}

fn is_socket(resource: &(dyn Any + Send)) -> bool {
    resource.is::<p2::TcpSocket>()
        || resource.is::<p2::UdpSocket>()
        || resource.is::<TcpSocket>()
        || resource.is::<UdpSocket>()
}
