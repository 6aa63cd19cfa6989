//! Tells the log where a guest is that has been at it for long. It goes on as
//! if nothing had been asked.

use wasmtime::{StoreContextMut, WasmBacktrace};

use super::fault::write_frames;
use super::guest::Guest;
use super::limits::Meter;
use crate::message::{Stage, printable};

/// The guest computes, and is here. Called at a tick of the engine's clock, so
/// it costs the guest some microseconds, once. A guest that had waited in the
/// host is found where it went on, right behind the call that it waited in.
pub(super) fn tell_where(store: &StoreContextMut<'_, Guest>, meter: &Meter) {
    let mut text = format!("{}, and is in", so_far(meter));
    write_frames(&WasmBacktrace::force_capture(store), &mut text);
    tell(meter, &text);
}

/// Its time is up while it may wait. One that computes tells by itself, at its
/// next tick.
pub(super) fn tell_waiting(meter: &Meter) {
    let waits = meter.journal().waits().join("; ");
    let what = match meter.journal().stage() {
        Stage::Paused => "its share of the processors (cpu_share)",
        _ if meter.is_yielding() => return,
        Stage::WaitingForClient => "the client, to send or to take bytes",
        _ if waits.is_empty() => "the host: a timer, a file or another server",
        _ => &format!("the host: {waits}"),
    };
    tell(meter, &format!("{}, and waits for {what}", so_far(meter)));
}

fn so_far(meter: &Meter) -> String {
    let ms = meter.elapsed().0.as_millis();
    let usage = meter.journal().usage();
    let used = usage.cpu_time.as_millis();
    let mut text = format!("slow (--slow): after {ms} ms it has used {used} ms of processor time");
    if !usage.paused.is_zero() {
        let paused = usage.paused.as_millis();
        text += &format!(", was paused for {paused} ms (cpu_share)");
    }
    text
}

fn tell(meter: &Meter, text: &str) {
    let request = meter.request();
    let lines: Vec<_> = text.lines().map(printable).collect();
    if meter.may_log_lines(&lines) {
        let app = meter.journal().app();
        lines
            .iter()
            .for_each(|line| tracing::warn!(request, app, "{line}"));
    }
    meter.journal().say(text);
}
