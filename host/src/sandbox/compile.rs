//! From bytes to compiled code, by way of the cache.

use std::borrow::Cow;
use std::io::{Read, Write};
use std::time::Instant;

use super::bounds;
use super::cache::Draft;
use super::compiler::Task;
use super::engine::Engine;
use super::instances;
use super::load::{Code, Kind, Loaded};
use super::runtime::Flavour;
use super::tenant::Tenant;
use crate::message::{Notice, Observer, Owner, printable};
use crate::setup::SetupError;
use crate::told::besides;

/// The largest file in the text format, bytes. People write it by hand.
const TEXT_BYTES_MAX: usize = 1024 * 1024;

/// How many compilations the log is told of before it is spared: more than
/// somebody deploys by hand. Whoever may write a file could fill it else.
const TOLD_MAX: u32 = 10;

/// Compiled code, which is to be kept if it turns out to be of use.
pub(super) struct Compiled<'e> {
    pub(super) loaded: Loaded<'e>,
    draft: Option<Draft<'e>>,
}

impl Compiled<'_> {
    /// Keeps it, if it is not kept already.
    pub(super) fn keep(self) {
        if let Some(draft) = self.draft {
            draft.keep();
        }
    }
}

/// The compiled code, from the cache or else compiled now for this tenant's
/// application of this name. May wait and compile for long: that is for a thread
/// that does nothing else. `name` is what the bytes are called.
pub(super) fn code<'e>(
    tenant: &'e Tenant,
    app: &str,
    name: &str,
    bytes: &[u8],
) -> Result<Compiled<'e>, SetupError> {
    let engine = tenant.engine();
    check_beginning(name, bytes)?;
    let bytes = &*binary(name, bytes)?;
    let kind = Kind::of(bytes);
    if let Some(loaded) = cached(engine, bytes, kind)? {
        let draft = None;
        return Ok(Compiled { loaded, draft });
    }
    bounds::check(name, bytes)?;
    let Some(_turn) = engine.turns().take(tenant.name()) else {
        return Err(SetupError::new(format!(
            "{name} is not compiled, because too many of {}'s applications wait for that",
            tenant.name()
        )));
    };
    let compiled = watched(tenant, app, name, || match engine.compiler() {
        Some(compiler) => {
            let output = compiler.run(engine.is_pooled(), bytes)?;
            Flavour::of_artifact(output).ok_or_else(|| "nothing came of it".to_owned())
        }
        None => engine.compile_gently(|| compile(bytes, kind, engine.is_pooled())),
    });
    let cannot = |error: String| SetupError::new(format!("{name} can not be compiled: {error}"));
    let (flavour, artifact) = compiled.map_err(cannot)?;
    let runtime = engine.runtime(flavour)?;
    let wasmtime = &runtime.wasmtime;
    let cache = engine.cache();
    let mut draft = cache.and_then(|cache| cache.draft(wasmtime, tenant.name(), bytes, &artifact));
    if flavour == Flavour::Concurrent {
        let plain = engine.runtime(Flavour::Plain)?;
        draft = draft.map(|draft| draft.and_not_for(&plain.wasmtime, bytes));
    }
    let code = match &draft {
        Some(draft) => draft.load(wasmtime, kind),
        None => load_compiled(wasmtime, &artifact, kind),
    };
    let code = code.map_err(|error| cannot(format!("{error:#}")))?;
    let loaded = Loaded {
        runtime,
        code,
        is_mapped: draft.is_some(),
    };
    Ok(Compiled { loaded, draft })
}

/// Compiles, and tells the log and the observers who had it done, and for how long,
/// whatever came of it.
fn watched<T>(
    tenant: &Tenant,
    app: &str,
    name: &str,
    compile: impl FnOnce() -> Result<T, String>,
) -> Result<T, String> {
    let owner = Owner {
        tenant: tenant.name().to_owned(),
        app: app.to_owned(),
    };
    let news = tenant.compiles().is_news(TOLD_MAX).map(besides);
    if let Some(besides) = &news {
        tracing::info!(app = %owner, "compiling {}{besides}", printable(name));
    }
    let began = Instant::now();
    let compiled = compile();
    let time = began.elapsed();
    tenant.engine().observers().compiled(&owner, time);
    if news.is_some() {
        let what = match compiled {
            Ok(_) => "compiled in",
            Err(_) => "given up compiling after",
        };
        let file = printable(name);
        tracing::info!(app = %owner, %file, "{what} {:.1} s", time.as_secs_f64());
    }
    compiled
}

