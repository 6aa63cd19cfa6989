//! File descriptors of the process: how many there can be, and whether they are
//! enough for what is to be served.

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::config::{Listen, Plan};

/// What the process has open before the first connection, and compiles with: 14 were
/// counted, with one socket.
const OWN: u64 = 32;

/// Which part of all guests may have, as the library has it, and applications that are
/// loaded.
const GUESTS_PART: u64 = 2;
const LOADED_PART: u64 = 4;

/// What takes descriptors, beside guests.
pub(crate) struct Need {
    pub(crate) sockets: usize,
    pub(crate) logs: usize,
    pub(crate) apps: usize,
    pub(crate) connections: usize,
}

/// Raises the limit as far as it may be: each connection takes a descriptor, and shells
/// allow 1024.
pub(crate) fn raise() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!("cannot raise the limit of open files: {error}");
    }
}

/// Warns if there may be too few, before they are missed.
pub(crate) fn check(need: &Need) {
    if let Some(limit) = getrlimit(Resource::Nofile).current
        && let Some(warning) = need.warning(limit)
    {
        tracing::warn!("{warning}");
    }
}

impl Need {
    pub(crate) fn of(plan: &Plan) -> Self {
        let wanted = &plan.wanted;
        let logs = [
            plan.log.place.log.is_some(),
            wanted.access_log.is_some(),
            wanted.app_log.is_some(),
        ];
        let logs = logs.into_iter().filter(|is_wanted| *is_wanted).count();
        let ours = plan.sockets.values();
        let ours = ours.filter(|socket| !matches!(socket.listen, Listen::Inherited { .. }));
        let connections = plan.sockets.values().map(|socket| socket.max_connections);
        Self {
            sockets: ours.count() + usize::from(wanted.status.is_some()),
            logs: logs + wanted.tenant_logs.len(),
            // Document roots may have any number.
            apps: match plan.documents.is_empty() {
                true => plan.server.loaded_apps.min(plan.apps.len()),
                false => plan.server.loaded_apps,
            },
            connections: connections.sum(),
        }
    }

    fn warning(&self, limit: u64) -> Option<String> {
        let Self {
            sockets,
            logs,
            apps,
            connections,
        } = *self;
        let loaded = (apps as u64).min(limit / LOADED_PART);
        let need = OWN + (sockets + logs + connections) as u64 + loaded;
        let ours = limit - limit / GUESTS_PART;
        (need > ours).then(|| {
            format!(
                "{limit} files may be open, of which applications may have half, and {need} are \
                 needed besides (connections: {connections}, sockets: {sockets}, logs: {logs}, \
                 loaded applications: {loaded}); connections wait when there are none left: allow \
                 {} (`ulimit -n`, `LimitNOFILE=`), or fewer connections (`max_connections`)",
                need * GUESTS_PART
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_little_is_told_with_what_is_enough() {
        let need = Need {
            sockets: 2,
            logs: 3,
            apps: 10,
            connections: 500,
        };
        assert_eq!(need.warning(1094), None);
        let warning = need.warning(1024).expect("too few");
        for words in [
            "1024 files",
            "547 are needed",
            "connections: 500,",
            "allow 1094",
        ] {
            assert!(warning.contains(words), "{warning}");
        }
        assert_eq!(need.warning(u64::MAX), None);
    }
}
