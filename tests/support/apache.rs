//! A real Apache from the distribution's package.

use super::Skip;
use super::daemon::{Daemon, unprivileged};

/// What `a2enmod` would load.
const MODULES: &[&str] = &[
    "mpm_event",
    "authn_core",
    "authz_core",
    "authz_user",
    "auth_basic",
    "alias",
    "env",
    "dir",
    "mime",
    "rewrite",
    "setenvif",
    "proxy",
    "proxy_fcgi",
    "authnz_fcgi",
    "fcgid",
    "xsendfile",
    "socache_shmcb",
    "ssl",
];

/// Starts one with these lines in its virtual host.
pub(crate) fn start(site: &str) -> Result<Daemon, Skip> {
    start_with("", site)
}

/// The same with further lines for the whole server.
pub(crate) fn start_with(server: &str, site: &str) -> Result<Daemon, Skip> {
    let folder = "/usr/lib/apache2/modules";
    let mut modules = String::new();
    for module in MODULES {
        let file = format!("{folder}/mod_{module}.so");
        if !std::path::Path::new(&file).exists() {
            return Err(Skip(format!("there is no {file}")));
        }
        modules.push_str(&format!("LoadModule {module}_module {file}\n"));
    }
    // Started by root it insists on giving its rights up.
    let user = unprivileged().map_or(String::new(), |user| format!("User {user}\nGroup {user}"));
    let configuration = format!(
        "ServerRoot @FOLDER@
         DefaultRuntimeDir @FOLDER@
         PidFile @FOLDER@/pid
         ErrorLog @FOLDER@/error.log
         LogLevel info
         ServerName test.example
         Listen 127.0.0.1:@PORT@
         {modules}
         {user}
         TypesConfig /etc/mime.types
         <IfModule fcgid_module>
             FcgidIPCDir @FOLDER@/fcgid
             FcgidProcessTableFile @FOLDER@/fcgid.table
         </IfModule>
         {server}
         <VirtualHost *:@PORT@>
             DocumentRoot @FOLDER@/files
             <Directory @FOLDER@/files>
                 Require all granted
             </Directory>
             {site}
         </VirtualHost>
         "
    );
    let arguments = ["-f", "@FOLDER@/configuration", "-DFOREGROUND"];
    Daemon::start("apache2", &arguments, &configuration, Daemon::has_port)
}
