//! `fcgi-wasm conf KIND`: a block with the values of this application.

use std::io::{self, Write};
use std::path::Path;

use anyhow::{Result, bail};
use fcgi_wasm::cgi::HEAD_BYTES_MAX;

use super::{HAPROXY_BYTES, unit};
use crate::args::{Conf, Kind};
use crate::reach::Visitor;

/// By how much the web server outwaits the server, seconds: then the server's
/// page and its cause arrive, and not the web server's own.
const PATIENCE_SECONDS: u64 = 5;

/// What the longest head needs, KiB: its own bytes, and the headers of its records.
pub(super) const HEAD_KIB: usize = HEAD_BYTES_MAX / 1024 + 4;

/// Lines may begin with marks, which say for which case they are.
const MARKS: [&str; 4] = ["[mount]", "[root]", "[unix]", "[tcp]"];

pub(super) fn run(args: &Conf, kind: Kind) -> Result<()> {
    let text = match unit::is_configuration(&args.app) {
        true => unit::units(args, kind)?,
        false => fill(template(kind), args)?,
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

fn template(kind: Kind) -> &'static str {
    match kind {
        Kind::Nginx => include_str!("../../../../templates/conf/nginx.conf"),
        Kind::Apache => include_str!("../../../../templates/conf/apache.conf"),
        Kind::Lighttpd => include_str!("../../../../templates/conf/lighttpd.conf"),
        Kind::Caddy => include_str!("../../../../templates/conf/caddy.conf"),
        Kind::Haproxy => include_str!("../../../../templates/conf/haproxy.conf"),
        Kind::Supervisor => include_str!("../../../../templates/conf/supervisor.conf"),
        Kind::Systemd => include_str!("../../../../templates/conf/systemd.conf"),
    }
}

/// The template's lines that are for this case, with its values.
fn fill(template: &str, args: &Conf) -> Result<String> {
    let values = values(args)?;
    let is_root = args.mount.to_string().trim_end_matches('/').is_empty();
    let holds = |mark: &str| match mark {
        "[mount]" => !is_root,
        "[root]" => is_root,
        "[unix]" => args.listen.is_none(),
        _ => args.listen.is_some(),
    };
    let mut text = String::new();
    for line in template.lines() {
        let mut line = line;
        let mut is_wanted = true;
        while let Some(mark) = MARKS.into_iter().find(|mark| line.starts_with(mark)) {
            is_wanted &= holds(mark);
            line = &line[mark.len()..];
        }
        if is_wanted {
            let mut line = line.to_owned();
            for (name, value) in &values {
                line = line.replace(&format!("{{{name}}}"), value);
            }
            text.push_str(&line);
            text.push('\n');
        }
    }
    Ok(text)
}

/// What stands in templates for the values of this case.
fn values(args: &Conf) -> Result<Vec<(&'static str, String)>> {
    let mount = args.mount.to_string();
    let mount = plain("--mount", mount.trim_end_matches('/'), "._~/-")?;
    let name = name(&args.app)?;
    let socket = match &args.socket {
        Some(path) => std::path::absolute(path)?.display().to_string(),
        None => format!("/run/{name}.sock"),
    };
    let socket = plain("--socket", &socket, "._~/-+@")?;
    let address = args.listen.map(|address| address.to_string());
    let app_path = std::path::absolute(&args.app)?.display().to_string();
    let app_path = plain("the application's path", &app_path, "._~/-+@")?;
    let program = std::env::current_exe()?.display().to_string();
    let user = match args.user.clone() {
        Some(user) => user,
        None => Visitor::find(None)?.map_or_else(|| "www-data".to_owned(), |found| found.name),
    };
    let user = plain("--user", &user, "._-")?;
    let timeout = args.timeout.as_secs() + u64::from(args.timeout.subsec_nanos() > 0);
    let place = match (&args.listen, mount) {
        (Some(address), _) => format!("--listen {address}"),
        (None, _) => format!("--socket {socket}"),
    };
    let mount_flag = match mount {
        "" => String::new(),
        mount => format!(" --mount {mount}"),
    };
    let group = match args.listen {
        Some(_) => String::new(),
        None => format!(" --socket-group {user}"),
    };
    let mount_or_root = if mount.is_empty() { "/" } else { mount };
    Ok(vec![
        ("app", args.app.display().to_string()),
        ("app_path", app_path.to_owned()),
        ("name", name.clone()),
        ("url", format!("{mount}/")),
        (
            "serve",
            format!("fcgi-wasm serve {app_path} {place}{group}{mount_flag}"),
        ),
        (
            "where",
            format!("{} {place}{mount_flag}", args.app.display()),
        ),
        ("socket", socket.to_owned()),
        ("address", address.unwrap_or_default()),
        (
            "host",
            args.listen
                .map(|address| address.ip().to_string())
                .unwrap_or_default(),
        ),
        (
            "port",
            args.listen
                .map(|address| address.port().to_string())
                .unwrap_or_default(),
        ),
        ("mount", mount.to_owned()),
        ("mount_or_root", mount_or_root.to_owned()),
        ("mount_regex", mount.replace('.', "\\.")),
        ("mount_flag", mount_flag),
        ("program", program),
        ("user", user.to_owned()),
        ("timeout", timeout.to_string()),
        ("patience", (timeout + PATIENCE_SECONDS).to_string()),
        ("head_max_kib", (HEAD_BYTES_MAX / 1024).to_string()),
        ("head_kib", HEAD_KIB.to_string()),
        ("haproxy_bytes", HAPROXY_BYTES.to_string()),
    ])
}

/// What stands for the application in its configuration: its file's name.
pub(super) fn name(app: &Path) -> Result<String> {
    let stem = app.file_stem().unwrap_or_default().to_string_lossy();
    let name = stem.replace(['_', '.', ' '], "-").to_ascii_lowercase();
    Ok(plain("the application's name", &name, "-")?.to_owned())
}

/// A value that means itself in every one of these languages.
pub(super) fn plain<'v>(what: &str, value: &'v str, marks: &str) -> Result<&'v str> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || marks.contains(letter);
    if !value.chars().all(is_plain) {
        bail!("{what} {value:?} would need quotes: use letters, digits and {marks} only");
    }
    Ok(value)
}
