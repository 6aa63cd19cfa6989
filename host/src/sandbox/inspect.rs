//! What a component is and wants, for `fcgi-wasm check`.

use std::path::Path;

use super::engine::Engine;
use super::tenant::Tenant;
use super::{compile, load, worlds};
use crate::message::Role;
use crate::policy::{Budget, Policy};
use crate::setup::SetupError;

/// What is known of a component without running it.
#[derive(Debug)]
pub struct Inspection {
    /// The contract that it would be served by, if any.
    pub contract: Option<&'static str>,
    /// The roles that it was made for, if it can be served.
    pub roles: Vec<Role>,
    /// The names of what it exports.
    pub exports: Vec<String>,
    /// What it imports.
    pub imports: Vec<Import>,
    /// The file's size, bytes.
    pub file_bytes: u64,
    /// The memory that an instance has from the start, bytes, where the
    /// component alone says so.
    pub memory_bytes_initial: Option<u64>,
    /// Why it can not be served, if it can not.
    pub problem: Option<String>,
}

/// One import of a component.
#[derive(Debug)]
pub struct Import {
    /// Its name, with version.
    pub name: String,
    /// What comes of using it; `None` if the host does not have it.
    pub grant: Option<&'static str>,
}

const VARIABLES: &str = "the request's if it is a CGI program, and what --env grants";
const LOG: &str = "goes to the error log";
const INPUT: &str = "the request body if it is a CGI program, else empty";
const OUTPUT: &str = "the answer if it is a CGI program, else the error log";
const SETTINGS: &str = "what --setting grants";
const FILES: &str = "none but what --dir grants";
const HOSTS: &str = "refused but to what --allow-host grants";
const ADDRESSES: &str = "refused but to what --allow-net grants";

/// What the host has, by the names of interfaces with the version that matters
/// (0.2.3 is any 0.2), and what an application gets of it.
const PROVIDED: &[(&str, &str)] = &[
    ("fcgi-wasm:app/request@0.1", "the request"),
    ("fcgi-wasm:app/response@0.1", "the response"),
    (
        "fcgi-wasm:app/source@0.1",
        "the file that a filter transforms",
    ),
    ("fcgi-wasm:app/types@0.1", "types"),
    ("wasi:cli/environment@0.2", VARIABLES),
    ("wasi:cli/environment@0.3", VARIABLES),
    ("wasi:cli/exit@0.2", "ends the request"),
    ("wasi:cli/exit@0.3", "ends the request"),
    ("wasi:cli/stderr@0.2", LOG),
    ("wasi:cli/stderr@0.3", LOG),
    ("wasi:cli/stdin@0.2", INPUT),
    ("wasi:cli/stdin@0.3", INPUT),
    ("wasi:cli/stdout@0.2", OUTPUT),
    ("wasi:cli/stdout@0.3", OUTPUT),
    ("wasi:cli/terminal-input@0.2", "there is none"),
    ("wasi:cli/terminal-input@0.3", "there is none"),
    ("wasi:cli/terminal-output@0.2", "there is none"),
    ("wasi:cli/terminal-output@0.3", "there is none"),
    ("wasi:cli/terminal-stderr@0.2", "there is none"),
    ("wasi:cli/terminal-stderr@0.3", "there is none"),
    ("wasi:cli/terminal-stdin@0.2", "there is none"),
    ("wasi:cli/terminal-stdin@0.3", "there is none"),
    ("wasi:cli/terminal-stdout@0.2", "there is none"),
    ("wasi:cli/terminal-stdout@0.3", "there is none"),
    ("wasi:clocks/monotonic-clock@0.2", "granted"),
    ("wasi:clocks/monotonic-clock@0.3", "granted"),
    ("wasi:clocks/system-clock@0.3", "granted"),
    ("wasi:clocks/types@0.3", "types"),
    ("wasi:clocks/wall-clock@0.2", "granted"),
    ("wasi:config/store@0.2.0-rc.1", SETTINGS),
    ("wasi:filesystem/preopens@0.2", FILES),
    ("wasi:filesystem/preopens@0.3", FILES),
    ("wasi:filesystem/types@0.2", FILES),
    ("wasi:filesystem/types@0.3", FILES),
    ("wasi:http/client@0.3", HOSTS),
    ("wasi:http/outgoing-handler@0.2", HOSTS),
    ("wasi:http/types@0.2", "granted"),
    ("wasi:http/types@0.3", "granted"),
    ("wasi:io/error@0.2", "granted"),
    ("wasi:io/poll@0.2", "granted"),
    ("wasi:io/streams@0.2", "granted"),
    ("wasi:logging/logging@0.1.0-draft", LOG),
    ("wasi:random/insecure-seed@0.2", "granted"),
    ("wasi:random/insecure-seed@0.3", "granted"),
    ("wasi:random/insecure@0.2", "granted"),
    ("wasi:random/insecure@0.3", "granted"),
    ("wasi:random/random@0.2", "granted"),
    ("wasi:random/random@0.3", "granted"),
    ("wasi:sockets/instance-network@0.2", ADDRESSES),
    ("wasi:sockets/ip-name-lookup@0.2", ADDRESSES),
    ("wasi:sockets/ip-name-lookup@0.3", ADDRESSES),
    ("wasi:sockets/network@0.2", ADDRESSES),
    ("wasi:sockets/tcp-create-socket@0.2", ADDRESSES),
    ("wasi:sockets/tcp@0.2", ADDRESSES),
    ("wasi:sockets/types@0.3", ADDRESSES),
    ("wasi:sockets/udp-create-socket@0.2", ADDRESSES),
    ("wasi:sockets/udp@0.2", ADDRESSES),
    (
        "wasi_snapshot_preview1",
        "WASI 0.1; files as --dir grants them",
    ),
];