/// The compiled code, if the cache has it.
pub(super) fn kept<'e>(
    engine: &'e Engine,
    name: &str,
    bytes: &[u8],
) -> Result<Option<Loaded<'e>>, SetupError> {
    check_beginning(name, bytes)?;
    let bytes = &*binary(name, bytes)?;
    cached(engine, bytes, Kind::of(bytes))
}

fn cached<'e>(
    engine: &'e Engine,
    bytes: &[u8],
    kind: Kind,
) -> Result<Option<Loaded<'e>>, SetupError> {
    let found = find_cached(engine, bytes, kind)?;
    if found.is_some() {
        engine.observers().noticed(Notice::FromCache);
    }
    Ok(found)
}

fn find_cached<'e>(
    engine: &'e Engine,
    bytes: &[u8],
    kind: Kind,
) -> Result<Option<Loaded<'e>>, SetupError> {
    let Some(cache) = engine.cache() else {
        return Ok(None);
    };
    let runtime = engine.runtime(Flavour::Plain)?;
    let mapped = |runtime, code| Loaded {
        runtime,
        code,
        is_mapped: true,
    };
    if let Some(code) = cache.get(&runtime.wasmtime, bytes, kind) {
        return Ok(Some(mapped(runtime, code)));
    }
    if !cache.needs_concurrency(&runtime.wasmtime, bytes) {
        return Ok(None);
    }
    let runtime = engine.runtime(Flavour::Concurrent)?;
    let code = cache.get(&runtime.wasmtime, bytes, kind);
    Ok(code.map(|code| mapped(runtime, code)))
}

/// Compiles for the cheap set-up if that is enough: a guest that is not valid
/// there is either one for WASI 0.3, or wrong.
fn compile(bytes: &[u8], kind: Kind, is_pooled: bool) -> Result<(Flavour, Vec<u8>), String> {
    let for_flavour = |flavour: Flavour| {
        let wasmtime = flavour.compiler(is_pooled)?;
        let artifact = match kind {
            Kind::Module => wasmtime.precompile_module(bytes)?,
            Kind::Component => wasmtime.precompile_component(bytes)?,
        };
        Ok((flavour, artifact))
    };
    let compiled = match for_flavour(Flavour::Plain) {
        Err(_) if kind == Kind::Component => {
            instances::check_stacks(bytes)?;
            for_flavour(Flavour::Concurrent)
        }
        compiled => compiled,
    };
    compiled.map_err(|error: wasmtime::Error| format!("{error:#}"))
}

/// What a compiler's process does: from the task and the component at its input
/// to the code at its output.
pub(super) fn compile_for_parent(
    input: &mut impl Read,
    output: &mut impl Write,
) -> Result<(), String> {
    let broken = |error: std::io::Error| format!("the task of the compiler: {error}");
    let task = Task::accept(input).map_err(broken)?;
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes).map_err(broken)?;
    let (flavour, artifact) = compile(&bytes, Kind::of(&bytes), task.is_pooled)?;
    output
        .write_all(&[flavour.mark()])
        .and_then(|()| output.write_all(&artifact))
        .map_err(broken)
}

#[expect(unsafe_code, reason = "compiled code can only be loaded on trust")]
fn load_compiled(
    wasmtime: &wasmtime::Engine,
    artifact: &[u8],
    kind: Kind,
) -> wasmtime::Result<Code> {
    // SAFETY: the bytes must be what `precompile_component` or
    // `precompile_module` gave. They come from `compile`, in this process or in
    // one of the same program that nobody else could write to.
    unsafe { Code::load_bytes(wasmtime, artifact, kind) }
}

