//! A real nginx from the distribution's package.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::Skip;
use super::daemon::Daemon;
use super::http_client::Client;

/// Passes everything on, with the whole path as PATH_INFO.
pub(crate) const ROOT: &str = r#"
    location / {
        include /etc/nginx/fastcgi_params;
        fastcgi_param PATH_INFO $fastcgi_script_name;
        fastcgi_param SCRIPT_NAME "";
        fastcgi_buffering off;
        fastcgi_request_buffering off;
        fastcgi_pass APP;
    }"#;

/// The same over connections that are kept.
pub(crate) const KEPT: (&str, &str) = (
    "upstream app { server APP; keepalive 16; }",
    r#"
    location / {
        include /etc/nginx/fastcgi_params;
        fastcgi_param PATH_INFO $fastcgi_script_name;
        fastcgi_param SCRIPT_NAME "";
        fastcgi_keep_conn on;
        fastcgi_pass app;
    }"#,
);

/// Starts one that listens where its `http` block with these lines says.
pub(crate) fn start(lines: &str) -> Result<Daemon, Skip> {
    // It looks beside its configuration for what that includes.
    let lines = lines.replace("include fastcgi", "include /etc/nginx/fastcgi");
    let configuration = surroundings(&lines);
    Daemon::start("nginx", ARGUMENTS, &configuration, Daemon::has_port)
}

const ARGUMENTS: &[&str] = &["-c", "@FOLDER@/configuration", "-e", "@FOLDER@/error.log"];

/// A running nginx that listens on a unix socket.
pub(crate) struct Nginx(Daemon);

impl Nginx {
    /// Starts one whose `http` block has these lines. `APP` stands for the
    /// application's socket.
    pub(crate) fn start(app: &Path, upstreams: &str, locations: &str) -> Result<Self, Skip> {
        let app = format!("unix:{}", app.display());
        let configuration = configuration(upstreams, locations).replace("APP", &app);
        let daemon = Daemon::start("nginx", ARGUMENTS, &configuration, |daemon| {
            UnixStream::connect(daemon.path("http")).is_ok()
        });
        daemon.map(Self)
    }

    pub(crate) fn connect(&self) -> Client<UnixStream> {
        Client::connect(&self.socket())
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.0.path("http")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    pub(crate) fn error_log(&self) -> String {
        self.0.error_log()
    }

    /// Kills it and its workers without a chance to say goodbye.
    pub(crate) fn kill(&mut self) {
        self.0.kill();
    }
}

fn configuration(upstreams: &str, locations: &str) -> String {
    surroundings(&format!(
        "{upstreams}
        server {{
            listen unix:@FOLDER@/http;
            server_name test.example;
            include /etc/nginx/fastcgi_params;
            {locations}
        }}"
    ))
}

fn surroundings(lines: &str) -> String {
    // Started by root it would give its rights up, and could not connect.
    let user = match rustix::process::geteuid().is_root() {
        true => "user root;",
        false => "",
    };
    format!(
        "{user}
        daemon off;
        worker_processes 1;
        pid @FOLDER@/pid;
        error_log @FOLDER@/error.log info;
        events {{ worker_connections 512; }}
        http {{
            access_log off;
            client_body_temp_path @FOLDER@/body;
            fastcgi_temp_path @FOLDER@/fastcgi;
            proxy_temp_path @FOLDER@/proxy;
            scgi_temp_path @FOLDER@/scgi;
            uwsgi_temp_path @FOLDER@/uwsgi;
            client_max_body_size 0;
            {lines}
        }}"
    )
}
