//! A server in this process, whose handler is a closure of the test.

use std::path::{Path, PathBuf};

use fcgi_wasm::{FastCgi, Handler, Listener, Request, Response, Server};
use http::StatusCode;
use http_body_util::BodyExt;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::web_server::{Answer, Peer};

/// A running server. Dropping it stops it.
pub(crate) struct Local {
    folder: TempDir,
    runtime: Runtime,
    stop: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<std::io::Result<()>>>,
}

impl Local {
    /// Serves with this handler and the front-end as it comes.
    pub(crate) fn serve(handler: impl Handler) -> Self {
        Self::serve_with(handler, FastCgi::default(), |server| server)
    }

    pub(crate) fn serve_with(
        handler: impl Handler,
        frontend: FastCgi,
        set: impl FnOnce(Server) -> Server,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let runtime = Runtime::new().expect("a runtime");
        let listener = Listener::unix(folder.path().join("s")).expect("a socket");
        let server = set(Server::new(handler).listen(listener, frontend));
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            let _ = stopped.await;
        };
        let task = runtime.spawn(server.run_until(stopped));
        Self {
            folder,
            runtime,
            stop: Some(stop),
            task: Some(task),
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("s")
    }

    pub(crate) fn connect(&self) -> Peer {
        Peer::connect(&self.path())
    }

    /// One request on a connection of its own.
    #[track_caller]
    pub(crate) fn ask(&self, id: u16, request: &[u8]) -> Answer {
        self.connect().ask(id, request)
    }

    /// Tells the server to stop, and waits until it has.
    pub(crate) fn stop(&mut self) {
        self.begin_stop();
        if let Some(task) = self.task.take() {
            let outcome = self.runtime.block_on(task).expect("no panic");
            outcome.expect("served");
        }
    }

    /// Tells the server to stop.
    pub(crate) fn begin_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

/// Answers with what it was asked: the method, the params, then the body.
pub(crate) fn echo() -> impl Handler {
    |request: Request| async move {
        let mut text = String::new();
        for (name, value) in request.params.iter() {
            let name = String::from_utf8_lossy(name);
            let value = String::from_utf8_lossy(value);
            text.push_str(&format!("{name}={value}\n"));
        }
        let body = match request.body.collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => format!("error: {error}").into(),
        };
        text.push_str(&String::from_utf8_lossy(&body));
        Ok(Response::text(StatusCode::OK, text))
    }
}

/// Answers "hello", whatever it is asked.
pub(crate) fn hello() -> impl Handler {
    |_: Request| async { Ok(Response::text(StatusCode::OK, "hello\n")) }
}

/// Whether a path exists; for sockets that should be gone.
pub(crate) fn exists(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}
