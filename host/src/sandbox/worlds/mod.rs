//! The kinds of guest. A world translates between a request and what one kind
//! of guest imports and exports; everything else is the same for all.

mod bell;
mod command02;
mod command03;
mod http02;
mod http03;
mod imports;
mod module;
mod native;
mod native_imports;
mod program;
mod pump;

use super::guest::Sandbox;
use super::load::{Code, Loaded};
use super::reply::Reply;
use crate::message::{BoxFuture, Request, Role};
use crate::setup::SetupError;

pub(super) use imports::{as_told, link, link_modules};

/// One kind of guest, bound to one component or module.
pub(super) trait World: Send + Sync {
    /// Whether its guest was made for this role.
    fn plays(&self, role: Role) -> bool {
        role == Role::Responder
    }

    /// Runs a fresh instance to its end, for a request in a role that it plays.
    /// It answers through `reply`, whose end
    /// is left to the caller.
    fn run<'a>(
        &'a self,
        sandbox: Sandbox,
        request: Request,
        reply: Reply,
    ) -> BoxFuture<'a, wasmtime::Result<()>>;
}

/// A kind of guest, recognised by what it exports.
pub(super) struct Contract {
    /// What an operator calls it, to choose it.
    pub(super) name: &'static str,
    /// What it is, for messages.
    pub(super) description: &'static str,
    /// What is exported by such a guest: one of these at least. Versions are
    /// matched as semantic ones are: 0.2.0 also stands for any later 0.2.
    pub(super) exports: &'static [&'static str],
    bind: fn(&Loaded<'_>) -> wasmtime::Result<Box<dyn World>>,
}

/// All kinds. The first one that a guest exports is taken: a Rust program for
/// `wasi:http` is a command too.
const CONTRACTS: &[Contract] = &[
    Contract {
        name: "native",
        description: "the native contract",
        exports: native::EXPORTS,
        bind: native::bind,
    },
    Contract {
        name: "http@0.3",
        description: "WASI 0.3 HTTP",
        exports: &["wasi:http/handler@0.3.0"],
        bind: http03::bind,
    },
    Contract {
        name: "http@0.2",
        description: "WASI 0.2 HTTP",
        exports: &["wasi:http/incoming-handler@0.2.0"],
        bind: http02::bind,
    },
    Contract {
        name: "cgi@0.3",
        description: "a CGI program (WASI 0.3 command)",
        exports: &["wasi:cli/run@0.3.0"],
        bind: command03::bind,
    },
    Contract {
        name: "cgi@0.2",
        description: "a CGI program (WASI 0.2 command)",
        exports: &["wasi:cli/run@0.2.0"],
        bind: command02::bind,
    },
    Contract {
        name: "cgi@0.1",
        description: "a CGI program (WASI 0.1 module)",
        exports: &["_start"],
        bind: module::bind,
    },
];

/// The contract of a guest, if it has one that is known here: the first, or
/// the one with this name.
pub(super) fn recognise(code: &Code, name: Option<&str>) -> Option<&'static Contract> {
    let mut contracts = CONTRACTS.iter();
    contracts.find(|contract| {
        name.is_none_or(|name| name == contract.name)
            && contract.exports.iter().any(|export| code.exports(export))
    })
}

/// Makes a guest ready to be called, by the first contract that it exports or
/// the one with this name.
pub(super) fn bind(
    loaded: &Loaded<'_>,
    file: &str,
    contract: Option<&str>,
) -> Result<Box<dyn World>, SetupError> {
    contract.map_or(Ok(()), check_name)?;
    let Some(contract) = recognise(&loaded.code, contract) else {
        return Err(SetupError::new(no_contract(loaded, file, contract)));
    };
    (contract.bind)(loaded).map_err(|error| {
        SetupError::new(format!(
            "{file} does not fit ({}): {error:#}. `fcgi-wasm check` lists what it wants",
            contract.description
        ))
    })
}

fn no_contract(loaded: &Loaded<'_>, file: &str, contract: Option<&str>) -> String {
    let exports = loaded.exports();
    let exports = match exports.as_slice() {
        [] => "nothing".to_owned(),
        exports => exports.join(", "),
    };
    let is_wanted = |known: &&Contract| contract.is_none_or(|name| name == known.name);
    let wanted: Vec<_> = CONTRACTS
        .iter()
        .filter(is_wanted)
        .map(|known| format!("{} ({})", known.exports.join(" or "), known.name))
        .collect();
    format!(
        "{file} exports {exports}, but none of what can be served: {}",
        wanted.join(", ")
    )
}

/// Whether there is a contract of this name.
pub(super) fn check_name(name: &str) -> Result<(), SetupError> {
    let names: Vec<_> = CONTRACTS.iter().map(|known| known.name).collect();
    if names.contains(&name) {
        return Ok(());
    }
    let sentence = format!("there is no interface {name:?}: choose one of ");
    Err(SetupError::new(sentence + &names.join(", ")))
}
