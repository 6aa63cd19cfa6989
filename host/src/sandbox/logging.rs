//! `wasi:logging`: lines for the log, with a level and a context.

use wasmtime::component::{ComponentType, Lift, Linker};
use wasmtime::{Result, StoreContextMut};

use super::guest::Guest;
use super::stdio::WRITE_BYTES_MAX;

/// `level` of `wasi:logging/logging@0.1.0-draft`.
#[derive(Clone, Copy, ComponentType, Debug, Lift)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "guests make them")]
enum Level {
    #[component(name = "trace")]
    Trace,
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
    #[component(name = "critical")]
    Critical,
}

/// Adds the interface.
pub(super) fn link(linker: &mut Linker<Guest>) -> Result<()> {
    let mut logging = linker.instance("wasi:logging/logging@0.1.0-draft")?;
    logging.func_wrap(
        "log",
        |mut store: StoreContextMut<Guest>, line: (Level, String, String)| {
            let (level, mut context, mut message) = line;
            // Of both together as much is taken as of one write.
            for text in [&mut context, &mut message] {
                text.truncate(text.floor_char_boundary(WRITE_BYTES_MAX));
            }
            let level = format!("{level:?}").to_lowercase();
            let line = match context.as_str() {
                "" => format!("[{level}] {message}\n"),
                context => format!("[{level}] {context}: {message}\n"),
            };
            store.data_mut().log().write_now(line.as_bytes());
            Ok(())
        },
    )
}
