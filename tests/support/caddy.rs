//! A real Caddy from the distribution's package.

use super::Skip;
use super::daemon::Daemon;

/// Starts one with these sites.
pub(crate) fn start(sites: &str) -> Result<Daemon, Skip> {
    // It would fetch certificates, and take commands on a port of its own.
    let configuration = format!("{{\nadmin off\nauto_https off\n}}\n{sites}\n");
    let file = "@FOLDER@/configuration";
    let arguments = ["run", "--config", file, "--adapter", "caddyfile"];
    Daemon::start("caddy", &arguments, &configuration, Daemon::has_port)
}
