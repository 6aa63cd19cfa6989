//! What the command line says of the request, as a web server would say it.

use std::io::Read;
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, bail};
use fcgi_wasm::cgi::Mount;
use fcgi_wasm::{Params, Role};

use crate::args::Request;

/// What comes with the params.
pub(super) struct Streams {
    pub(super) body: Vec<u8>,
    pub(super) file: Vec<u8>,
}

/// What a filter transforms.
#[derive(Default)]
pub(super) struct File {
    pub(super) content: Vec<u8>,
    modified_seconds: u64,
}

pub(super) fn file(args: &Request) -> Result<File> {
    let Some(path) = &args.file else {
        return Ok(File::default());
    };
    if args.role != Role::Filter {
        bail!("--file is for a filter: give --role filter too");
    }
    let cannot = || format!("cannot read {}", path.display());
    let content = std::fs::read(path).with_context(cannot)?;
    let modified = std::fs::metadata(path).and_then(|meta| meta.modified());
    let since = modified.with_context(cannot)?.duration_since(UNIX_EPOCH);
    Ok(File {
        content,
        // What is older than 1970 is of 1970.
        modified_seconds: since.unwrap_or_default().as_secs(),
    })
}

pub(super) fn body(data: Option<&str>) -> Result<Option<Vec<u8>>> {
    let Some(data) = data else {
        return Ok(None);
    };
    let bytes = match data.strip_prefix('@') {
        None => data.as_bytes().to_vec(),
        Some("-") => {
            let mut bytes = Vec::new();
            let read = std::io::stdin().read_to_end(&mut bytes);
            read.context("cannot read standard input")?;
            bytes
        }
        Some(file) => std::fs::read(file).with_context(|| format!("cannot read {file}"))?,
    };
    Ok(Some(bytes))
}

/// What a web server would say of the request (RFC 3875 §4.1).
pub(super) fn params(args: &Request, body_bytes: Option<usize>, file: &File) -> Params {
    let default_method = if body_bytes.is_some() { "POST" } else { "GET" };
    let method = args.method.as_deref().unwrap_or(default_method);
    let mut params = get_params(method, &args.path, &args.mount);
    if args.role == Role::Authorizer {
        // FastCGI §6.3.
        let left_out = |name: &[u8]| matches!(name, b"SCRIPT_NAME" | b"PATH_INFO");
        let said = params.iter().filter(|(name, _)| !left_out(name));
        params = said.collect();
    } else if let Some(bytes) = body_bytes {
        params.set("CONTENT_LENGTH", bytes.to_string().as_bytes());
    }
    if args.role == Role::Filter {
        let modified = file.modified_seconds.to_string();
        params.set("FCGI_DATA_LAST_MOD", modified.as_bytes());
        let bytes = file.content.len().to_string();
        params.set("FCGI_DATA_LENGTH", bytes.as_bytes());
    }
    for (name, value) in &args.header {
        let variable = name.to_ascii_uppercase().replace('-', "_");
        match variable.as_str() {
            "CONTENT_TYPE" | "CONTENT_LENGTH" => params.set(&variable, value.as_bytes()),
            "HOST" => params.set("HTTP_HOST", value.as_bytes()),
            _ => params.push(format!("HTTP_{variable}").as_bytes(), value.as_bytes()),
        }
    }
    for (name, value) in &args.param {
        params.set(name, value.as_bytes());
    }
    params
}

/// The same of one without a body and header fields.
pub(crate) fn get_params(method: &str, target: &str, mount: &Mount) -> Params {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = fcgi_wasm::cgi::decode(path.as_bytes());
    let mut params = Params::default();
    params.set("GATEWAY_INTERFACE", b"CGI/1.1");
    params.set("SERVER_SOFTWARE", b"fcgi-wasm request");
    params.set("SERVER_PROTOCOL", b"HTTP/1.1");
    params.set("SERVER_NAME", b"localhost");
    params.set("SERVER_PORT", b"80");
    params.set("REMOTE_ADDR", b"127.0.0.1");
    params.set("REQUEST_METHOD", method.as_bytes());
    params.set("REQUEST_URI", target.as_bytes());
    params.set("SCRIPT_NAME", b"");
    params.set("PATH_INFO", &path);
    params.set("QUERY_STRING", query.as_bytes());
    params.set("HTTP_HOST", b"localhost");
    mount.apply(&mut params);
    params
}
