//! Names what went wrong with a guest, for the log.

use std::fmt::{self, Write};

use wasmtime::{Error, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use super::limits::{Meter, OutOfCpu};
use crate::message::{BodyError, Fault, printable};
use crate::policy::Policy;

/// The most frames of a backtrace in the log: an endless recursion has
/// thousands, all alike.
const FRAMES_MAX: usize = 32;

/// The most of one function's name in it, bytes: a compiler makes long ones, and
/// a short one can be demangled to a megabyte.
const NAME_BYTES_MAX: usize = 1024;

/// How much of a name is read to demangle it, bytes: a module may have 100 KB of each.
const MANGLED_BYTES_MAX: usize = 4 * NAME_BYTES_MAX;

/// The most of what a guest says of its failure, bytes: a little more than the log
/// shows.
const REASON_BYTES_MAX: usize = 8 * 1024;

/// The guest says itself that it failed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Failed(String);

impl Failed {
    pub(super) fn new(reason: fmt::Arguments<'_>) -> Self {
        Self(beginning(reason))
    }
}

/// As much of a reason as is told, and no more is ever made of it: a guest can
/// have one as large as its memory, which takes five times as much when it is
/// escaped.
pub(super) fn beginning(reason: fmt::Arguments<'_>) -> String {
    write_beginning(reason, REASON_BYTES_MAX)
}

/// What is said of an error that came before the guest had done anything.
#[derive(Debug)]
pub(super) struct NotMade;

impl fmt::Display for NotMade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its instance can not be made")
    }
}

/// Whether the guest ended itself by `exit(0)`, which is no fault.
pub(super) fn is_clean_exit(error: &Error) -> bool {
    matches!(error.downcast_ref(), Some(I32Exit(0)))
}

/// Why the guest's run ended with this error.
pub(super) fn name(error: &Error, meter: &Meter, policy: &Policy) -> Fault {
    if let Some(fault) = meter.condemned.get() {
        return fault.clone();
    }
    if error.downcast_ref::<OutOfCpu>().is_some() {
        return Fault::OutOfCpu(policy.cpu_time_max);
    }
    if meter.body_was_too_large() {
        // The guest made nothing better of it.
        return BodyError::TooLarge.into();
    }
    if let Some(I32Exit(status)) = error.downcast_ref() {
        return Fault::Exited(*status);
    }
    if let Some(Failed(reason)) = error.downcast_ref() {
        return Fault::Failed(reason.clone());
    }
    let is_of_guest = error.is::<Trap>() || error.is::<WasmBacktrace>();
    if error.is::<NotMade>() && !is_of_guest && !meter.was_refused_memory() {
        return Fault::Internal(format!("{error:#}"));
    }
    let cause = describe(error);
    if let Some(fault) = meter.memory_fault() {
        return fault.clone();
    }
    match meter.was_refused_memory() {
        true => Fault::OutOfMemory {
            bytes_max: policy.memory_bytes_max,
            cause,
        },
        false => Fault::Crashed(cause),
    }
}

/// The cause in one line, then the backtrace.
fn describe(error: &Error) -> String {
    let mut text = match error.downcast_ref::<Trap>() {
        Some(trap) => trap.to_string(),
        None => beginning(format_args!("{}", error.root_cause())),
    };
    if let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() {
        write_frames(backtrace, &mut text);
    }
    text
}

/// The functions of a backtrace, each in a line of its own.
pub(super) fn write_frames(backtrace: &WasmBacktrace, text: &mut String) {
    let mut unnamed = 0;
    for (number, frame) in backtrace.frames().iter().take(FRAMES_MAX).enumerate() {
        let Some(frame_name) = frame.func_name() else {
            unnamed += 1;
            continue;
        };
        let place = frame.symbols().iter().find_map(|symbol| {
            let file = write_beginning(format_args!("{}", symbol.file()?), NAME_BYTES_MAX);
            Some(format!(" ({file}:{})", symbol.line().unwrap_or_default()))
        });
        let place = place.unwrap_or_default();
        let known = frame_name.floor_char_boundary(MANGLED_BYTES_MAX);
        let name = rustc_demangle::demangle(&frame_name[..known]);
        let name = write_beginning(format_args!("{name:#}"), NAME_BYTES_MAX);
        // In one line, whatever is in it.
        let (name, place) = (printable(&name), printable(&place));
        let _ = write!(text, "\n  {number}: {name}{place}");
    }
    if unnamed > 0 {
        let _ = write!(
            text,
            "\n  {unnamed} functions have no names in this component"
        );
    }
    let left_out = backtrace.frames().len().saturating_sub(FRAMES_MAX);
    if left_out > 0 {
        let _ = write!(text, "\n  and {left_out} more");
    }
}

fn write_beginning(all: fmt::Arguments<'_>, bytes_max: usize) -> String {
    let text = String::new();
    let mut beginning = Beginning { text, bytes_max };
    // It fails where the text is cut.
    let _ = beginning.write_fmt(all);
    beginning.text
}

/// A text that is cut when it has so many bytes.
struct Beginning {
    text: String,
    bytes_max: usize,
}

impl Write for Beginning {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let room = self.bytes_max - self.text.len();
        if more.len() <= room {
            self.text.push_str(more);
            return Ok(());
        }
        self.text.push_str(&more[..more.floor_char_boundary(room)]);
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_reason_only_the_beginning_is_made() {
        let long = "\u{1}é".repeat(1_000_000);
        for reason in [
            Failed::new(format_args!("{long}")),
            Failed::new(format_args!("{long:?}")),
        ] {
            let bytes = reason.0.capacity();
            assert!(
                reason.0.len() > 8000 && bytes <= 2 * REASON_BYTES_MAX,
                "{bytes}"
            );
        }
        let short = Failed::new(format_args!("{:?}", "é"));
        assert_eq!(short.to_string(), "\"é\"");
    }
}
