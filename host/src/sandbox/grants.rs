//! WASI as one instance sees it: what was granted, and a word about the flag
//! where something was not.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use wasmtime_wasi::sockets::SocketAddrUse;
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

use super::cgi_io::{CgiInput, CgiOutput};
use super::secrets::Secrets;
use super::stdio::LogStream;
use super::tenant::Customer;
use crate::message::Journal;
use crate::policy::{AddressPattern, Policy};

/// How many random bytes a guest gets in one call.
const RANDOM_BYTES_MAX: u64 = 1024 * 1024;

/// What a guest that is a CGI program sees of its request, beside its
/// environment.
pub(super) struct Program {
    /// By which it may refer to itself.
    pub(super) name: String,
    pub(super) input: CgiInput,
    pub(super) output: CgiOutput,
}

/// The environment of one instance: what its operator sets, and of `variables`
/// what that leaves open.
pub(super) fn environment(
    policy: &Policy,
    secrets: &Secrets,
    mut variables: Vec<(String, String)>,
) -> Vec<(String, String)> {
    let of_operator = || policy.grants.variables.iter().chain(&secrets.variables);
    variables.retain(|(name, _)| !of_operator().any(|(set, _)| set == name));
    variables.extend(of_operator().cloned());
    variables
}

/// The WASI state of one instance. Beside its log, clocks and random numbers
/// it has what its policy grants, but for its [`environment`].
pub(super) fn wasi(
    policy: &Policy,
    journal: &Arc<Journal>,
    customer: Option<&Arc<Customer>>,
    connects: Arc<AtomicU64>,
    log: LogStream,
    program: Option<Program>,
) -> WasiCtxBuilder {
    let mut builder = WasiCtxBuilder::new();
    builder.max_random_size(RANDOM_BYTES_MAX);
    match program {
        None => {
            builder.stdout(log.other());
        }
        Some(program) => {
            builder.arg(program.name);
            builder.stdin(program.input).stdout(program.output);
        }
    }
    builder.stderr(log);
    for folder in &policy.grants.folders {
        let permissions = match folder.is_read_only {
            true => FsPerms::ReadOnly,
            false => FsPerms::ReadWrite,
        };
        let opened = open_folder(&folder.host_path).map_err(wasmtime::Error::from);
        let preopened = opened.and_then(|opened| {
            let path = format!("/proc/self/fd/{}", opened.as_raw_fd());
            builder.preopened_dir(path, &folder.guest_path, permissions)?;
            Ok(())
        });
        if let Err(error) = preopened {
            let path = folder.host_path.display();
            let hint = format!("the folder {path} (--dir) can not be opened any more: {error:#}");
            tell(journal, customer.map(|customer| &**customer), &hint);
        }
    }
    let patterns: Arc<[AddressPattern]> = policy.grants.addresses.as_slice().into();
    // Sockets can be made in any case, so that it is told where they were to
    // lead.
    builder.allow_tcp(true).allow_udp(true);
    let gate = Gate {
        patterns,
        journal: journal.clone(),
        customer: customer.cloned(),
        connects,
        has_told: AtomicBool::new(false),
        has_told_of_datagrams: AtomicBool::new(false),
    };
    builder.socket_addr_check(move |address, usage| {
        let may = gate.may(address, usage);
        Box::pin(async move { may })
    });
    builder
}

/// Opens a granted folder. Each time anew, because it may have been replaced, but never by
/// way of a symbolic link: whoever may write to a folder above it, as an application that
/// was granted that one, could lead it anywhere.
pub(super) fn open_folder(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS);
    opened.map_err(|error| match error {
        Errno::LOOP => io::Error::other("it is reached by a symbolic link"),
        Errno::NOTDIR => io::Error::other("it is no folder"),
        error => error.into(),
    })
}

/// Says to the operator and to the application's author what was refused. It is on
/// the account of whoever tries it.
pub(super) fn tell(journal: &Journal, customer: Option<&Customer>, hint: &str) {
    let request = journal.number();
    if customer.is_none_or(|customer| customer.may_log(hint.len(), journal)) {
        let app = journal.app();
        tracing::warn!(request, app, "{hint}");
    }
    journal.say(hint);
}

/// Which addresses sockets may use.
struct Gate {
    patterns: Arc<[AddressPattern]>,
    journal: Arc<Journal>,
    customer: Option<Arc<Customer>>,
    connects: Arc<AtomicU64>,
    has_told: AtomicBool,
    has_told_of_datagrams: AtomicBool,
}

impl Gate {
    fn may(&self, address: SocketAddr, usage: SocketAddrUse) -> bool {
        use SocketAddrUse::{TcpBind, TcpConnect, UdpBind, UdpReceive, UdpSend};

        let is_outward = matches!(usage, TcpConnect | UdpSend | UdpReceive);
        if is_outward && self.patterns.iter().any(|pattern| pattern.matches(address)) {
            self.connects
                .fetch_add(matches!(usage, TcpConnect).into(), Ordering::Relaxed);
            return true;
        }
        // A socket that connects is bound first, to any address and port. One that gets
        // datagrams from then on costs something, whoever sends them.
        let is_implied = address.ip().is_unspecified() && address.port() == 0;
        let takes_datagrams = matches!(usage, UdpBind);
        let has_use = !takes_datagrams || !self.patterns.is_empty();
        if matches!(usage, TcpBind | UdpBind) && is_implied && has_use {
            return true;
        }
        let (has_told, hint) = match is_outward {
            true => (
                &self.has_told,
                format!("a connection to {address} was refused; --allow-net {address} allows it"),
            ),
            false if takes_datagrams && is_implied => (
                &self.has_told_of_datagrams,
                "a UDP socket was refused; --allow-net allows it for certain addresses".to_owned(),
            ),
            false => return false,
        };
        if !has_told.swap(true, Ordering::Relaxed) {
            tell(&self.journal, self.customer.as_deref(), &hint);
        }
        false
    }
}
