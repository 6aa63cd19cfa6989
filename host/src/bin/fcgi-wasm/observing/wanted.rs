//! What is to be written and shown, by flags or a configuration.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::anyhow;
use fcgi_wasm::AccessLogFormat;

use crate::args::{self, Place};

/// Keys of a configuration.
pub(crate) const ACCESS_LOG: &str = "log.access_log";
pub(crate) const APP_LOG: &str = "log.app_log";
pub(crate) const STATUS: &str = "status.listen";

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) access_log: Option<PathBuf>,
    /// JSON, if nothing is said.
    pub(crate) access_log_format: Option<AccessLogFormat>,
    /// For all who have none of their own.
    pub(crate) app_log: Option<PathBuf>,
    pub(crate) tenant_logs: BTreeMap<String, TenantLog>,
    /// Where, and for whom.
    pub(crate) status: Option<(Place, Vec<IpAddr>)>,
    /// Where a configuration has the keys of these, as it is to be complained of.
    pub(crate) origins: BTreeMap<String, String>,
}

/// What a tenant's applications say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TenantLog {
    pub(crate) file: PathBuf,
    pub(crate) bytes_per_second: u64,
    pub(crate) burst_bytes: u64,
}

impl Wanted {
    /// The same, but for what flags say: they go before a file.
    #[must_use]
    pub(crate) fn with(mut self, flags: &args::Observing) -> Self {
        if flags.access_log.is_some() {
            self.origins.remove(ACCESS_LOG);
            self.access_log.clone_from(&flags.access_log);
            self.access_log_format = Some(flags.access_log_format.clone());
        }
        if flags.app_log.is_some() {
            self.origins.remove(APP_LOG);
            self.app_log.clone_from(&flags.app_log);
        }
        if let Some(place) = &flags.status {
            self.origins.remove(STATUS);
            self.status = Some((place.clone(), flags.status_clients.clone()));
        }
        self
    }

    /// What is wrong with the value of a key, and where that is.
    pub(super) fn complain(&self, key: &str, error: impl Display) -> anyhow::Error {
        match self.origins.get(key) {
            Some(origin) => anyhow!("{origin}: {key}: {error}"),
            None => anyhow!("{error}"),
        }
    }

    pub(super) fn format(&self) -> AccessLogFormat {
        let format = self.access_log_format.clone();
        format.unwrap_or_else(AccessLogFormat::json)
    }

    pub(super) fn has_logs(&self) -> bool {
        self.access_log.is_some() || self.has_app_logs()
    }

    pub(super) fn has_app_logs(&self) -> bool {
        self.app_log.is_some() || !self.tenant_logs.is_empty()
    }
}
