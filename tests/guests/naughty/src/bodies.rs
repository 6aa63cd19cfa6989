//! Bodies in and out, large, slow and unread.

use std::io::Read;

use fcgi_wasm_sdk::prelude::*;

/// Sends the body back while it comes.
pub(crate) fn echo(request: Request) -> Result<Response> {
    let mut body = request.into_body();
    ResponseBody::writer(move |out| {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let bytes = body.read(&mut buffer)?;
            if bytes == 0 {
                return Ok(());
            }
            out.write_all(&buffer[..bytes])?;
            out.flush()?;
        }
    })
    .into_response()
}

/// Reads the body and says how many bytes it had, and their sum.
pub(crate) fn upload(request: Request) -> Result<Response> {
    let mut body = request.into_body();
    let mut buffer = vec![0; 256 * 1024];
    let (mut total, mut sum) = (0_u64, 0_u64);
    loop {
        let bytes = body.read(&mut buffer)?;
        if bytes == 0 {
            return format!("{total} bytes, sum {sum}\n").into_response();
        }
        total += bytes as u64;
        sum += buffer[..bytes]
            .iter()
            .map(|byte| u64::from(*byte))
            .sum::<u64>();
    }
}

/// Reads the body and does nothing with it, for the benchmarks.
pub(crate) fn swallow(request: Request) -> Result<Response> {
    let mut body = request.into_body();
    let mut buffer = vec![0; 256 * 1024];
    let mut total = 0;
    loop {
        match body.read(&mut buffer)? {
            0 => return format!("{total} bytes\n").into_response(),
            bytes => total += bytes,
        }
    }
}

/// So many bytes.
pub(crate) fn download(bytes: u64) -> Result<Response> {
    ResponseBody::writer(move |out| {
        let piece = [b'x'; 64 * 1024];
        let mut left = bytes;
        while left > 0 {
            let now = left.min(piece.len() as u64) as usize;
            out.write_all(&piece[..now])?;
            left -= now as u64;
        }
        Ok(())
    })
    .into_response()
}

/// Says something before it reads the body, then sends that.
pub(crate) fn early(request: Request) -> Result<Response> {
    let mut body = request.into_body();
    ResponseBody::writer(move |out| {
        out.write_all(b"first\n")?;
        out.flush()?;
        std::io::copy(&mut body, out)?;
        Ok(())
    })
    .into_response()
}

pub(crate) fn never_ends() -> Result<Response> {
    ResponseBody::writer(|out| {
        loop {
            out.write_all(&[b'x'; 10_000])?;
            out.flush()?;
        }
    })
    .into_response()
}

/// So many bytes, each written and flushed on its own.
pub(crate) fn pieces(count: u64) -> Result<Response> {
    ResponseBody::writer(move |out| {
        for _ in 0..count {
            out.write_all(b"x")?;
            out.flush()?;
        }
        Ok(())
    })
    .into_response()
}

/// Says something, then nothing more for as long as it may.
pub(crate) fn first_then_sleep() -> Result<Response> {
    ResponseBody::writer(|out| {
        out.write_all(b"first\n")?;
        out.flush()?;
        std::thread::sleep(std::time::Duration::from_secs(100_000));
        Ok(())
    })
    .into_response()
}
