//! `fcgi-wasm conf systemd FILE.toml`: units for a configuration.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::print::{name, plain};
use crate::args::{Conf, Kind};
use crate::config;

/// How long stopping may take beside what it waits for, seconds.
const STOP_SECONDS: u64 = 15;

/// Whether an application is no application, but a configuration.
pub(crate) fn is_configuration(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "toml")
}

/// The units.
pub(super) fn units(args: &Conf, kind: Kind) -> Result<String> {
    let shown = args.app.display();
    if kind != Kind::Systemd {
        bail!(
            "{shown} is a configuration, for which only units of systemd are printed: for a web \
             server name one of its sockets, as in fcgi-wasm conf nginx --socket PATH"
        );
    }
    let plan = config::load(&args.app)?;
    let needs = config::needs(&plan)?;
    let name = name(&args.app)?;
    let path = std::path::absolute(&args.app)?.display().to_string();
    let path = plain("the configuration's path", &path, "._~/-+@")?;
    let program = std::env::current_exe()?.display().to_string();
    let unit = include_str!("../../../../templates/conf/systemd-config.conf");
    let socket = include_str!("../../../../templates/conf/systemd-socket.conf");
    // Each has a file of its own, and all belong to the service.
    let sockets = needs.inherited.iter().map(|table| {
        let text = socket.replace("{table}", table);
        let user = args.user.as_deref().unwrap_or("www-data");
        text.replace("{name}", &name).replace("{user}", user)
    });
    let of_sockets = needs
        .inherited
        .iter()
        .map(|table| format!("{name}-{table}.socket"));
    let mut cache = needs.cache;
    if plan.server.cache.is_none() {
        cache.insert(PathBuf::from(&name));
    }
    let shown_path = |folder: &PathBuf| folder.display().to_string();
    let lines = [
        line("Sockets", of_sockets)?,
        line("RuntimeDirectory", needs.runtime.iter().map(shown_path))?,
        line("CacheDirectory", cache.iter().map(shown_path))?,
        line("LogsDirectory", needs.logs.iter().map(shown_path))?,
        line("ReadWritePaths", needs.writable.iter().map(shown_path))?,
        line("SupplementaryGroups", needs.groups.iter())?,
    ];
    let stop = plan.server.drain_timeout.as_secs() * 2 + STOP_SECONDS;
    let service = unit
        .replace("{app}", &shown.to_string())
        .replace("{name}", &name)
        .replace("{path}", path)
        .replace("{program}", &program)
        .replace("{stop}", &stop.to_string())
        .replace("{lines}\n", &lines.concat());
    Ok(sockets.collect::<String>() + &service)
}

/// A line of a unit, if there is anything to say.
fn line(key: &str, values: impl Iterator<Item = impl Display>) -> Result<String> {
    let values: Vec<_> = values.map(|value| value.to_string()).collect();
    for value in &values {
        plain(key, value, "._~/-+@")?;
    }
    Ok(match values.is_empty() {
        true => String::new(),
        false => format!("{key}={}\n", values.join(" ")),
    })
}
