//! One deployed application: admits requests, runs each in an instance of its
//! own, and names what goes wrong.

use std::fs::File;
use std::future::poll_fn;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::account::Standing;
use super::admission::Admitted;
use super::background;
use super::casting;
use super::chores::{self, Crew};
use super::compile;
use super::copies::Copies;
use super::ending::Ending;
use super::engine::Engine;
use super::guest::Sandbox;
use super::hand_off::HandOff;
use super::incoming::limit_body;
use super::limits::Meter;
use super::load;
use super::place::Claim;
use super::reply::Reply;
use super::runtime::Flavour;
use super::secrets::Secrets;
use super::slow;
use super::tenant::{Customer, Tenant};
use super::tighten::tighten;
use super::worlds::{self, World};
use crate::cgi;
use crate::message::{BodyError, BoxFuture, Fault, Handler, Request, Response, Stage};
use crate::policy::Policy;
use crate::setup::SetupError;

/// How many times a byte of memory counts that loaded code takes: a machine has more of
/// disk.
const MEMORY_WEIGHT: u64 = 4;

/// A component, ready to serve within its policy. Clones are the same
/// application.
#[derive(Clone)]
pub struct App(pub(super) Arc<Copies>);

/// What all requests of an application share, or those of one lane (see `copies`). One
/// of them has few references to it, instead of many to its parts: each is counted in
/// memory that the processors have to pass to each other.
#[derive(Clone)]
pub(super) struct Deployment {
    name: String,
    pub(super) flavour: Flavour,
    world: Arc<dyn World>,
    pub(super) policy: Arc<Policy>,
    pub(super) customer: Arc<Customer>,
    pub(super) secrets: Arc<Secrets>,
    /// Whether its operator was told how to grant it folders.
    pub(super) has_told_of_folders: Arc<AtomicBool>,
}

impl App {
    /// Loads a component from a file and compiles it, unless the engine's
    /// cache has it. That happens on a thread of its own.
    ///
    /// # Errors
    ///
    /// A sentence that names the file and what to do, if it can not be read,
    /// is no component, or is one that nobody here knows how to call.
    pub async fn load(
        engine: &Engine,
        path: impl AsRef<Path>,
        policy: Policy,
    ) -> Result<Self, SetupError> {
        // What logs, metrics and the status call it: its file's name.
        let path = path.as_ref();
        let name = path.file_stem().unwrap_or(path.as_os_str());
        let name = name.to_string_lossy().into_owned();
        let tenant = Tenant::new(engine, &name, policy.budget.clone());
        Self::load_for(&tenant, &name, path, policy).await
    }

