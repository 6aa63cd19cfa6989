//! What a configuration calls for: sockets, tenants, applications and document
//! roots.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::anyhow;
use fcgi_wasm::cgi::Mount;
use fcgi_wasm::{Budget, Policy, UnixPath};

use super::complaint::Complaint;
use super::document::Document;
use super::planner::place_key;
use crate::args::LogPlace;
use crate::observing::Wanted;

/// All that is called for.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) server: Server,
    pub(crate) sockets: BTreeMap<String, Socket>,
    pub(crate) tenants: BTreeMap<String, Tenant>,
    pub(crate) apps: BTreeMap<String, App>,
    pub(crate) documents: BTreeMap<String, Documents>,
    /// Where the log goes, and how much of it.
    pub(crate) log: Log,
    /// What else is written, and shown.
    pub(crate) wanted: Wanted,
    /// Files that are not there: no reason not to serve the others.
    pub(crate) missing: Vec<Complaint>,
    /// What it was made from.
    pub(super) document: Document,
}

impl Plan {
    /// What is wrong with the place of a socket.
    pub(crate) fn complain_of_socket(&self, name: &str, error: &anyhow::Error) -> anyhow::Error {
        let text = format!("{error:#}");
        match self.document.section(&format!("socket.{name}")) {
            Some(section) => anyhow!("{}", section.complain(place_key(section), text)),
            None => anyhow!(text),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Log {
    pub(crate) level: Option<String>,
    pub(crate) place: LogPlace,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Server {
    pub(crate) cache: Option<PathBuf>,
    pub(crate) cache_bytes_max: u64,
    pub(crate) instances: usize,
    pub(crate) loaded_apps: usize,
    pub(crate) loaded_bytes_max: u64,
    pub(crate) idle_unload: Duration,
    pub(crate) compiles: usize,
    pub(crate) load_wait: Duration,
    pub(crate) drain_timeout: Duration,
    pub(crate) watch: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Socket {
    pub(crate) listen: Listen,
    pub(crate) mount: Option<Mount>,
    pub(crate) max_connections: usize,
    pub(crate) idle_timeout: Duration,
    pub(crate) multiplex: bool,
    pub(crate) hang_up_when_broken: bool,
    /// The only one who answers here.
    pub(crate) app: Option<String>,
    /// Whose applications alone answer here.
    pub(crate) tenant: Option<String>,
    pub(crate) choose_by_param: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Listen {
    /// What was passed at the start under this name, or to no other.
    Inherited { name: String, clients: Vec<IpAddr> },
    Unix {
        path: PathBuf,
        mode: u32,
        owner: Option<u32>,
        group: Option<u32>,
    },
    Tcp {
        address: SocketAddr,
        clients: Vec<IpAddr>,
    },
    Http {
        address: SocketAddr,
        clients: Vec<IpAddr>,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tenant {
    pub(crate) budget: Budget,
    pub(crate) user: Option<u32>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct App {
    pub(crate) file: PathBuf,
    pub(crate) tenant: String,
    pub(crate) routes: Vec<String>,
    pub(crate) preload: bool,
    pub(crate) policy: Policy,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Documents {
    /// What logs and metrics call its files.
    pub(crate) name: String,
    pub(crate) root: PathBuf,
    pub(crate) tenant: String,
    pub(crate) owners: Vec<u32>,
    pub(crate) policy: Policy,
}

impl Socket {
    /// Whether an application answers here.
    pub(crate) fn is_for(&self, name: &str, app: &App) -> bool {
        match &self.app {
            Some(only) => only == name,
            None => self.is_for_tenant(&app.tenant),
        }
    }

    /// Whether a tenant's document roots are served here.
    pub(crate) fn is_for_tenant(&self, tenant: &str) -> bool {
        self.app.is_none() && self.tenant.as_deref().is_none_or(|only| only == tenant)
    }
}

impl Listen {
    /// What can be listened at only once.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::Inherited { name, .. } => format!("the sockets passed for [socket.{name}]"),
            Self::Unix { path, .. } => path.display().to_string(),
            Self::Tcp { address, .. } | Self::Http { address, .. } => address.to_string(),
        }
    }

    /// The unix socket that is made, if it is one.
    pub(crate) fn unix_path(&self) -> Option<UnixPath> {
        let Self::Unix {
            path,
            mode,
            owner,
            group,
        } = self
        else {
            return None;
        };
        let mut socket = UnixPath::new(path).mode(*mode);
        if let Some(owner) = owner {
            socket = socket.owner(*owner);
        }
        if let Some(group) = group {
            socket = socket.group(*group);
        }
        Some(socket)
    }
}
