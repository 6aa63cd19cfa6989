//! The web servers, and how each is set up with an application behind it.

use std::net::TcpStream;
use std::path::Path;

use tempfile::TempDir;

use crate::support::daemon::{Daemon, free_port, open_folder, unprivileged};
use crate::support::guest_build::guest;
use crate::support::http_client::Client;
use crate::support::manual::block;
use crate::support::process::Program;
use crate::support::{Skip, apache, caddy, certificate, h2o, haproxy, lighttpd, nginx, script};

/// A web server, in one of the ways in which it speaks FastCGI.
pub(super) struct Server {
    pub(super) name: &'static str,
    start: fn(&str) -> Result<Daemon, Skip>,
    /// What the manual calls its blocks: the language, the root, a sub-path.
    language: &'static str,
    root: &'static str,
    sub_path: &'static str,
    /// Our flags that the manual says for a sub-path.
    pub(super) sub_path_flags: &'static [&'static str],
    /// How it is told where to listen, in the clear and encrypted.
    listen: [&'static str; 3],
    /// Whether connections to us are kept, over TCP where that can be seen.
    pub(super) keeps_connections: bool,
    /// Whether what we say of a request is in its error log.
    pub(super) logs_errors: bool,
}

/// One that listens where the skeleton of its configuration says.
const PLAIN: [&str; 3] = ["", "", ""];
const APACHE_TLS: &str = "SSLEngine on\nSSLCertificateFile CERTIFICATE\n";
const LIGHTTPD_TLS: &str = "server.modules += (\"mod_openssl\")\nssl.engine = \"enable\"\n\
                            ssl.pemfile = \"CERTIFICATE\"\n";

const BASE: Server = Server {
    name: "",
    start: nginx::start,
    language: "",
    root: "root",
    sub_path: "sub-path",
    sub_path_flags: &[],
    listen: PLAIN,
    keeps_connections: false,
    logs_errors: true,
};

pub(super) const SERVERS: &[Server] = &[
    Server {
        name: "nginx",
        language: "nginx",
        listen: [
            "listen 80;",
            "listen 127.0.0.1:@PORT@;",
            "listen 127.0.0.1:@PORT@ ssl;\nssl_certificate CERTIFICATE;\n\
             ssl_certificate_key CERTIFICATE;",
        ],
        ..BASE
    },
    Server {
        name: "apache",
        start: apache::start,
        language: "apache",
        listen: ["", "", APACHE_TLS],
        ..BASE
    },
    Server {
        name: "apache_with_reuse",
        start: apache::start,
        language: "apache",
        root: "reuse",
        listen: ["", "", APACHE_TLS],
        keeps_connections: true,
        ..BASE
    },
    Server {
        name: "apache_that_starts_us",
        start: apache::start,
        language: "apache",
        root: "fcgid-root",
        sub_path: "fcgid",
        listen: ["", "", APACHE_TLS],
        ..BASE
    },
    Server {
        name: "lighttpd",
        start: lighttpd::start,
        language: "lighttpd",
        listen: ["", "", LIGHTTPD_TLS],
        ..BASE
    },
    Server {
        name: "lighttpd_that_starts_us",
        start: lighttpd::start,
        language: "lighttpd",
        root: "bin-path",
        listen: ["", "", LIGHTTPD_TLS],
        ..BASE
    },
    Server {
        name: "caddy",
        start: caddy::start,
        language: "caddy",
        listen: [
            ":80 {",
            "http://:@PORT@ {\nbind 127.0.0.1",
            "https://:@PORT@ {\nbind 127.0.0.1\ntls CERTIFICATE CERTIFICATE",
        ],
        logs_errors: false,
        ..BASE
    },
    Server {
        name: "haproxy",
        start: haproxy::start,
        language: "haproxy",
        listen: HAPROXY_LISTENS,
        ..BASE
    },
    Server {
        name: "haproxy_multiplexed",
        start: haproxy::start,
        language: "haproxy",
        root: "multiplexed",
        listen: HAPROXY_LISTENS,
        keeps_connections: true,
        ..BASE
    },
    Server {
        name: "h2o",
        start: h2o::start,
        language: "h2o",
        sub_path_flags: &["--mount", "/app"],
        listen: [
            "listen: 80",
            "listen:\n  host: 127.0.0.1\n  port: @PORT@",
            "listen:\n  host: 127.0.0.1\n  port: @PORT@\n  ssl:\n    certificate-file: CERTIFICATE\n    \
             key-file: CERTIFICATE",
        ],
        ..BASE
    },
];