    /// The same for a tenant, whose budget it shares with the tenant's other
    /// applications. Its name stands in logs.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub async fn load_for(
        tenant: &Tenant,
        name: &str,
        path: impl AsRef<Path>,
        policy: Policy,
    ) -> Result<Self, SetupError> {
        let (of, name) = (tenant.clone(), name.to_owned());
        let path = path.as_ref().to_owned();
        let load = move || {
            let bytes = load::read(&path)?;
            Self::compile(&of, &name, &path.display().to_string(), &bytes, policy)
        };
        tenant.aside(load).await
    }

    /// The same from bytes in memory: a component or module, binary or as text
    /// (WAT).
    /// Compiles on this thread.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn from_bytes(
        engine: &Engine,
        name: &str,
        bytes: &[u8],
        policy: Policy,
    ) -> Result<Self, SetupError> {
        let tenant = Tenant::new(engine, name, policy.budget.clone());
        Self::compile(&tenant, name, name, bytes, policy)
    }

    /// `file` is what the bytes are called when something is wrong with them.
    pub(crate) fn compile(
        tenant: &Tenant,
        name: &str,
        file: &str,
        bytes: &[u8],
        policy: Policy,
    ) -> Result<Self, SetupError> {
        let compiled = compile::code(tenant, name, file, bytes)?;
        let app = Self::bind(tenant, name, file, &compiled.loaded, policy)?;
        compiled.keep();
        Ok(app)
    }

    /// The same, if the engine's cache has the compiled code; `None` if it would
    /// have to be compiled.
    pub(crate) fn from_kept(
        tenant: &Tenant,
        name: &str,
        file: &str,
        bytes: &[u8],
        policy: Policy,
    ) -> Result<Option<Self>, SetupError> {
        let loaded = compile::kept(tenant.engine(), file, bytes)?;
        loaded
            .map(|loaded| Self::bind(tenant, name, file, &loaded, policy))
            .transpose()
    }

    /// The bytes of an open file, as far as one is loaded: 128 MiB.
    pub(crate) fn read(file: &File, name: &str) -> Result<Vec<u8>, SetupError> {
        load::read_file(file, name)
    }

    fn bind(
        tenant: &Tenant,
        name: &str,
        file: &str,
        loaded: &load::Loaded<'_>,
        policy: Policy,
    ) -> Result<Self, SetupError> {
        let memory_bytes = load::check_size(file, &loaded.code, &policy, tenant.budget())?;
        load::check_folders(&policy)?;
        let secrets = Secrets::read(&policy.grants)?;
        loaded.code.prepare(file)?;
        let deployment = Deployment {
            name: name.to_owned(),
            flavour: loaded.runtime.flavour,
            world: worlds::bind(loaded, file, policy.interface.as_deref())?.into(),
            customer: Customer::new(tenant, name, &policy.budget, memory_bytes),
            policy: Arc::new(policy),
            secrets: Arc::new(secrets),
            has_told_of_folders: Arc::default(),
        };
        Ok(Self(Copies::new(deployment, loaded)))
    }

    /// How much its code takes as long as it is loaded, bytes: what is in memory, and not
    /// mapped from a file of the cache, counts four times.
    pub fn loaded_bytes(&self) -> u64 {
        let weight = if self.0.is_mapped { 1 } else { MEMORY_WEIGHT };
        weight * self.0.code.bytes() as u64
    }

    /// Its name, as it stands in logs.
    pub fn name(&self) -> &str {
        &self.0.first.name
    }

    /// Who it belongs to.
    pub fn tenant(&self) -> &Tenant {
        &self.0.first.customer.tenant
    }

    /// What its requests take at this moment.
    pub fn standing(&self) -> Standing {
        self.0.first.customer.app.standing()
    }

    /// Waits until none of this application's requests is running.
    pub async fn drained(&self) {
        self.0.first.customer.idle().await;
    }
}

impl Handler for App {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Fault>> {
        Box::pin(async move {
            let here = self.0.here();
            request.journal.set_owner(here.customer.owner.clone());
            let deployment = match tighten(&here.policy, &request.params)? {
                None => here.clone(),
                Some(policy) => Arc::new(Deployment {
                    policy: Arc::new(policy),
                    ..here.as_ref().clone()
                }),
            };
            deployment.handle(request).await
        })
    }
}

impl Deployment {
    /// The same for another lane, where its code is this.
    pub(super) fn copy(&self, world: Box<dyn World>) -> Self {
        Self {
            world: world.into(),
            policy: Arc::new(self.policy.as_ref().clone()),
            customer: self.customer.copy(),
            ..self.clone()
        }
    }

    async fn handle(self: Arc<Self>, mut request: Request) -> Result<Response, Fault> {
        let journal = request.journal.clone();
        let is_verdict =
            casting::cast(&self.name, self.world.as_ref(), &self.policy, &mut request)?;
        let bytes_max = self.policy.request_body_bytes_max;
        if cgi::content_length(&request.params).is_some_and(|bytes| bytes > bytes_max) {
            return Err(BodyError::TooLarge.into());
        }
        self.customer.check_abandoned(&journal)?;
        journal.set_stage(Stage::Queued);
        let came = Instant::now();
        let params_bytes = request.params.memory_bytes();
        let gate = self.customer.gate();
        let admitted = gate.enter(&self.customer, &journal, params_bytes).await;
        journal.set_queue_wait(came.elapsed());
        let Admitted { place, memory } = admitted?;
        let meter = Meter::new(journal, Some(self.customer.clone()));
        request.body = limit_body(request.body, bytes_max, &meter);
        // The web server vouches for the file's length.
        request.data = limit_body(request.data, u64::MAX, &meter);
        let place = Arc::new(place);
        let hand_off = HandOff::new(&request.params, self.policy.send_file_by);
        let (reply, answer) = Reply::new(place, meter.clone(), self.policy.clone(), is_verdict);
        // A task of its own: the guest goes on while whoever asked is busy
        // writing, and after it has its answer.
        let crew = self.crew();
        let work = self
            .clone()
            .drive(memory, meter.clone(), request, reply, crew);
        let task = Box::pin(work);
        background::spawn(self.customer.clone(), meter, task);
        let answer = answer.await.unwrap_or_else(|_| {
            let complaint = "the task that ran the application broke off";
            Err(Fault::Internal(complaint.to_owned()))
        });
        match answer.and_then(|response| hand_off.of(response, &self.policy)) {
            Ok(response) if is_verdict && response.leave.is_some() => {
                casting::complete(response).await
            }
            answer => answer,
        }
    }

