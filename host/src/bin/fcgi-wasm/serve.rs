//! `fcgi-wasm serve`.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use fcgi_wasm::{
    AppFile, Catalogue, Engine, FastCgi, Http, Listener, Observer, Readiness, Server, Slot, Tenant,
    UnixPath,
};

use crate::accounts::{group_id, user_id};
use crate::args::{Places, Serve};
use crate::descriptors::Need;
use crate::observing::{Observing, Wanted};
use crate::reload::Asked;
use crate::signals::{Signals, Wish};
use crate::{conf, descriptors, engine, hosting, log, memory, starter, systemd};

pub(crate) fn run(mut args: Serve) -> Result<ExitCode> {
    let fastcgi = starter::sockets()?;
    if let (Some(script), Some(app)) = (&args.script, &args.app) {
        args.app = Some(starter::app_of_script(script, app)?);
    }
    descriptors::raise();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the threads that serve")?;
    runtime.block_on(serve(args, fastcgi))?;
    // A compile or a file operation that still runs is not waited for.
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}

async fn serve(args: Serve, inherited: Vec<Listener>) -> Result<()> {
    // First of all, so that a signal while loading is not lost.
    let reload = Arc::new(Asked::default());
    let mut stop = pin!(until_stop(Signals::listen()?, reload.clone()));
    let path = match (&args.config, &args.app) {
        (Some(config), _) => {
            return hosting::serve(config, inherited, &args.observing, &reload, stop).await;
        }
        (None, Some(app)) if conf::is_configuration(app) => bail!(
            "{0} is a configuration and no application: write serve --config {0}",
            app.display()
        ),
        (None, Some(app)) => app,
        (None, None) => bail!("give an application, or --config FILE"),
    };
    let places = &args.places;
    let logs = [
        &args.log.log,
        &args.observing.access_log,
        &args.observing.app_log,
    ];
    descriptors::check(&Need {
        sockets: places.socket.len() + places.listen.len() + places.http.len(),
        logs: logs.into_iter().flatten().count(),
        apps: 1,
        connections: args.max_connections,
    });
    let observing = Observing::start(Wanted::default().with(&args.observing)).await?;
    // Before the application is loaded, which may take long: who connects
    // meanwhile waits, and what is wrong here is told at once.
    let listen = sockets(&args, path, inherited)?;
    let application = Application::new(&args, path, observing.observers())?;
    let loading = async { Ok(application.slot.load().await?) };
    tokio::select! {
        loaded = engine::with_progress(path, loading) => loaded?,
        () = stop.as_mut() => return Ok(()),
    };
    let mut server = Server::new(application.slot.clone())
        .connections_max(args.max_connections)
        .drain_max(args.drain_timeout);
    for observer in observing.observers() {
        server = server.observe(observer.clone());
    }
    let server = listen(server);
    observing.watch_catalogue(&application.catalogue);
    let thrift = tokio::spawn(memory::give_back(application.catalogue.clone()));
    let status = format!("serving {}", application.name);
    systemd::ready(&status);
    systemd::start_watchdog();
    observing.set_readiness(Readiness::Ready);
    let stop = async {
        stop.await;
        observing.set_readiness(Readiness::Stopping);
    };
    let (slot, files) = (&application.slot, &application.files);
    tokio::select! {
        served = server.run_until(stop) => served?,
        () = hosting::keep_fresh(slot, files, &reload, args.watch, &status) => {}
    }
    thrift.abort();
    hosting::drain(&application.catalogue, args.drain_timeout).await;
    observing.flush();
    Ok(())
}

