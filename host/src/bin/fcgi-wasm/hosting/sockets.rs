//! The sockets of a configuration, each a server of its own: so that one opens
//! and closes without the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use fcgi_wasm::{FastCgi, Http, Listener, Observer, Router, Server, SocketFile};
use futures_util::future::join_all;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::places::Places;
use crate::config::{Listen, Plan, Socket};

/// Those that are open, by the place that they listen at.
pub(super) struct Sockets {
    open: BTreeMap<String, Open>,
    places: Places,
    /// Who is told of their requests.
    observers: Vec<Arc<dyn Observer>>,
}

struct Open {
    socket: Socket,
    router: Router,
    /// Those that we made.
    files: Vec<SocketFile>,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

/// A socket that is bound, and not served yet.
pub(super) struct Bound {
    place: String,
    socket: Socket,
    listeners: Vec<Listener>,
}

impl Sockets {
    pub(super) fn new(places: Places, observers: &[Arc<dyn Observer>]) -> Self {
        Self {
            open: BTreeMap::new(),
            places,
            observers: observers.to_vec(),
        }
    }

    /// Binds those that are not open yet. Nothing is served before all of them
    /// could be.
    pub(super) fn bind(&mut self, plan: &Plan) -> Result<Vec<Bound>> {
        let mut bound = Vec::new();
        let wanted = plan.sockets.values();
        self.places
            .distribute(wanted.map(|socket| &socket.listen))?;
        for (name, socket) in &plan.sockets {
            let place = socket.listen.place();
            if self.open.contains_key(&place) {
                continue;
            }
            let listeners = self.places.open(&socket.listen);
            bound.push(Bound {
                place,
                listeners: listeners.map_err(|error| plan.complain_of_socket(name, &error))?,
                socket: socket.clone(),
            });
        }
        Ok(bound)
    }

    /// Those that are open.
    pub(super) fn open(&self) -> impl Iterator<Item = &Socket> {
        self.open.values().map(|open| &open.socket)
    }

    /// Serves those of what was bound that are ready, by these routes from the
    /// first request on.
    pub(super) fn serve<'s>(
        &mut self,
        bound: &mut Vec<Bound>,
        ready: impl Iterator<Item = &'s Socket>,
        drain_max: Duration,
        routes: impl Fn(&Socket) -> Router,
    ) {
        let ready: BTreeSet<_> = ready.map(|socket| socket.listen.place()).collect();
        for Bound {
            place,
            socket,
            listeners,
        } in bound.extract_if(.., |bound| ready.contains(&bound.place))
        {
            let router = routes(&socket);
            let mut server = Server::new(router.clone())
                .connections_max(socket.max_connections)
                .drain_max(drain_max);
            for observer in &self.observers {
                server = server.observe(observer.clone());
            }
            let files = listeners.iter().filter_map(Listener::socket_file);
            let files = files.collect();
            for listener in listeners {
                server = match socket.listen {
                    Listen::Http { .. } => server.listen(listener, http(&socket)),
                    _ => server.listen(listener, fastcgi(&socket)),
                };
            }
            let stop = CancellationToken::new();
            let stopped = stop.clone().cancelled_owned();
            let shown = place.clone();
            let serving = async move {
                if let Err(error) = server.run_until(stopped).await {
                    tracing::error!("nobody is served on {shown}: {error}");
                }
            };
            let open = Open {
                socket,
                router,
                files,
                stop,
                server: tokio::spawn(serving),
            };
            self.open.insert(place, open);
        }
    }

    /// Lets connect whoever may now.
    pub(super) fn change<'s>(&mut self, wanted: impl Iterator<Item = &'s Socket>) {
        for socket in wanted {
            let Some(open) = self.open.get_mut(&socket.listen.place()) else {
                continue;
            };
            if open.socket.listen != socket.listen
                && let Some(path) = socket.listen.unix_path()
            {
                match open.files.iter().try_for_each(|file| file.change(&path)) {
                    Ok(()) => open.socket.listen = socket.listen.clone(),
                    Err(error) => tracing::warn!("{error}"),
                }
            }
            if !is_served_alike(&open.socket, socket) {
                tracing::warn!(
                    "the socket {} keeps the settings that it was opened with until a restart",
                    socket.listen.place()
                );
            }
        }
    }

    /// Sends the requests of all that are open to these routes from now on. Those
    /// that are ready are for whom they are wanted for; the others for whom they
    /// were before.
    pub(super) fn route<'s>(
        &mut self,
        ready: impl Iterator<Item = &'s Socket>,
        routes: impl Fn(&Socket) -> Router,
    ) {
        for wanted in ready {
            if let Some(open) = self.open.get_mut(&wanted.listen.place()) {
                open.socket = Socket {
                    app: wanted.app.clone(),
                    tenant: wanted.tenant.clone(),
                    choose_by_param: wanted.choose_by_param,
                    ..open.socket.clone()
                };
            }
        }
        for open in self.open.values() {
            open.router.replace(&routes(&open.socket));
        }
    }

    /// Stops listening at all places but these. The requests under way there
    /// end in their own time.
    pub(super) fn close_others<'s>(&mut self, wanted: impl Iterator<Item = &'s Socket>) {
        let wanted: Vec<_> = wanted.map(|socket| socket.listen.place()).collect();
        self.open.retain(|place, open| {
            let stays = wanted.contains(place);
            if !stays {
                tracing::info!("no longer listening on {place}");
                open.stop.cancel();
            }
            stays
        });
    }

    /// Stops listening everywhere, and waits until the requests have ended.
    pub(super) async fn close(&mut self) {
        let open = std::mem::take(&mut self.open);
        for open in open.values() {
            open.stop.cancel();
        }
        let servers = open.into_values().map(|open| open.server);
        join_all(servers).await;
    }
}

/// Whether only who answers differs.
fn is_served_alike(one: &Socket, other: &Socket) -> bool {
    let without_routes = |socket: &Socket| Socket {
        app: None,
        tenant: None,
        choose_by_param: false,
        ..socket.clone()
    };
    without_routes(one) == without_routes(other)
}

fn fastcgi(socket: &Socket) -> FastCgi {
    let fastcgi = FastCgi::default()
        .connections_max(socket.max_connections)
        .multiplex(socket.multiplex)
        .idle_max(socket.idle_timeout)
        .hang_up_when_broken(socket.hang_up_when_broken);
    match &socket.mount {
        Some(mount) => fastcgi.mount(mount.clone()),
        None => fastcgi,
    }
}

fn http(socket: &Socket) -> Http {
    match &socket.mount {
        Some(mount) => Http::default().mount(mount.clone()),
        None => Http::default(),
    }
}
