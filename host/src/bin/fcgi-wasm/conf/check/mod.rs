//! `fcgi-wasm conf --check`: the mistakes that configurations of web servers
//! are known for, each with its line, what visitors see, and what to write.

mod apache;
mod caddy;
mod directive;
mod findings;
mod haproxy;
mod lighttpd;
mod nginx;
mod place;

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use directive::End;
use findings::Check;

use crate::args::{Conf, Kind};
use crate::reach::Visitor;

/// The largest file that is read, bytes: configurations have some KiB.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

pub(super) fn run(args: &Conf, file: &Path) -> Result<ExitCode> {
    let text = read(file)?;
    let shown = file.display();
    let kind = args.kind.or_else(|| recognise(&text));
    let Some(kind) = kind else {
        bail!(
            "{shown} passes nothing to FastCGI that is known here: name the web server, as in \
               fcgi-wasm conf nginx --check {shown}"
        );
    };
    let mut check = Check {
        timeout: args.timeout,
        visitor: Visitor::find(args.user.as_deref())?,
        places: 0,
        findings: Vec::new(),
        known: HashSet::new(),
    };
    let tree = match kind {
        Kind::Nginx => {
            directive::braces(&text, End::Semicolon).map(|tree| nginx::check(&mut check, &tree))
        }
        Kind::Caddy => {
            directive::braces(&text, End::Line).map(|tree| caddy::check(&mut check, &tree))
        }
        Kind::Apache => directive::tags(&text).map(|tree| apache::check(&mut check, &tree)),
        Kind::Haproxy => directive::sections(&text).map(|tree| haproxy::check(&mut check, &tree)),
        Kind::Lighttpd => {
            lighttpd::check(&mut check, &text);
            Ok(())
        }
        Kind::Supervisor | Kind::Systemd => {
            bail!("only web servers' files are checked; for the socket there is fcgi-wasm doctor")
        }
    };
    tree.with_context(|| format!("{shown} can not be read as {}'s", kind.name()))?;
    if check.places == 0 {
        bail!(
            "{shown} passes nothing to FastCGI (included files are not read): check the file \
               that does"
        );
    }
    let (report, mistakes) = check.report(&shown.to_string(), kind.name());
    io::stdout().write_all(report.as_bytes())?;
    Ok(match mistakes {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn read(file: &Path) -> Result<String> {
    let shown = file.display();
    let opened = std::fs::File::open(file).with_context(|| format!("cannot read {shown}"))?;
    let mut bytes = Vec::new();
    let read = opened.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.with_context(|| format!("cannot read {shown}"))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        bail!("{shown} has over {FILE_BYTES_MAX} bytes: that is no configuration file");
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whose file it is, by the directive that passes requests on.
fn recognise(text: &str) -> Option<Kind> {
    let lines = || {
        text.lines()
            .map(str::trim)
            .filter(|line| !line.starts_with('#'))
    };
    let any = |test: &dyn Fn(&str) -> bool| lines().any(test);
    if any(&|line| line.contains("fastcgi_pass") || line.contains("fastcgi_split_path_info")) {
        Some(Kind::Nginx)
    } else if any(&|line| line.starts_with("fastcgi.server")) {
        Some(Kind::Lighttpd)
    } else if any(&|line| {
        line.contains("fcgi://") || line.starts_with("ProxyFCGI") || line.contains("fcgid-script")
    }) {
        Some(Kind::Apache)
    } else if any(&|line| line.starts_with("fcgi-app") || line.starts_with("use-fcgi-app")) {
        Some(Kind::Haproxy)
    } else if any(&|line| line.starts_with("reverse_proxy") || line.starts_with("php_fastcgi")) {
        Some(Kind::Caddy)
    } else {
        None
    }
}
