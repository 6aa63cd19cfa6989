//! Where sockets come from: made here, or passed by whoever started this.

use std::collections::BTreeMap;
use std::net::IpAddr;

use anyhow::{Context, Result, bail};
use fcgi_wasm::Listener;

use crate::config::Listen;
use crate::starter;

/// What was passed, and whom the environment lets in.
pub(super) struct Places {
    passed: Vec<Listener>,
    /// What was passed, by the table that takes it.
    taken: BTreeMap<String, Vec<Listener>>,
    /// FCGI_WEB_SERVER_ADDRS (FastCGI §3.2).
    web_servers: Option<Vec<IpAddr>>,
}

impl Places {
    pub(super) fn new(passed: Vec<Listener>) -> Result<Self> {
        Ok(Self {
            passed,
            taken: BTreeMap::new(),
            web_servers: Listener::web_servers()?,
        })
    }

    /// Gives each socket that was passed to the table that it is meant for.
    /// After the first time nothing is left to give.
    ///
    /// # Errors
    ///
    /// If nobody takes one: who connects there would wait for ever.
    pub(super) fn distribute<'l>(
        &mut self,
        wanted: impl Iterator<Item = &'l Listen>,
    ) -> Result<()> {
        let names = wanted.filter_map(|listen| match listen {
            Listen::Inherited { name, .. } => Some(name.as_str()),
            _ => None,
        });
        let names: Vec<_> = names.collect();
        for socket in std::mem::take(&mut self.passed) {
            let named = names.iter().find(|name| socket.passed_as() == Some(**name));
            let name = match (named, names.as_slice()) {
                (Some(name), _) | (None, [name]) => (*name).to_owned(),
                (None, []) => bail!(
                    "a socket was passed, {socket}, and no [socket.NAME] takes it: write \
                     `inherited = true` in one"
                ),
                (None, _) => bail!(
                    "a socket was passed, {socket}, and several [socket.NAME] are inherited: \
                     name it like one of them (FileDescriptorName= of systemd)"
                ),
            };
            self.taken.entry(name).or_default().push(socket);
        }
        Ok(())
    }

    /// The sockets of one table.
    pub(super) fn open(&mut self, listen: &Listen) -> Result<Vec<Listener>> {
        let web_servers = self.web_servers.as_deref();
        let sockets = match listen {
            Listen::Inherited { name, clients } => {
                let taken = self.taken.remove(name);
                let mut taken = taken.with_context(|| {
                    format!(
                        "no socket was passed for [socket.{name}]: start this with one on file \
                         descriptor 0 or by systemd (LISTEN_FDS); none is passed after the start"
                    )
                })?;
                if !clients.is_empty() {
                    let only = |socket: Listener| socket.only(clients.clone());
                    taken = taken.into_iter().map(only).collect();
                }
                taken
            }
            Listen::Unix { .. } => {
                let path = listen.unix_path();
                let made = path.map(Listener::unix).transpose()?;
                made.into_iter().collect()
            }
            Listen::Tcp { address, clients } => {
                let clients = match clients.as_slice() {
                    [] => web_servers.unwrap_or_default(),
                    clients => clients,
                };
                vec![starter::tcp(*address, clients)?]
            }
            // It is no FastCGI.
            Listen::Http { address, clients } => {
                return Ok(vec![starter::tcp(*address, clients)?]);
            }
        };
        Ok(starter::guard(sockets, web_servers))
    }
}
