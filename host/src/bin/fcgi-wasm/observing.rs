//! What `serve` writes and shows beside answering.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use fcgi_wasm::{
    APP_LOG_BYTES_PER_SECOND, AccessLog, AppLogs, Board, Destination, Listener, LogWriter,
    Observer, Readiness, StatusServer,
};
use tokio::signal::unix::{SignalKind, signal};

use crate::args;

/// How often the threads that serve give a sign of life.
const BEAT: Duration = Duration::from_secs(1);

/// Everything that was asked for, at work. Dropping it stops it.
#[derive(Default)]
pub(crate) struct Observing {
    observers: Vec<Arc<dyn Observer>>,
    board: Option<Arc<Board>>,
    writer: Option<LogWriter>,
    _status: Option<StatusServer>,
}

impl Observing {
    pub(crate) fn start(args: &args::Observing) -> Result<Self> {
        let mut observing = Self::default();
        if let Some(place) = &args.status {
            observing.show(place, args)?;
        }
        if args.access_log.is_some() || args.app_log.is_some() {
            observing.write(args)?;
        }
        Ok(observing)
    }

    /// Who wants to be told of requests.
    pub(crate) fn observers(&self) -> &[Arc<dyn Observer>] {
        &self.observers
    }

    /// Whether requests are served.
    pub(crate) fn set_readiness(&self, readiness: Readiness) {
        if let Some(board) = &self.board {
            board.set_readiness(readiness);
        }
    }

    /// Waits for the lines that are on their way to files.
    pub(crate) fn flush(&self) {
        if let Some(writer) = &self.writer {
            writer.flush();
        }
    }

    fn show(&mut self, place: &args::Place, args: &args::Observing) -> Result<()> {
        let listener = match place {
            args::Place::Unix(path) => Listener::unix(path)?,
            args::Place::Tcp(address) => match args.status_clients.as_slice() {
                [] => Listener::tcp(*address)?,
                clients => Listener::tcp_for(*address, clients.to_vec())?,
            },
        };
        let board = Board::new();
        self._status = Some(StatusServer::start(listener, board.clone())?);
        self.observers.push(board.clone());
        self.board = Some(board.clone());
        tokio::spawn(async move {
            let mut beats = tokio::time::interval(BEAT);
            loop {
                beats.tick().await;
                board.beat();
            }
        });
        Ok(())
    }

    fn write(&mut self, args: &args::Observing) -> Result<()> {
        let writer = LogWriter::start()?;
        if let Some(file) = &args.access_log {
            let format = args.access_log_format.clone();
            let log = AccessLog::open(&writer, destination(file), format)?;
            if let Some(board) = &self.board {
                board.watch_log(log.file());
            }
            self.observers.push(Arc::new(log));
        }
        if let Some(file) = &args.app_log {
            let logs = AppLogs::new(&writer);
            let logs = logs.others(destination(file), APP_LOG_BYTES_PER_SECOND)?;
            if let Some(board) = &self.board {
                logs.files().for_each(|log| board.watch_log(log));
            }
            self.observers.push(Arc::new(logs));
        }
        let mut hang_ups = signal(SignalKind::hangup()).context("cannot listen for signals")?;
        self.writer = Some(writer.clone());
        tokio::spawn(async move {
            while hang_ups.recv().await.is_some() {
                tracing::info!("opening the logs anew");
                writer.reopen();
            }
        });
        Ok(())
    }
}

fn destination(file: &Path) -> Destination {
    match file.to_str() {
        Some("-") => Destination::StandardError,
        _ => Destination::File(file.to_owned()),
    }
}
