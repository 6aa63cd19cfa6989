//! The state of one instance: what the host's side of its imports works on.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::Semaphore;
use wasmtime::component::ResourceTable;
use wasmtime::{Store, StoreContextMut};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_config::WasiConfigVariables;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::app::Deployment;
use super::grants::{self, Program};
use super::holdings::Holdings;
use super::incoming::Incoming;
use super::limits::{MemoryLimit, Meter};
use super::names::Names;
use super::outbound::Outbound;
use super::place::Claim;
use super::reply::Reply;
use super::runtime::Flavour;
use super::stdio::LogStream;
use super::tenant::Customer;
use crate::message::{Journal, Params, RequestBody};

/// The most handles that one instance may have (of the component model, and of
/// the things of ours that they stand for): what a guest makes us hold beside
/// its own memory is at most this many times the sizes below. CPython and
/// StarlingMonkey have some tens.
pub(super) const HANDLES_MAX: usize = 1000;

/// The most that one set of HTTP fields may have, bytes in our memory.
const FIELDS_BYTES_MAX: usize = 64 * 1024;

/// How much one call of a WASI 0.3 guest hands over, bytes: what a set of fields may
/// have, and its places in a list. It may have hundreds of calls under way, and
/// errors that nobody has read, of each of which we hold a copy, while it has room
/// for the next one where the last one's was.
const CONCURRENT_CALL_BYTES_MAX: usize = 128 * 1024;

/// How much of that a WASI 0.3 guest may write to a stream of WASI 0.2 at once, bytes.
pub(super) const CONCURRENT_WRITE_BYTES_MAX: usize = CONCURRENT_CALL_BYTES_MAX / 2;

/// The most that wasmtime holds for the calls, streams and futures of a WASI 0.3
/// guest, also for those that the guest has no handle for because both ends are the
/// host's. Such a stream is three of these, and has 9 KB.
const CONCURRENT_ENTRIES_MAX: usize = 4 * HANDLES_MAX;

/// What a param is called that is a setting: this, and the setting's name. Only
/// the web server can send it, because a client's fields are called HTTP_….
const SETTING_PREFIX: &[u8] = b"WASI_CONFIG_";

/// What a request's instance will be made in. It can be entered once.
pub(super) struct Sandbox {
    pub(super) deployment: Arc<Deployment>,
    pub(super) journal: Arc<Journal>,
    pub(super) meter: Arc<Meter>,
    pub(super) memory: Claim,
}

impl Sandbox {
    /// The store of the one instance that serves this request, of what was loaded
    /// for this engine.
    pub(super) fn enter(
        self,
        engine: &wasmtime::Engine,
        params: Params,
        body: RequestBody,
        reply: Option<Reply>,
    ) -> Store<Guest> {
        let Self {
            deployment,
            journal,
            meter,
            memory,
        } = self;
        let policy = deployment.policy.as_ref();
        let (cpu_time_max, slow_after) = (policy.cpu_time_max, policy.slow_after);
        let memory_bytes_max = policy.memory_bytes_max;
        let flavour = deployment.flavour;
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES_MAX);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(FIELDS_BYTES_MAX);
        let guest = Guest {
            params,
            body: Incoming::new(body),
            source: Incoming::default(),
            reply,
            memory: meter.clone().limit_memory(memory_bytes_max, Some(memory)),
            outbound: Outbound::new(deployment.clone(), journal.clone(), meter.clone()),
            holdings: Holdings::new(meter.clone(), flavour),
            meter: meter.clone(),
            deployment,
            journal,
            table,
            program: None,
            environment: None,
            log: None,
            settings: None,
            wasi: None,
            wasi_0_1: None,
            http,
        };
        let mut store = Store::new(engine, guest);
        store.limiter(|guest| &mut guest.memory);
        store.set_max_component_handles(HANDLES_MAX);
        if let Some(table) = store.concurrent_resource_table() {
            table.set_max_capacity(CONCURRENT_ENTRIES_MAX);
        }
        store.set_hostcall_fuel(match flavour {
            // What its one call hands over lies in the guest's memory, so it is no
            // more than that; as our values it takes as much again.
            Flavour::Plain => usize::try_from(memory_bytes_max).unwrap_or(usize::MAX),
            Flavour::Concurrent => CONCURRENT_CALL_BYTES_MAX,
        });
        meter.limit_cpu(&mut store, cpu_time_max, slow_after);
        store
    }
}

/// What one instance's imports see.
pub(super) struct Guest {
    pub(super) params: Params,
    /// The request's body, unless the instance's world hands it out itself.
    pub(super) body: Incoming,
    /// The file that an instance of the native contract filters.
    pub(super) source: Incoming,
    /// Where an instance of the native contract answers.
    pub(super) reply: Option<Reply>,
    deployment: Arc<Deployment>,
    meter: Arc<Meter>,
    journal: Arc<Journal>,
    memory: MemoryLimit,
    holdings: Holdings,
    table: ResourceTable,
    program: Option<Program>,
    /// What it is told when it asks.
    environment: Option<Arc<Vec<(String, String)>>>,
    /// What the guest writes to its log, by whichever way.
    log: Option<LogStream>,
    settings: Option<WasiConfigVariables>,
    /// Made when they are first asked for: a guest that needs no WASI does not
    /// pay for it.
    wasi: Option<WasiCtx>,
    wasi_0_1: Option<WasiP1Ctx>,
    http: WasiHttpCtx,
    outbound: Outbound,
}

