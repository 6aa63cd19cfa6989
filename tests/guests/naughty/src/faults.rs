//! What ends badly, or not at all.

use std::hint::black_box;
use std::time::Duration;

use fcgi_wasm_sdk::prelude::*;

pub(crate) fn spin() -> ! {
    let mut number = 0_u64;
    loop {
        number = black_box(number.wrapping_add(1));
    }
}

pub(crate) fn sleep() -> Result<Response> {
    std::thread::sleep(Duration::from_secs(100_000));
    "slept\n".into_response()
}

pub(crate) fn grow() -> ! {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        hoard.push(black_box(vec![1; 1024 * 1024]));
    }
}

/// Without an end, unless `depth` is one.
pub(crate) fn recurse(depth: u64) -> u64 {
    let next = black_box(depth.wrapping_sub(1));
    if next == 0 {
        return 0;
    }
    recurse(next) + black_box(1)
}

/// Half a response, then a trap.
pub(crate) fn half() -> Result<Response> {
    ResponseBody::writer(|out| {
        out.write_all(b"half of it")?;
        out.flush()?;
        panic!("as asked, in the middle")
    })
    .into_response()
}

/// Half a response, then an error.
pub(crate) fn half_fail() -> Result<Response> {
    ResponseBody::writer(|out| {
        out.write_all(b"half of it")?;
        out.flush()?;
        Err("as asked, in the middle".into())
    })
    .into_response()
}

/// A trap after a complete response.
pub(crate) fn late_trap() -> Result<Response> {
    let _finished = finish("complete\n")?;
    panic!("as asked, after the answer")
}

pub(crate) fn work_on() -> Result<Response> {
    let finished = finish("answered\n")?;
    std::thread::sleep(Duration::from_millis(100));
    say("worked on");
    finished.into_response()
}

pub(crate) fn work_on_for_ever() -> Result<Response> {
    let _finished = finish("answered\n")?;
    spin()
}

/// Says something to the log.
#[expect(clippy::print_stderr, reason = "it is a guest's log")]
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}
