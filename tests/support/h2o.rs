//! A real H2O from the distribution's package.

use super::Skip;
use super::daemon::Daemon;

/// Starts one with this configuration.
pub(crate) fn start(configuration: &str) -> Result<Daemon, Skip> {
    // Started by root it would give its rights up.
    let user = match rustix::process::geteuid().is_root() {
        true => "user: root\n",
        false => "",
    };
    let configuration = format!("{user}error-log: @FOLDER@/error.log\n{configuration}\n");
    let arguments = ["-c", "@FOLDER@/configuration"];
    Daemon::start("h2o", &arguments, &configuration, Daemon::has_port)
}
