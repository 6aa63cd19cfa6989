//! What an application may reach beyond its request, as plain data. Without a
//! grant it reaches nothing.

use core::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// All that was granted to one application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    pub(crate) folders: Vec<Folder>,
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) secrets: Vec<Secret>,
    pub(crate) hosts: Vec<HostPattern>,
    pub(crate) private_hosts: bool,
    pub(crate) addresses: Vec<AddressPattern>,
}

impl Grants {
    /// Nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// A folder of this machine, under a name of the application's.
    #[must_use]
    pub fn folder(mut self, folder: Folder) -> Self {
        self.folders.push(folder);
        self
    }

    /// An environment variable.
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// A setting, as `wasi:config` gives it out. A param of the request that
    /// is called `WASI_CONFIG_` and the setting's name takes precedence.
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// A variable or a setting whose value is in a file.
    #[must_use]
    pub fn secret(mut self, secret: Secret) -> Self {
        self.secrets.push(secret);
        self
    }

    /// Hosts to which HTTP requests may be sent.
    #[must_use]
    pub fn host(mut self, pattern: HostPattern) -> Self {
        self.hosts.push(pattern);
        self
    }

    /// Whether those hosts may have addresses of private networks and of this
    /// machine, its public ones included. No unless set: a name can point anywhere.
    #[must_use]
    pub fn private_hosts(mut self, may: bool) -> Self {
        self.private_hosts = may;
        self
    }

    /// Addresses to which TCP and UDP sockets may connect.
    #[must_use]
    pub fn address(mut self, pattern: AddressPattern) -> Self {
        self.addresses.push(pattern);
        self
    }
}

/// A folder of this machine that an application sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    pub(crate) host_path: PathBuf,
    pub(crate) guest_path: String,
    pub(crate) is_read_only: bool,
}

impl Folder {
    /// This folder, under this path, to read and to write. No part of its own path may be a
    /// symbolic link, which an application could have put there: name where it leads
    /// ([`std::fs::canonicalize`]).
    pub fn new(host_path: impl Into<PathBuf>, guest_path: impl Into<String>) -> Self {
        Self {
            host_path: host_path.into(),
            guest_path: guest_path.into(),
            is_read_only: false,
        }
    }

    /// Where it is.
    pub fn host_path(&self) -> &Path {
        &self.host_path
    }

    /// The same grant of another folder.
    #[must_use]
    pub fn at(mut self, host_path: impl Into<PathBuf>) -> Self {
        self.host_path = host_path.into();
        self
    }

    /// Only to read.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.is_read_only = true;
        self
    }

    /// Reads `HOST::GUEST`, `HOST::GUEST:ro`, or `HOST` alone for the same
    /// path on both sides.
    ///
    /// # Errors
    ///
    /// A sentence, if a side is empty.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (paths, is_read_only) = match text.strip_suffix(":ro") {
            Some(paths) => (paths, true),
            None => (text, false),
        };
        let (host_path, guest_path) = paths.split_once("::").unwrap_or((paths, paths));
        if host_path.is_empty() || guest_path.is_empty() {
            return Err("write HOST::GUEST, like /srv/data::/data, or HOST::GUEST:ro".to_owned());
        }
        let folder = Self::new(host_path, guest_path);
        Ok(match is_read_only {
            true => folder.read_only(),
            false => folder,
        })
    }
}

/// A value that is never printed: it is in a file, which is read when the
/// application is loaded, and must be closed to other users. What is known here
/// is the file's name alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    pub(crate) name: String,
    pub(crate) file: PathBuf,
    pub(crate) used_as: SecretUse,
}

/// How an application gets a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SecretUse {
    Variable,
    Setting,
}

impl Secret {
    /// An environment variable of this name with what is in this file.
    pub fn variable(name: impl Into<String>, file: impl Into<PathBuf>) -> Self {
        Self::new(name, file, SecretUse::Variable)
    }

    /// A setting of this name, as `wasi:config` gives it out. No param of a
    /// request takes precedence over it.
    pub fn setting(name: impl Into<String>, file: impl Into<PathBuf>) -> Self {
        Self::new(name, file, SecretUse::Setting)
    }

    fn new(name: impl Into<String>, file: impl Into<PathBuf>, used_as: SecretUse) -> Self {
        Self {
            name: name.into(),
            file: file.into(),
            used_as,
        }
    }
}

/// Hosts to which requests may be sent: a name, all names below one, an
/// address, or any, with a port or without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    host: Host,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Any,
    Name(String),
    /// The part behind the `*`, with its dot.
    Below(String),
}

impl HostPattern {
    /// Reads `example.com`, `*.example.com`, `example.com:8443`, `192.0.2.1`,
    /// `[2001:db8::1]:80` or `*`.
    ///
    /// # Errors
    ///
    /// A sentence, if it is none of these.
    pub fn parse(text: &str) -> Result<Self, String> {
        let complaint = || {
            format!(
                "{text:?} is no host: write a name like example.com, *.example.com or *, with \
                     a port if wanted"
            )
        };
        let (host, port) = split_port(text).ok_or_else(complaint)?;
        let is_name = |name: &str| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte))
        };
        let host = match host.strip_prefix('*') {
            Some("") => Host::Any,
            Some(below) if below.starts_with('.') && is_name(&below[1..]) => {
                Host::Below(below.to_ascii_lowercase())
            }
            None if is_name(host) => Host::Name(host.to_ascii_lowercase()),
            _ => return Err(complaint()),
        };
        Ok(Self { host, port })
    }

    /// Whether a request may go to this host and port.
    pub(crate) fn matches(&self, host: &str, port: u16) -> bool {
        let host = host.to_ascii_lowercase();
        let is_host = match &self.host {
            Host::Any => true,
            Host::Name(name) => *name == host,
            Host::Below(end) => host.len() > end.len() && host.ends_with(end.as_str()),
        };
        is_host && self.port.is_none_or(|known| known == port)
    }
}

