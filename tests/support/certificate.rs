//! A certificate for web servers that speak HTTPS, and a client for it: openssl
//! does both.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use super::Skip;
use super::guest_build::target_folder;
use super::http_client::Client;

/// A file with a key and its certificate.
pub(crate) fn certificate() -> Result<&'static Path, Skip> {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let file = target_folder().join("test-certificate.pem");
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-batch"])
            .args(["-subj", "/CN=test.example", "-days", "2"])
            .args(["-keyout", "/dev/stdout", "-out", "/dev/stdout"])
            .output();
        let pem = made.map_err(|error| format!("no openssl: {error}"))?.stdout;
        assert!(!pem.is_empty(), "openssl makes no certificate");
        std::fs::write(&file, pem).map_err(|error| error.to_string())?;
        Ok(file)
    });
    made.as_deref().map_err(|error| Skip(error.clone()))
}

/// An encrypted connection.
pub(crate) struct Tls(Child);

impl Tls {
    pub(crate) fn connect(address: SocketAddr) -> Client<Self> {
        let child = Command::new("openssl")
            .args(["s_client", "-quiet", "-connect", &address.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        Client::over(Self(child.expect("an openssl, as it made the certificate")))
    }
}

impl Read for Tls {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.stdout.as_mut().expect("piped").read(buffer)
    }
}

impl Write for Tls {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.stdin.as_mut().expect("piped").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.stdin.as_mut().expect("piped").flush()
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
