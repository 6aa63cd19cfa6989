//! What a configuration says of the process: how it serves, and what it writes
//! and shows.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use fcgi_wasm::{APP_LOG_BURST_BYTES, APP_LOG_BYTES_PER_SECOND};

use super::complaint::Complaint;
use super::document::Document;
use super::plan::{Log, Server};
use crate::args::{LogPlace, Place};
use crate::observing::{TenantLog, Wanted};

pub(super) fn server(document: &Document) -> Server {
    let count = |key| document.main_value("server", key).unwrap_or(1);
    let size = |key| document.main_value("server", key).unwrap_or(1);
    let time = |key| document.main_value("server", key).unwrap_or_default();
    Server {
        cache: document.main_value("server", "cache"),
        cache_bytes_max: size("cache_size"),
        instances: count("instances"),
        loaded_apps: count("loaded_apps"),
        loaded_bytes_max: size("loaded_size"),
        idle_unload: time("idle_unload"),
        compiles: count("compiles"),
        load_wait: time("load_wait"),
        drain_timeout: time("drain_timeout"),
        watch: document.main_value("server", "watch").unwrap_or_default(),
    }
}

pub(super) fn log(document: &Document) -> Log {
    Log {
        level: document.main_value("log", "level"),
        place: LogPlace {
            log: document.main_value("log", "file"),
            syslog: document.main_value("log", "syslog"),
        },
    }
}

pub(super) fn wanted(document: &Document) -> Wanted {
    let tenants = document.sections("tenant").filter_map(|tenant| {
        let log = TenantLog {
            file: tenant.own("app_log")?,
            bytes_per_second: document
                .value(tenant, "log_rate")
                .unwrap_or(APP_LOG_BYTES_PER_SECOND),
            burst_bytes: document
                .value(tenant, "log_burst")
                .unwrap_or(APP_LOG_BURST_BYTES),
        };
        Some((tenant.name.clone(), log))
    });
    let place: Option<Place> = document.main_value("status", "listen");
    let clients = document.main_value("status", "clients");
    Wanted {
        access_log: document.main_value("log", "access_log"),
        access_log_format: document.main_value("log", "access_log_format"),
        app_log: document.main_value("log", "app_log"),
        tenant_logs: tenants.collect(),
        status: place.map(|place| (place, clients.unwrap_or_default())),
        origins: origins(document),
    }
}

/// Where the keys of what is written and shown stand.
fn origins(document: &Document) -> BTreeMap<String, String> {
    let mut origins = BTreeMap::new();
    for table in ["log", "status", "tenant"] {
        for section in document.sections(table) {
            for (key, setting) in &section.settings {
                let path = format!("{}.{key}", section.path());
                origins.insert(path, setting.place.to_string());
            }
        }
    }
    origins
}

/// What does not fit together of it.
pub(super) fn complaints(document: &Document) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    if let Some(log) = document.section("log")
        && log.own::<PathBuf>("file").is_some()
        && log.own::<PathBuf>("syslog").is_some()
    {
        let text = "the log has one place: `file` and `syslog` exclude each other";
        complaints.push(log.complain("syslog", text));
    }
    if let Some(status) = document.section("status") {
        let clients: Vec<IpAddr> = status.own("clients").unwrap_or_default();
        match status.own("listen") {
            Some(Place::Tcp(address)) if clients.is_empty() && is_beyond(address) => {
                let text = "this address is reached from other machines: name who may see it \
                            with `clients`";
                complaints.push(status.complain("listen", text));
            }
            Some(_) => {}
            None => {
                let text = "it is not set, so the status is shown nowhere";
                complaints.push(status.complain("listen", text));
            }
        }
    }
    complaints
}

fn is_beyond(address: SocketAddr) -> bool {
    !address.ip().is_loopback()
}