/// Host and port; an IPv6 address stands in brackets.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => Some((host, Some(port.parse().ok()?))),
        _ => Some((text, None)),
    }
}

/// Addresses to which sockets may connect: one or a network of them, with a
/// port or without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressPattern {
    network: IpAddr,
    prefix_bits: u8,
    port: Option<u16>,
}

impl AddressPattern {
    /// Reads `127.0.0.1`, `127.0.0.1:5432`, `10.0.0.0/8`, `10.0.0.0/8:5432` or
    /// `[::1]:5432`.
    ///
    /// # Errors
    ///
    /// A sentence, if it is none of these.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::parse_parts(text).ok_or_else(|| {
            format!("{text:?} is no address: write one like 127.0.0.1:5432 or 10.0.0.0/8")
        })
    }

    fn parse_parts(text: &str) -> Option<Self> {
        let (address, prefix_bits, port) = match text.split_once('/') {
            Some((address, rest)) => {
                let (bits, port) = split_port(rest)?;
                (address, Some(bits.parse().ok()?), port)
            }
            None if text.parse::<IpAddr>().is_ok() => (text, None, None),
            None => {
                let (address, port) = split_port(text)?;
                (address, None, port)
            }
        };
        let address = address.trim_start_matches('[').trim_end_matches(']');
        let whole = Self::whole(address.parse().ok()?, port);
        match prefix_bits {
            Some(bits) if bits > whole.prefix_bits => None,
            Some(prefix_bits) => Some(Self {
                prefix_bits,
                ..whole
            }),
            None => Some(whole),
        }
    }

    fn whole(network: IpAddr, port: Option<u16>) -> Self {
        Self {
            network,
            prefix_bits: if network.is_ipv4() { 32 } else { 128 },
            port,
        }
    }

    /// Whether a socket may connect there.
    pub(crate) fn matches(&self, address: SocketAddr) -> bool {
        let is_in = match (self.network, address.ip().to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differs = u128::from(network.to_bits() ^ address.to_bits());
                differs >> (32 - u32::from(self.prefix_bits)) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differs = network.to_bits() ^ address.to_bits();
                differs
                    .checked_shr(128 - u32::from(self.prefix_bits))
                    .unwrap_or(0)
                    == 0
            }
            _ => false,
        };
        is_in && self.port.is_none_or(|port| port == address.port())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_read() {
        let both = Folder::new("/srv/data", "/data");
        assert_eq!(Folder::parse("/srv/data::/data"), Ok(both.clone()));
        assert_eq!(Folder::parse("/srv/data::/data:ro"), Ok(both.read_only()));
        assert_eq!(Folder::parse("/srv"), Ok(Folder::new("/srv", "/srv")));
        for wrong in ["", "::", "/a::", "::/b", ":ro"] {
            assert!(Folder::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn host_patterns_match_what_they_say() {
        let cases = [
            ("example.com", "EXAMPLE.com", 443, true),
            ("example.com", "www.example.com", 443, false),
            ("example.com", "notexample.com", 443, false),
            ("*.example.com", "www.example.com", 80, true),
            ("*.example.com", "a.b.example.com", 80, true),
            ("*.example.com", "example.com", 80, false),
            ("*.example.com", "evilexample.com", 80, false),
            ("example.com:8443", "example.com", 8443, true),
            ("example.com:8443", "example.com", 443, false),
            ("*", "anything", 1, true),
            ("*:443", "anything", 80, false),
            ("192.0.2.1", "192.0.2.1", 80, true),
            ("[::1]:80", "[::1]", 80, true),
        ];
        for (pattern, host, port, expected) in cases {
            let parsed = HostPattern::parse(pattern).expect(pattern);
            assert_eq!(
                parsed.matches(host, port),
                expected,
                "{pattern} for {host}:{port}"
            );
        }
        for wrong in ["", "a b", "*x", "*.", "http://x", "x:99999", "x/y", "**"] {
            assert!(HostPattern::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn address_patterns_match_what_they_say() {
        let cases = [
            ("127.0.0.1", "127.0.0.1:5432", true),
            ("127.0.0.1:5432", "127.0.0.1:5432", true),
            ("127.0.0.1:5432", "127.0.0.1:80", false),
            ("10.0.0.0/8", "10.200.3.4:1", true),
            ("10.0.0.0/8", "11.0.0.1:1", false),
            ("10.0.0.0/8:53", "10.0.0.1:54", false),
            ("0.0.0.0/0", "8.8.8.8:53", true),
            ("0.0.0.0/0", "[::1]:53", false),
            ("127.0.0.1", "[::ffff:127.0.0.1]:80", true),
            ("::1", "[::1]:80", true),
            ("[::1]:80", "[::1]:81", false),
            ("[2001:db8::]/32", "[2001:db8:1::2]:9", true),
            ("[2001:db8::]/32:9", "[2001:db9::]:9", false),
            ("::/0", "[::2]:9", true),
        ];
        for (pattern, address, expected) in cases {
            let parsed = AddressPattern::parse(pattern).expect(pattern);
            let address = address.parse().expect(address);
            assert_eq!(parsed.matches(address), expected, "{pattern} for {address}");
        }
        for wrong in [
            "",
            "localhost",
            "1.2.3.4/33",
            "1.2.3.4:x",
            "::1/129",
            "1.2.3",
        ] {
            assert!(AddressPattern::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
