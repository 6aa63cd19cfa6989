//! The logs of requests and of applications, which may change while requests
//! run.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Result;
use fcgi_wasm::{
    APP_LOG_BURST_BYTES, APP_LOG_BYTES_PER_SECOND, AccessLog, AppLogs, Destination, Journal,
    LogFile, LogWriter, Observer, Record,
};

use super::wanted::{ACCESS_LOG, APP_LOG, Wanted};

/// Those that are open now.
pub(super) struct Logs {
    /// What the access log names of requests, which is asked once.
    params: Vec<String>,
    open: RwLock<OpenLogs>,
}

/// Logs that are open.
#[derive(Clone, Default)]
pub(crate) struct OpenLogs {
    pub(super) wanted: Wanted,
    access: Option<Arc<AccessLog>>,
    apps: Option<Arc<AppLogs>>,
}

impl Logs {
    pub(super) fn new(open: OpenLogs) -> Self {
        Self {
            params: open.wanted.format().params(),
            open: RwLock::new(open),
        }
    }

    pub(super) fn now(&self) -> OpenLogs {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.clone()
    }

    pub(super) fn change(&self, open: OpenLogs) {
        *self.open.write().unwrap_or_else(PoisonError::into_inner) = open;
    }
}

impl Observer for Logs {
    fn params(&self) -> Vec<String> {
        self.params.clone()
    }

    fn ended(&self, record: &Record) {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(log) = &open.access {
            log.ended(record);
        }
    }

    fn said(&self, journal: &Journal, line: &str) {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(logs) = &open.apps {
            logs.said(journal, line);
        }
    }
}

impl OpenLogs {
    /// Opens what is wanted. What is open and stays as it was is not opened
    /// again.
    pub(super) fn open(writer: &LogWriter, wanted: Wanted, before: &Self) -> Result<Self> {
        let now = &before.wanted;
        let is_kept = now.access_log == wanted.access_log && now.format() == wanted.format();
        let access = match &wanted.access_log {
            Some(_) if is_kept => before.access.clone(),
            Some(file) => {
                let log = AccessLog::open(writer, destination(file), wanted.format());
                let log = log.map_err(|error| wanted.complain(ACCESS_LOG, error));
                Some(Arc::new(log?))
            }
            None => None,
        };
        let is_kept = now.app_log == wanted.app_log && now.tenant_logs == wanted.tenant_logs;
        let apps = match is_kept {
            true => before.apps.clone(),
            false if wanted.has_app_logs() => Some(Arc::new(app_logs(writer, &wanted)?)),
            false => None,
        };
        Ok(Self {
            wanted,
            access,
            apps,
        })
    }

    /// The files, which know how many lines were dropped.
    pub(super) fn files(&self) -> impl Iterator<Item = &LogFile> {
        let access = self.access.iter().map(|log| log.file());
        access.chain(self.apps.iter().flat_map(|logs| logs.files()))
    }
}

fn app_logs(writer: &LogWriter, wanted: &Wanted) -> Result<AppLogs> {
    let mut logs = AppLogs::new(writer);
    if let Some(file) = &wanted.app_log {
        let file = destination(file);
        let added = logs.others(file, APP_LOG_BYTES_PER_SECOND, APP_LOG_BURST_BYTES);
        logs = added.map_err(|error| wanted.complain(APP_LOG, error))?;
    }
    for (tenant, log) in &wanted.tenant_logs {
        let file = destination(&log.file);
        let added = logs.tenant(tenant, file, log.bytes_per_second, log.burst_bytes);
        let key = format!("tenant.{tenant}.app_log");
        logs = added.map_err(|error| wanted.complain(&key, error))?;
    }
    Ok(logs)
}

fn destination(file: &Path) -> Destination {
    match file.to_str() {
        Some("-") => Destination::StandardError,
        _ => Destination::File(file.to_owned()),
    }
}
