//! Where the status is shown, and from when on.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Result;
use fcgi_wasm::{Board, Listener, StatusServer};

use super::wanted::{STATUS, Wanted};
use crate::args::Place;
use crate::starter;
use crate::status::fetch::is_stopping;

/// How often it is looked whether a place is free.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Shows the status; if a server that is stopping has its place, as soon as that is
/// gone: it tells until its end that it is not ready, and may take a while.
pub(super) async fn shown(
    wanted: &Wanted,
    place: &Place,
    clients: &[IpAddr],
    board: &Arc<Board>,
) -> Result<Arc<OnceLock<StatusServer>>> {
    let shown = Arc::new(OnceLock::new());
    match listen(place, clients, board) {
        Ok(server) => {
            let _ = shown.set(server);
        }
        Err(error) if is_stopping(place).await => {
            tracing::warn!(
                "the status is shown when the server has stopped that is there: {error:#}"
            );
            let (place, clients) = (place.clone(), clients.to_vec());
            let (board, shown) = (board.clone(), shown.clone());
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(LOOK_EVERY).await;
                    if let Ok(server) = listen(&place, &clients, &board) {
                        let _ = shown.set(server);
                        return;
                    }
                }
            });
        }
        Err(error) => return Err(wanted.complain(STATUS, format!("{error:#}"))),
    }
    Ok(shown)
}

fn listen(place: &Place, clients: &[IpAddr], board: &Arc<Board>) -> Result<StatusServer> {
    let listener = match place {
        Place::Unix(path) => Listener::unix(path)?,
        Place::Tcp(address) => starter::tcp(*address, clients)?,
    };
    Ok(StatusServer::start(listener, board.clone())?)
}