impl Inspection {
    /// Looks at a component in a file, without running it. It is compiled, so
    /// this takes as long as loading it does.
    ///
    /// # Errors
    ///
    /// As [`App::load`](super::App::load), if it is no component at all.
    pub fn of_file(engine: &Engine, path: &Path) -> Result<Self, SetupError> {
        let name = path.display().to_string();
        let bytes = load::read(path)?;
        let nobody = Tenant::new(engine, &name, Budget::strict());
        let compiled = compile::code(&nobody, &name, &name, &bytes)?;
        let loaded = &compiled.loaded;
        let unlimited = Policy::strict()
            .memory_max(u64::MAX)
            .budget(Budget::strict().memory_max(u64::MAX));
        let bound = load::check_size(&name, &loaded.code, &unlimited, &unlimited.budget)
            .and_then(|_| worlds::bind(loaded, &name, None));
        let imports = loaded.imports().into_iter().map(|name| Import {
            grant: grant(&name),
            name,
        });
        let roles = [Role::Responder, Role::Authorizer, Role::Filter];
        let plays = |role: &Role| bound.as_ref().is_ok_and(|world| world.plays(*role));
        let found = Self {
            roles: roles.into_iter().filter(plays).collect(),
            contract: worlds::recognise(&loaded.code, None).map(|contract| contract.description),
            exports: loaded.exports(),
            imports: imports.collect(),
            file_bytes: bytes.len() as u64,
            memory_bytes_initial: loaded.code.initial_memory(),
            problem: bound.err().map(|problem| problem.to_string()),
        };
        if found.problem.is_none() {
            compiled.keep();
        }
        Ok(found)
    }
}

fn grant(import: &str) -> Option<&'static str> {
    let provided = PROVIDED.iter().find(|(interface, _)| {
        let rest = import.strip_prefix(interface);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    });
    provided.map(|(_, grant)| *grant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::runtime::Flavour;

    #[test]
    fn versions_match_as_semantic_versions_do() {
        assert_eq!(grant("wasi:cli/environment@0.2.6"), Some(VARIABLES));
        assert_eq!(grant("wasi:cli/environment@0.4.0"), None);
        assert_eq!(grant("wasi:cli/environment@0.20.0"), None);
        assert_eq!(grant("acme:db/store@1.0.0"), None);
    }

    #[test]
    fn what_is_listed_is_there() {
        let options = Engine::options().instances_max(1);
        let engine = options.start().expect("an engine");
        let runtime = engine.runtime(Flavour::Concurrent).expect("a runtime");
        for (interface, _) in PROVIDED {
            // A name can be defined only once.
            let is_there = |name: String| {
                let mut linker = runtime.linker.clone();
                let function = |_: wasmtime::StoreContextMut<_>, ()| Ok(());
                linker.root().func_wrap(&name, function).is_err()
            };
            let is_module = *interface == "wasi_snapshot_preview1";
            let listed = ["", ".0", ".12"].map(|patch| format!("{interface}{patch}"));
            assert!(
                is_module || listed.into_iter().any(is_there),
                "{interface} is listed and not linked"
            );
        }
    }
}
