//! The system's log, as syslog(3) writes to it.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// "System daemons without a facility of their own", shifted to its place.
const FACILITY: u8 = 3 << 3;

/// What RFC 5424 §6.1 wants each receiver to take, doubled as rsyslog and
/// journald do it; longer lines are cut.
const LINE_BYTES_MAX: usize = 4096;

pub(super) struct Syslog {
    path: PathBuf,
    socket: UnixDatagram,
}

impl Syslog {
    /// The logging daemon behind this socket.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let open = || {
            // Told now that nobody is there, and not connected for good: the
            // daemon may be started anew.
            UnixDatagram::unbound()?.connect(path)?;
            let socket = UnixDatagram::unbound()?;
            // A daemon that hangs costs lines, not time.
            socket.set_nonblocking(true)?;
            io::Result::Ok(socket)
        };
        let socket = open().with_context(|| {
            format!(
                "cannot log to syslog at {}: no daemon listens",
                path.display()
            )
        })?;
        Ok(Self {
            path: path.to_owned(),
            socket,
        })
    }

    /// `<priority>name[process]: line`; the daemon adds the time.
    pub(super) fn write(&self, severity: u8, line: &[u8]) -> io::Result<()> {
        let priority = FACILITY | severity;
        let process = std::process::id();
        let mut datagram = format!("<{priority}>fcgi-wasm[{process}]: ").into_bytes();
        datagram.extend_from_slice(line.trim_ascii());
        datagram.truncate(LINE_BYTES_MAX);
        self.socket.send_to(&datagram, &self.path).map(drop)
    }
}