/// Listens, and gives what has a server serve there.
fn sockets(
    args: &Serve,
    path: &Path,
    inherited: Vec<Listener>,
) -> Result<impl FnOnce(Server) -> Server> {
    let mut fastcgi = FastCgi::default()
        .connections_max(args.max_connections)
        .requests_max(args.about.limits.max_concurrent)
        .multiplex(!args.no_multiplex)
        .idle_max(args.idle_timeout)
        .hang_up_when_broken(args.hang_up_when_broken)
        .app_name(&path.file_name().unwrap_or_default().to_string_lossy());
    let mut http = Http::default();
    if let Some(mount) = &args.mount {
        fastcgi = fastcgi.mount(mount.clone());
        http = http.mount(mount.clone());
    }
    let web_servers = Listener::web_servers()?;
    let mut places = inherited;
    places.extend(fastcgi_places(&args.places, web_servers.as_deref())?);
    let places = starter::guard(places, web_servers.as_deref());
    let addresses = args.places.http.iter();
    let web = addresses.map(|address| starter::tcp(*address, &args.places.allowed_clients));
    let web = web.collect::<Result<Vec<_>>>()?;
    if places.is_empty() && web.is_empty() {
        return Err(starter::nowhere());
    }
    Ok(move |mut server: Server| {
        for listener in places {
            server = server.listen(listener, fastcgi.clone());
        }
        for listener in web {
            tracing::info!("for development: http://{listener}/");
            server = server.listen(listener, http.clone());
        }
        server
    })
}

/// What is served.
struct Application {
    /// What logs, metrics and the status call it.
    name: String,
    catalogue: Catalogue,
    /// For as long as anything of it runs.
    slot: Slot,
    /// What it is made from.
    files: Vec<PathBuf>,
}

impl Application {
    fn new(args: &Serve, path: &Path, observers: &[Arc<dyn Observer>]) -> Result<Self> {
        let options = Engine::options().instances_max(args.about.limits.max_concurrent);
        let engine = engine::start(options, &args.cache, observers)?;
        let mut policy = args.about.policy();
        if let Some(slow) = args.observing.slow {
            policy = policy.slow_after(slow);
        }
        let mut files = vec![path.to_owned()];
        files.extend(policy.secret_files().map(Path::to_owned));
        let name = path.file_stem().unwrap_or(path.as_os_str());
        let name = name.to_string_lossy().into_owned();
        let tenant = Tenant::new(&engine, &name, args.about.budget());
        let catalogue = Catalogue::new();
        let file = AppFile::new(&tenant, &name, path, policy);
        Ok(Self {
            slot: catalogue.lasting_slot(&name, &name, file),
            name,
            catalogue,
            files,
        })
    }
}

fn fastcgi_places(places: &Places, web_servers: Option<&[IpAddr]>) -> Result<Vec<Listener>> {
    let mut listeners = Vec::new();
    for path in &places.socket {
        let mut socket = UnixPath::new(path).mode(places.socket_mode);
        if let Some(owner) = &places.socket_owner {
            socket =
                socket.owner(user_id(owner).map_err(|error| anyhow!("--socket-owner: {error}"))?);
        }
        if let Some(group) = &places.socket_group {
            socket =
                socket.group(group_id(group).map_err(|error| anyhow!("--socket-group: {error}"))?);
        }
        listeners.push(Listener::unix(socket)?);
    }
    let clients = match places.allowed_clients.as_slice() {
        [] => web_servers.unwrap_or_default(),
        clients => clients,
    };
    for address in &places.listen {
        listeners.push(starter::tcp(*address, clients)?);
    }
    Ok(listeners)
}

/// Ready at the first signal to stop; at the second the process ends. Until
/// then this is where signals to reload are followed.
async fn until_stop(mut signals: Signals, reload: Arc<Asked>) {
    while signals.next().await == Wish::Reload {
        systemd::reloading();
        log::reopen();
        // New versions are loaded beside the old ones, which serve meanwhile.
        // Whoever does it says when it is done.
        reload.ask();
    }
    tracing::info!("stopping; a second signal stops at once");
    systemd::stopping();
    tokio::spawn(async move {
        signals.insisting().await;
        tracing::warn!("stopped at once");
        // Asked for as well, so no failure.
        std::process::exit(0);
    });
}
