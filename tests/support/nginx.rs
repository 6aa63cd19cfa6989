//! A real nginx from the distribution's package.

use std::fs;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use super::http_client::Client;
use super::{Skip, wait_until};

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

/// A running nginx that listens on a unix socket.
pub(crate) struct Nginx {
    child: Child,
    folder: TempDir,
}

impl Nginx {
    /// Starts one whose `http` block has these lines. `APP` stands for the
    /// application's socket.
    pub(crate) fn start(app: &Path, upstreams: &str, locations: &str) -> Result<Self, Skip> {
        let found = Command::new("nginx").arg("-v").output();
        if found.is_err() {
            return Err(Skip("there is no nginx".to_owned()));
        }
        let folder = tempfile::tempdir().expect("a folder");
        let configuration = configuration(folder.path(), upstreams, locations);
        let app = format!("unix:{}", app.display());
        let file = folder.path().join("nginx.conf");
        fs::write(&file, configuration.replace("APP", &app)).expect("written");
        let child = Command::new("nginx")
            .arg("-c")
            .arg(&file)
            .arg("-e")
            .arg(folder.path().join("error.log"))
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("started");
        let nginx = Self { child, folder };
        wait_until("nginx listens", || {
            UnixStream::connect(nginx.socket()).is_ok()
        });
        Ok(nginx)
    }

    pub(crate) fn connect(&self) -> Client<UnixStream> {
        Client::connect(&self.socket())
    }

    pub(crate) fn error_log(&self) -> String {
        fs::read_to_string(self.folder.path().join("error.log")).expect("a log")
    }

    /// Kills it and its workers without a chance to say goodbye.
    pub(crate) fn kill(&mut self) {
        // All at once: a master alone would start new workers.
        let group = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let _ = kill_process_group(group.expect("a process"), Signal::KILL);
        let _ = self.child.wait();
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("http")
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.kill();
    }
}

fn configuration(folder: &Path, upstreams: &str, locations: &str) -> String {
    let folder = folder.display();
    // Started by root it would give its rights up, and could not connect.
    let user = match rustix::process::geteuid().is_root() {
        true => "user root;",
        false => "",
    };
    format!(
        "{user}
        daemon off;
        worker_processes 1;
        pid {folder}/pid;
        error_log {folder}/error.log info;
        events {{ worker_connections 512; }}
        http {{
            access_log off;
            client_body_temp_path {folder}/body;
            fastcgi_temp_path {folder}/fastcgi;
            proxy_temp_path {folder}/proxy;
            scgi_temp_path {folder}/scgi;
            uwsgi_temp_path {folder}/uwsgi;
            client_max_body_size 0;
            {upstreams}
            server {{
                listen unix:{folder}/http;
                server_name test.example;
                include /etc/nginx/fastcgi_params;
                {locations}
            }}
        }}"
    )
}