    /// Who does what may wait. Asked on a thread that serves: new threads are as nice as
    /// the one that starts them.
    fn crew(&self) -> Option<Arc<Crew>> {
        let are_needed = chores::are_needed(&self.policy.grants);
        are_needed.then(|| self.customer.tenant.chores().crew())?
    }

    /// Runs the guest to its end, whatever that is.
    async fn drive(
        self: Arc<Self>,
        memory: Claim,
        meter: Arc<Meter>,
        request: Request,
        reply: Reply,
        crew: Option<Arc<Crew>>,
    ) {
        let journal = request.journal.clone();
        let sandbox = Sandbox {
            deployment: self.clone(),
            journal: journal.clone(),
            meter: meter.clone(),
            memory,
        };
        let ending = self.watch(sandbox, request, &reply, crew).await;
        meter.publish();
        self.customer.note_memory(journal.usage().memory_bytes_peak);
        ending.conclude(&reply, &meter, &self.policy, &journal);
    }

    /// Polls the guest, and beside it the clock and whoever waits.
    async fn watch(
        &self,
        sandbox: Sandbox,
        request: Request,
        reply: &Reply,
        crew: Option<Arc<Crew>>,
    ) -> Ending {
        let meter = sandbox.meter.clone();
        let work = self.world.run(sandbox, request, reply.clone());
        let policy = &self.policy;
        let mut work = pin!(meter.clone().measure(work, crew));
        let first = policy.wall_time_max.min(policy.duration_max);
        let first = first.min(policy.head_time_max);
        let mut alarm = pin!(sleep(first));
        let mut slow = self.policy.slow_after.map(|after| Box::pin(sleep(after)));
        let mut answered_at = None;
        poll_fn(|cx| {
            if let Poll::Ready(result) = work.as_mut().poll(cx) {
                return Poll::Ready(Ending::Returned(result));
            }
            if let Some(fault) = meter.condemned.get() {
                return Poll::Ready(Ending::Ended(fault.clone()));
            }
            // What the host does for it is not interrupted by the clock of guests.
            if meter.spent_by_now() > policy.cpu_time_max {
                let fault = Fault::OutOfCpu(policy.cpu_time_max);
                return Poll::Ready(Ending::Ended(fault));
            }
            if answered_at.is_none() && reply.is_over() {
                answered_at = Some(meter.elapsed().0);
                let left = self.policy.after_answer_max;
                alarm.as_mut().reset(Instant::now() + left);
            }
            if reply.poll_gone(cx).is_ready() {
                return Poll::Ready(Ending::Gone);
            }
            if let Some(alarm) = &mut slow
                && alarm.as_mut().poll(cx).is_ready()
            {
                slow = None;
                slow::tell_waiting(&meter);
            }
            while alarm.as_mut().poll(cx).is_ready() {
                match self.time_left(&meter, answered_at, reply.is_held_back()) {
                    Ok(left) => alarm.as_mut().reset(Instant::now() + left),
                    Err(fault) => return Poll::Ready(Ending::Ended(meter.tell_pauses(fault))),
                }
            }
            Poll::Pending
        })
        .await
    }

    /// How long the guest may go on, if it may.
    fn time_left(
        &self,
        meter: &Meter,
        answered_at: Option<Duration>,
        is_held_back: bool,
    ) -> Result<Duration, Fault> {
        let policy = &self.policy;
        let (elapsed, of_client) = meter.elapsed();
        let left = |most: Duration, used: Duration, fault: fn(Duration) -> Fault| {
            let left = most.checked_sub(used).filter(|left| !left.is_zero());
            left.ok_or_else(|| fault(most))
        };
        if let Some(at) = answered_at {
            let since = elapsed.saturating_sub(at);
            return left(policy.after_answer_max, since, Fault::Overstayed);
        }
        let altogether = left(policy.duration_max, elapsed, Fault::TooLong)?;
        let own = elapsed.saturating_sub(of_client);
        let most = altogether.min(left(policy.wall_time_max, own, Fault::OutOfTime)?);
        Ok(match is_held_back {
            true => most.min(left(policy.head_time_max, own, Fault::NoHeadInTime)?),
            false => most,
        })
    }
}
