//! A real HAProxy from the distribution's package.

use super::Skip;
use super::daemon::Daemon;

/// Starts one with this configuration.
pub(crate) fn start(configuration: &str) -> Result<Daemon, Skip> {
    let arguments = ["-f", "@FOLDER@/configuration", "-db"];
    Daemon::start("haproxy", &arguments, configuration, Daemon::has_port)
}
