//! A real lighttpd from the distribution's package.

use super::Skip;
use super::daemon::Daemon;

/// Starts one with these lines of configuration.
pub(crate) fn start(lines: &str) -> Result<Daemon, Skip> {
    let configuration = format!(
        r#"
        server.bind = "127.0.0.1"
        server.port = @PORT@
        server.document-root = "@FOLDER@/files"
        server.errorlog = "@FOLDER@/error.log"
        server.upload-dirs = ("@FOLDER@")
        {lines}
        "#
    );
    let arguments = ["-D", "-f", "@FOLDER@/configuration"];
    Daemon::start("lighttpd", &arguments, &configuration, Daemon::has_port)
}
