//! What `serve` writes and shows beside answering.

mod logs;
mod shown;
mod wanted;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Result;
use fcgi_wasm::{Board, Catalogue, LogWriter, Observer, Readiness, StatusServer};

use crate::signals::Reloads;
use logs::Logs;
pub(crate) use logs::OpenLogs;
use shown::shown;
pub(crate) use wanted::{TenantLog, Wanted};

/// How often the threads that serve give a sign of life.
const BEAT: Duration = Duration::from_secs(1);

/// Everything that was asked for, at work. Dropping it stops it.
#[derive(Default)]
pub(crate) struct Observing {
    observers: Vec<Arc<dyn Observer>>,
    board: Option<Arc<Board>>,
    logs: Option<(LogWriter, Arc<Logs>)>,
    _status: Arc<OnceLock<StatusServer>>,
}

impl Observing {
    /// Starts what is wanted now and stays so.
    pub(crate) async fn start(wanted: Wanted) -> Result<Self> {
        match wanted.has_logs() {
            true => Self::start_to_change(wanted).await,
            false => Self::show(&wanted).await,
        }
    }

    /// Starts what is wanted now; logs may be others later.
    pub(crate) async fn start_to_change(wanted: Wanted) -> Result<Self> {
        let mut observing = Self::show(&wanted).await?;
        let writer = LogWriter::start()?;
        let open = OpenLogs::open(&writer, wanted, &OpenLogs::default())?;
        observing.count_lines_of(&open);
        let logs = Arc::new(Logs::new(open));
        observing.observers.push(logs.clone());
        observing.logs = Some((writer.clone(), logs));
        let mut reloads = Reloads::listen()?;
        tokio::spawn(async move {
            loop {
                reloads.next().await;
                tracing::debug!("opening the logs anew");
                writer.reopen();
            }
        });
        Ok(observing)
    }

    /// Opens the logs that are wanted from now on, for [`Self::change`].
    ///
    /// # Errors
    ///
    /// If a file can not be opened. Then nothing has changed.
    pub(crate) fn prepare(&self, mut wanted: Wanted) -> Result<OpenLogs> {
        let Some((writer, logs)) = &self.logs else {
            return Ok(OpenLogs::default());
        };
        let now = logs.now();
        if now.wanted.status != wanted.status || now.wanted.format() != wanted.format() {
            tracing::warn!(
                "what changed in [status], and `access_log_format`, count from the next start on"
            );
        }
        wanted.status.clone_from(&now.wanted.status);
        wanted.access_log_format = Some(now.wanted.format());
        OpenLogs::open(writer, wanted, &now)
    }

    /// Writes to these logs from now on.
    pub(crate) fn change(&self, open: OpenLogs) {
        if let Some((_, logs)) = &self.logs {
            self.count_lines_of(&open);
            logs.change(open);
        }
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

    /// Shows what this catalogue has loaded.
    pub(crate) fn watch_catalogue(&self, catalogue: &Catalogue) {
        if let Some(board) = &self.board {
            let catalogue = catalogue.clone();
            board.watch_deployed(move || catalogue.deployed());
        }
    }

    /// Waits for the lines that are on their way to files.
    pub(crate) fn flush(&self) {
        if let Some((writer, _)) = &self.logs {
            writer.flush();
        }
    }

    fn count_lines_of(&self, open: &OpenLogs) {
        if let Some(board) = &self.board {
            board.watch_logs(open.files().cloned());
        }
    }

    async fn show(wanted: &Wanted) -> Result<Self> {
        let Some((place, clients)) = &wanted.status else {
            return Ok(Self::default());
        };
        let board = Board::new();
        let status = shown(wanted, place, clients, &board).await?;
        let beating = board.clone();
        tokio::spawn(async move {
            let mut beats = tokio::time::interval(BEAT);
            loop {
                beats.tick().await;
                beating.beat();
            }
        });
        Ok(Self {
            observers: vec![board.clone()],
            board: Some(board),
            logs: None,
            _status: status,
        })
    }
}