impl Guest {
    /// Counts what it has under way as memory. An error if that is too much.
    pub(super) fn count_concurrent(store: &mut StoreContextMut<'_, Self>) -> wasmtime::Result<()> {
        let Some(table) = store.concurrent_resource_table() else {
            return Ok(());
        };
        let entries = table.iter_mut().count();
        let Self {
            holdings, memory, ..
        } = store.data_mut();
        holdings.count_concurrent(entries as u64, memory)
    }

    /// What its instance is to see as a program, instead of nothing.
    pub(super) fn set_program(&mut self, program: Program, variables: Vec<(String, String)>) {
        self.program = Some(program);
        self.set_environment(variables);
    }

    /// Its environment variables, in one list that is not copied: a program has
    /// some forty of them.
    pub(super) fn environment(&mut self) -> Arc<Vec<(String, String)>> {
        match &self.environment {
            Some(environment) => environment.clone(),
            None => self.set_environment(Vec::new()),
        }
    }

    fn set_environment(&mut self, variables: Vec<(String, String)>) -> Arc<Vec<(String, String)>> {
        let Deployment {
            policy, secrets, ..
        } = self.deployment.as_ref();
        let environment = grants::environment(policy, secrets, variables);
        self.environment.insert(environment.into()).clone()
    }

    /// Says once for an application how it gets the files that it looks for.
    pub(super) fn hint_at_folders(&self) {
        let has_none = self.deployment.policy.grants.folders.is_empty();
        let has_told = &self.deployment.has_told_of_folders;
        if has_none && !has_told.swap(true, Ordering::Relaxed) {
            grants::tell(
                &self.journal,
                self.meter.customer().map(Arc::as_ref),
                "the application asked for its folders and has none; if it needs files, --dir HOST::GUEST grants it some",
            );
        }
    }

    /// The state of WASI 0.1.
    pub(super) fn wasi_0_1(&mut self) -> &mut WasiP1Ctx {
        if self.wasi_0_1.is_none() {
            let environment = self.environment();
            let mut wasi = self.builder().envs(&environment).build_p1();
            wasi.ctx().table.set_max_capacity(HANDLES_MAX);
            self.wasi_0_1 = Some(wasi);
        }
        let wasi = self.wasi_0_1.as_mut().expect("made above");
        self.holdings.look_at(wasi.ctx().table, &mut self.memory);
        wasi
    }

    /// What looks up names for it, if it may have that: who was granted addresses
    /// may.
    pub(super) fn names(&self) -> Option<Names> {
        let may = !self.deployment.policy.grants.addresses.is_empty();
        may.then(|| Names::of(self.meter.customer().map(Arc::as_ref)))
    }

    /// What the application was set, and what the web server sets for it.
    pub(super) fn settings(&mut self) -> &WasiConfigVariables {
        let Deployment {
            policy, secrets, ..
        } = self.deployment.as_ref();
        let params = &self.params;
        self.settings.get_or_insert_with(|| {
            let mut settings = WasiConfigVariables::new();
            for (name, value) in &policy.grants.settings {
                settings.insert(name, value);
            }
            for (name, value) in params.iter() {
                if let Some(name) = name.strip_prefix(SETTING_PREFIX) {
                    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
                    settings.insert(text(name), text(value));
                }
            }
            for (name, value) in &secrets.settings {
                settings.insert(name, value);
            }
            settings
        })
    }

    pub(super) fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    pub(super) fn customer(&self) -> Option<&Customer> {
        self.meter.customer().map(|customer| &**customer)
    }

    /// The turns of its tenant to list folders as WASI 0.1 does.
    pub(super) fn listings(&self) -> Arc<Semaphore> {
        self.deployment.customer.tenant.listings().clone()
    }

    /// The guest's log: all of its ways there share one limit.
    pub(super) fn log(&mut self) -> &LogStream {
        let (journal, customer) = (&self.journal, self.meter.customer());
        let bytes_max = self.deployment.policy.log_bytes_max;
        self.log
            .get_or_insert_with(|| LogStream::new(journal.clone(), bytes_max, customer.cloned()))
    }

    fn builder(&mut self) -> WasiCtxBuilder {
        let log = self.log().other();
        let program = self.program.take();
        let (policy, journal) = (&self.deployment.policy, &self.journal);
        let customer = self.meter.customer();
        let connects = self.holdings.connects();
        grants::wasi(policy, journal, customer, connects, log, program)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.holdings.part_with(&mut self.table);
        if let Some(wasi) = &mut self.wasi_0_1 {
            self.holdings.part_with(wasi.ctx().table);
        }
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        if self.wasi.is_none() {
            self.wasi = Some(self.builder().build());
        }
        self.holdings.look_at(&mut self.table, &mut self.memory);
        WasiCtxView {
            ctx: self.wasi.as_mut().expect("made above"),
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        self.holdings.look_at(&mut self.table, &mut self.memory);
        WasiHttpCtxView {
            hooks: &mut self.outbound,
            table: &mut self.table,
            ctx: &mut self.http,
        }
    }
}