const HAPROXY_LISTENS: [&str; 3] = [
    "bind :80",
    "bind 127.0.0.1:@PORT@",
    "bind 127.0.0.1:@PORT@ ssl crt CERTIFICATE",
];

/// A running web server with an application behind it.
pub(super) struct Behind {
    pub(super) daemon: Daemon,
    program: Option<Program>,
    /// `/srv` of the manual.
    pub(super) files: TempDir,
}

impl Behind {
    pub(super) fn connect(&self) -> Client<TcpStream> {
        self.daemon.connect()
    }

    /// Our own log: what starts us gets it as its own.
    pub(super) fn log(&self) -> String {
        match &self.program {
            Some(program) => program.log(),
            None => self.daemon.error_log(),
        }
    }
}

impl Server {
    /// An application at the root of the URL.
    pub(super) fn root(&self, app: &str, flags: &[&str]) -> Result<Behind, Skip> {
        let lines = self.listening(self.root, 1);
        self.run(&lines, app, flags)
    }

    /// The same over HTTPS.
    pub(super) fn encrypted(&self, app: &str) -> Result<Behind, Skip> {
        let certificate = certificate::certificate()?.display().to_string();
        let lines = self.listening(self.root, 2);
        self.run(&lines.replace("CERTIFICATE", &certificate), app, &[])
    }

    /// An application at `/app`.
    pub(super) fn sub_path(&self, app: &str) -> Result<Behind, Skip> {
        let lines = self.listening(self.sub_path, 1);
        self.run(&lines, app, self.sub_path_flags)
    }

    /// As another block of the manual says.
    pub(super) fn as_in(&self, name: &str, app: &str, flags: &[&str]) -> Result<Behind, Skip> {
        self.run(&self.listening(name, 1), app, flags)
    }

    /// Whether this block of the manual is how it is set up.
    pub(super) fn runs(&self, language: &str, name: &str) -> bool {
        self.language == language && [self.root, self.sub_path].contains(&name)
    }

    fn listening(&self, name: &str, how: usize) -> String {
        let lines = block(self.language, name);
        match self.listen[0] {
            "" => format!("{}{lines}", self.listen[how]),
            place => {
                assert!(lines.contains(place), "{lines}");
                lines.replace(place, self.listen[how])
            }
        }
    }

    /// Puts the paths of this test into a configuration, and starts all.
    fn run(&self, lines: &str, app: &str, flags: &[&str]) -> Result<Behind, Skip> {
        let app = guest(app)?;
        let files = open_folder();
        let sent = files.path().join("files").display().to_string();
        let flags: Vec<String> = flags
            .iter()
            .map(|flag| flag.replace("/srv/files", &sent))
            .collect();
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let tcp = format!("127.0.0.1:{}", free_port());
        let program = (!lines.contains("/srv/app")).then(|| {
            let mut all = flags.clone();
            if lines.contains("127.0.0.1:9000") {
                all.extend(["--listen", &tcp]);
            }
            Program::serve(&app, &all)
        });
        let socket = match &program {
            Some(program) => program.socket(),
            None => files.path().join("app.sock"),
        };
        let mut settle = vec![
            ("/srv/files", sent),
            ("/run/app.sock", socket.display().to_string()),
            ("127.0.0.1:9000", tcp),
        ];
        if program.is_none() {
            let cache = script::cache(&app)?;
            let ours = [
                &[env!("CARGO_BIN_EXE_fcgi-wasm"), "serve", "-v"],
                flags.as_slice(),
            ]
            .concat();
            settle.extend([
                ("/usr/bin/fcgi-wasm serve", ours.join(" ")),
                ("/srv/app.wasm", app.display().to_string()),
                ("/var/cache/fcgi-wasm", cache.display().to_string()),
                ("/srv", files.path().display().to_string()),
            ]);
            write_script(&files.path().join("app.fcgi"), &settle);
        }
        let mut lines = lines.to_owned();
        if let Some(user) = unprivileged().filter(|_| self.name == "lighttpd_that_starts_us") {
            lines.insert_str(0, &format!("server.username = \"{user}\"\n"));
        }
        for (from, to) in &settle {
            lines = lines.replace(from, to);
        }
        Ok(Behind {
            daemon: (self.start)(&lines)?,
            program,
            files,
        })
    }
}

fn write_script(path: &Path, settle: &[(&str, String)]) {
    let mut text = block("sh", "fcgid").to_owned();
    for (from, to) in settle {
        text = text.replace(from, to);
    }
    script::write(path, &text);
}
