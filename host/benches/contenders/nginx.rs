//! One nginx before all contenders, each behind a socket of its own.

use std::fmt::Write;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::entrants::{Backend, Contender};
use crate::process::{Process, installed};

/// A running nginx.
pub(crate) struct Nginx {
    pub(crate) process: Process,
    folder: PathBuf,
}

impl Nginx {
    /// Starts it, with its files in this folder.
    pub(crate) fn start(folder: &Path, contenders: &[Contender]) -> Result<Self, String> {
        let program = installed(&["nginx"]).ok_or("nginx is not installed")?;
        let folder = folder.join("nginx");
        let configuration = folder.join("nginx.conf");
        fs::create_dir(&folder)
            .and_then(|()| fs::write(&configuration, configure(&folder, contenders)))
            .map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command.arg("-c").arg(configuration);
        command.arg("-e").arg(folder.join("error.log"));
        let process = Process::start(&command, &folder)?;
        let mut nginx = Self { process, folder };
        let last = nginx.socket(contenders.len().saturating_sub(1));
        nginx.process.wait(|| UnixStream::connect(&last).is_ok())?;
        Ok(nginx)
    }

    /// Where the contender with this index is served.
    pub(crate) fn socket(&self, index: usize) -> PathBuf {
        socket(&self.folder, index)
    }
}

fn socket(folder: &Path, index: usize) -> PathBuf {
    folder.join(index.to_string())
}

fn configure(folder: &Path, contenders: &[Contender]) -> String {
    // Started by root it would give its rights up, and could not connect.
    let user = match rustix::process::geteuid().is_root() {
        true => "user root;",
        false => "",
    };
    let folder_text = folder.display();
    let mut lines = format!(
        "{user}
        daemon off;
        worker_processes 1;
        pid {folder_text}/pid;
        error_log {folder_text}/error.log warn;
        events {{ worker_connections 4096; }}
        http {{
            access_log off;
            default_type text/plain;
            keepalive_requests 1000000000;
            keepalive_timeout 1h;
            client_body_temp_path {folder_text}/body;
            fastcgi_temp_path {folder_text}/fastcgi;
            proxy_temp_path {folder_text}/proxy;
            scgi_temp_path {folder_text}/scgi;
            uwsgi_temp_path {folder_text}/uwsgi;
            open_file_cache max=10;\n"
    );
    for (index, contender) in contenders.iter().enumerate() {
        let location = match &contender.backend {
            Backend::FastCgi(path) => {
                upstream(&mut lines, index, &format!("unix:{}", path.display()));
                let question = contender.hello();
                let params = question
                    .extra
                    .iter()
                    .map(|(name, value)| format!("fastcgi_param {name} {value};"));
                format!(
                    "fastcgi_pass u{index}; fastcgi_keep_conn on; {} {}",
                    PARAMS,
                    params.collect::<String>()
                )
            }
            Backend::Http(address) => {
                upstream(&mut lines, index, &address.to_string());
                format!(
                    "proxy_pass http://u{index}; proxy_http_version 1.1; \
                     proxy_set_header Connection \"\"; proxy_set_header Host $host;"
                )
            }
            Backend::Folder(path) => format!("root {};", path.display()),
        };
        let listen = socket(folder, index);
        let server = format!(
            "server {{ listen unix:{} backlog=4096; location / {{ {location} }} }}",
            listen.display()
        );
        lines.push_str(&server);
        lines.push('\n');
    }
    lines.push_str("}\n");
    lines
}

fn upstream(lines: &mut String, index: usize, server: &str) {
    // Writing to a string can not fail.
    let _ = writeln!(
        lines,
        "upstream u{index} {{ server {server}; keepalive 64; keepalive_requests 1000000000; \
         keepalive_timeout 1h; }}"
    );
}

/// Debian's fastcgi_params, with the whole path as PATH_INFO.
const PARAMS: &str = "
    fastcgi_param QUERY_STRING $query_string;
    fastcgi_param REQUEST_METHOD $request_method;
    fastcgi_param CONTENT_TYPE $content_type;
    fastcgi_param CONTENT_LENGTH $content_length;
    fastcgi_param SCRIPT_NAME \"\";
    fastcgi_param PATH_INFO $document_uri;
    fastcgi_param REQUEST_URI $request_uri;
    fastcgi_param DOCUMENT_URI $document_uri;
    fastcgi_param DOCUMENT_ROOT $document_root;
    fastcgi_param SERVER_PROTOCOL $server_protocol;
    fastcgi_param REQUEST_SCHEME $scheme;
    fastcgi_param GATEWAY_INTERFACE CGI/1.1;
    fastcgi_param SERVER_SOFTWARE nginx/$nginx_version;
    fastcgi_param REMOTE_ADDR $remote_addr;
    fastcgi_param REMOTE_PORT $remote_port;
    fastcgi_param SERVER_ADDR $server_addr;
    fastcgi_param SERVER_PORT $server_port;
    fastcgi_param SERVER_NAME $server_name;
    fastcgi_param REDIRECT_STATUS 200;";