/// The binary format, whichever it is in.
fn binary<'b>(name: &str, bytes: &'b [u8]) -> Result<Cow<'b, [u8]>, SetupError> {
    if !is_text_format(bytes) {
        return Ok(bytes.into());
    }
    if bytes.len() > TEXT_BYTES_MAX {
        return Err(SetupError::new(format!(
            "{name} is in the text format and has over {TEXT_BYTES_MAX} bytes: convert it to the \
             binary one"
        )));
    }
    wat::parse_bytes(bytes).map_err(|error| {
        SetupError::new(format!("{name} is not valid in the text format: {error}"))
    })
}

/// Whether a file can be served by its beginning.
pub(super) fn check_beginning(name: &str, bytes: &[u8]) -> Result<(), SetupError> {
    match what_else(bytes) {
        Some(complaint) => Err(SetupError::new(format!("{name} {complaint}"))),
        None => Ok(()),
    }
}

/// What the file is, if it is no component, and what to do about it.
fn what_else(bytes: &[u8]) -> Option<String> {
    let complaint = match bytes {
        [b'\0', b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => return None,
        [b'\0', b'a', b's', b'm', 1, 0, 0, 0, ..] => return None,
        [b'\0', b'a', b's', b'm', ..] => {
            "is WebAssembly of a version that is not known here: build it with current tools"
        }
        [0x7f, b'E', b'L', b'F', ..] => {
            "is an ELF file: a program for this machine, or a component compiled ahead of time. \
             Give the .wasm file itself; what is compiled from it is cached"
        }
        [b'#', b'!', ..] => "is a script; what is served here are WebAssembly components",
        [] => "is empty",
        _ if is_text_format(bytes) => return None,
        _ => "is no WebAssembly component",
    };
    Some(complaint.to_owned())
}

/// Whether it is WebAssembly's text format, which is compiled as well.
fn is_text_format(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii_start();
    text.starts_with(b"(component") || text.starts_with(b"(module") || text.starts_with(b";;")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use super::*;
    use crate::policy::Budget;

    #[test]
    fn what_is_no_component_is_told_what_it_is() {
        let cases: &[(&[u8], &str)] = &[
            (b"", "is empty"),
            (b"\0asm\x0a\0\x01\0", "not known here"),
            (b"\x7fELF\x02", "ELF"),
            (b"#!/bin/sh", "script"),
            (b"hello", "no WebAssembly component"),
        ];
        for (bytes, expected) in cases {
            let complaint = what_else(bytes).expect("a complaint");
            assert!(complaint.contains(expected), "{complaint:?}");
        }
        assert_eq!(what_else(b"\0asm\x0d\0\x01\0"), None);
        assert_eq!(what_else(b"\0asm\x01\0\0\0"), None);
        assert_eq!(what_else(b"  (component)"), None);
    }

    /// Who had something compiled, as observers are told.
    #[derive(Default)]
    struct Told(Mutex<Vec<Owner>>);

    impl Observer for Told {
        fn compiled(&self, owner: &Owner, time: Duration) {
            assert!(time > Duration::ZERO);
            self.0.lock().expect("no panic").push(owner.clone());
        }
    }

    #[test]
    fn whoever_has_something_compiled_is_named_whatever_comes_of_it() {
        let told = Arc::new(Told::default());
        let engine = Engine::options().instances_max(1).observe(told.clone());
        let engine = engine.start().expect("an engine");
        let tenant = Tenant::new(&engine, "alice", Budget::strict());
        let valid = "(module (func (export \"_start\")))";
        let not_valid = "(module (func (result i32)))";
        assert!(code(&tenant, "one", "f.wasm", valid.as_bytes()).is_ok());
        assert!(code(&tenant, "two", "f.wasm", not_valid.as_bytes()).is_err());
        assert!(code(&tenant, "three", "f.wasm", b"no component").is_err());
        let owner = |app: &str| Owner {
            tenant: "alice".to_owned(),
            app: app.to_owned(),
        };
        let told = told.0.lock().expect("no panic");
        assert_eq!(*told, [owner("one"), owner("two")]);
    }
}
