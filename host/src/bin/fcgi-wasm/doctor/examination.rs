//! The steps of an examination, in the order in which a web server would fail
//! at them.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use fcgi_wasm::cgi::{self, WEB_SERVERS};

use super::report::Report;
use super::talk::{self, Answer, Link};
use crate::args::Doctor;
use crate::reach::{self, Place, Visitor};
use crate::request;

/// How long to wait for a TCP connection.
const CONNECT_WAIT: Duration = Duration::from_secs(5);

/// How long to wait for the answer to GET_VALUES: who answers it at all does
/// so without running anything.
const VALUES_WAIT: Duration = Duration::from_secs(2);

/// What is asked for with GET_VALUES: the names of FastCGI §4.1, and ours.
const NAMES: &[&str] = &[
    "FCGI_MAX_CONNS",
    "FCGI_MAX_REQS",
    "FCGI_MPXS_CONNS",
    "FCGI_WASM_SERVER",
    "FCGI_WASM_APP",
];

/// What our server says of a request that is no application's.
const NOBODY: &str = "no application is configured for";

/// How many lines for the error log are shown.
const STDERR_LINES_SHOWN: usize = 10;

/// Connects to the first address of a host that answers.
pub(super) fn connect_tcp(addresses: &[SocketAddr]) -> Result<Link, String> {
    let mut outcome = Err("the name has no address".to_owned());
    for address in addresses {
        let stream = TcpStream::connect_timeout(address, CONNECT_WAIT);
        outcome = stream.map(Link::Tcp).map_err(|error| error.to_string());
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

pub(super) fn connect_unix(path: &Path) -> Result<Link, String> {
    match Place::at(path) {
        Place::Served(stream, _) => Ok(Link::Unix(stream)),
        Place::Deaf(error) | Place::Missing(error) => Err(error.to_string()),
        Place::Other => Err("it is no socket any more".to_owned()),
    }
}

/// Is there a socket, and who listens? Whether it makes sense to go on.
pub(super) fn find_socket(report: &mut Report, path: &Path) -> Result<bool> {
    let shown = path.display();
    let meta = std::fs::metadata(path);
    match (Place::at(path), meta) {
        (Place::Missing(error), _) | (_, Err(error)) => report.fail(
            "socket",
            &format!("{shown}: {error}"),
            "start the server with this --socket, or correct the path in the web server's \
             configuration",
        )?,
        (Place::Other, _) => report.fail(
            "socket",
            &format!("{shown} is no socket"),
            "name the path that the server was started with as --socket",
        )?,
        (Place::Deaf(error), Ok(meta)) => {
            let text = format!("{shown} ({}): {error}", reach::rights(&meta));
            let cure = match error.kind() {
                std::io::ErrorKind::ConnectionRefused => {
                    "nobody listens: a server that is gone has left its file. Start it"
                }
                std::io::ErrorKind::PermissionDenied => {
                    "you may not connect yourself: try as root, or as the web server's user"
                }
                std::io::ErrorKind::WouldBlock => {
                    "its queue of connections is full: the server is stopped or overloaded"
                }
                _ => "look at the server's log",
            };
            report.fail("socket", &text, cure)?;
        }
        (Place::Served(_, holder), Ok(meta)) => {
            let holder = holder.unwrap_or_else(|| "somebody".to_owned());
            let rights = reach::rights(&meta);
            report.ok("socket", &format!("{shown} ({rights}): {holder} listens"))?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// Can the web server's user connect?
pub(super) fn check_access(
    report: &mut Report,
    path: &Path,
    visitor: Option<&Visitor>,
) -> Result<()> {
    let Some(visitor) = visitor else {
        let text = "no user that web servers run as is known here";
        return Ok(report.warn("access", text, "name it: --user NAME")?);
    };
    let name = &visitor.name;
    let obstacle = reach::obstacle(path, visitor);
    match (reach::attempt(path, visitor), obstacle) {
        (Some(Ok(())), _) => report.ok("access", &format!("{name} can connect (tried)"))?,
        (Some(Err(error)), None) => report.fail(
            "access",
            &format!("{name} can not connect: {error}"),
            "modes let it in, so access lists, AppArmor, SELinux or a full queue keep it out",
        )?,
        (Some(Err(_)) | None, Some(obstacle)) => {
            report.fail("access", &obstacle.sentence, &obstacle.cure)?;
        }
        (None, None) => report.ok("access", &format!("{name} can connect, by all modes"))?,
    }
    Ok(())
}

/// What does the server say?
pub(super) fn examine(
    report: &mut Report,
    args: &Doctor,
    connect: &mut dyn FnMut() -> Result<Link, String>,
) -> Result<()> {
    let started = Instant::now();
    let link = match connect() {
        Ok(link) => link,
        Err(error) => {
            let text = format!("{}: {error}", args.target);
            let cure = "start the server there, or correct the address";
            return Ok(report.fail("connect", &text, cure)?);
        }
    };
    show_values(report, talk::values(link, NAMES, VALUES_WAIT), started)?;
    let root = args.mount.to_string();
    let path = args.path.as_deref().unwrap_or(&root);
    let mut params = request::get_params("GET", path, &args.mount);
    for (name, value) in &args.param {
        params.set(name, value.as_bytes());
    }
    let link = connect().map_err(anyhow::Error::msg)?;
    match talk::ask(link, &params, args.wait) {
        Ok(answer) => show_answer(report, path, &answer),
        Err(error) => {
            let text = format!("GET {path}: {error:#}");
            Ok(report.fail(
                "answer",
                &text,
                "its own log says why; is it a FastCGI server?",
            )?)
        }
    }
}

fn show_values(
    report: &mut Report,
    values: Option<Vec<(String, String)>>,
    started: Instant,
) -> Result<()> {
    let Some(values) = values else {
        let text = "no answer to GET_VALUES: no server of fcgi-wasm's, and harmless in others";
        return Ok(report.warn("values", text, "")?);
    };
    let get = |name| values.iter().find(|(known, _)| known == name);
    let told = values
        .iter()
        .filter(|(name, _)| !name.starts_with("FCGI_WASM"));
    let told: Vec<_> = told
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let took = milliseconds(started.elapsed());
    report.ok("values", &format!("{} ({took})", told.join(" ")))?;
    if let Some((_, version)) = get("FCGI_WASM_SERVER") {
        let app = get("FCGI_WASM_APP").map_or("an application", |(_, app)| app);
        report.ok("server", &format!("fcgi-wasm {version} serves {app}"))?;
        if version != env!("CARGO_PKG_VERSION") {
            let text = format!("this program is fcgi-wasm {}", env!("CARGO_PKG_VERSION"));
            report.warn(
                "server",
                &text,
                "restart the server, if it was to be upgraded",
            )?;
        }
    }
    Ok(())
}

fn show_answer(report: &mut Report, path: &str, answer: &Answer) -> Result<()> {
    let took = milliseconds(answer.took);
    let (head, head_bytes) = match cgi::parse_head(&answer.stdout) {
        Ok(Some(parsed)) => parsed,
        Ok(None) => {
            let text = format!("GET {path}: the answer has no end of a head ({took})");
            report.fail("answer", &text, "the program ended before it had answered")?;
            return show_messages(report, answer);
        }
        Err(error) => {
            let text = format!("GET {path}: {error}");
            report.fail(
                "answer",
                &text,
                "the answer is no CGI response (RFC 3875 §6)",
            )?;
            return show_messages(report, answer);
        }
    };
    let body_bytes = answer.stdout_bytes - head_bytes as u64;
    let text = format!("GET {path}: {}, {took}, {body_bytes} bytes", head.status);
    if head.status.is_server_error() {
        report.fail(
            "answer",
            &text,
            "the lines below say why, or the server's log",
        )?;
    } else if head.status.is_client_error() {
        let said = String::from_utf8_lossy(&answer.stderr);
        let cure = match said.contains(NOBODY) {
            true => {
                "no application has this host and path: name the visitor's host with \
                 -p HTTP_HOST=shop.example, or the file with -p SCRIPT_FILENAME=/srv/www/app.wasm"
            }
            false => "that is the application's word: are --path and --mount as in the web server?",
        };
        report.warn("answer", &text, cure)?;
    } else {
        report.ok("answer", &text)?;
    }
    if answer.app_status != 0 {
        let text = format!("the request ended with status {}", answer.app_status);
        report.warn(
            "answer",
            &text,
            "the application failed, perhaps after it had answered",
        )?;
    }
    show_messages(report, answer)?;
    let refusals = WEB_SERVERS
        .iter()
        .filter_map(|server| server.refusal(head_bytes, &head.headers));
    let refusals: Vec<_> = refusals.collect();
    for refusal in &refusals {
        report.warn("head", refusal, "")?;
    }
    if refusals.is_empty() {
        let names: Vec<_> = WEB_SERVERS.iter().map(|server| server.name).collect();
        let text = format!(
            "{head_bytes} bytes: {} take it by default",
            names.join(", ")
        );
        report.ok("head", &text)?;
    }
    Ok(())
}

/// What the server wants in the web server's error log.
fn show_messages(report: &mut Report, answer: &Answer) -> Result<()> {
    let text = String::from_utf8_lossy(&answer.stderr);
    for line in text.lines().take(STDERR_LINES_SHOWN) {
        report.warn("stderr", line, "")?;
    }
    let more = text.lines().count().saturating_sub(STDERR_LINES_SHOWN);
    if more > 0 {
        report.warn("stderr", &format!("… and {more} more lines"), "")?;
    }
    Ok(())
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
