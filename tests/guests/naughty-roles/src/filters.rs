//! The filter.

use std::io::Read;
use std::time::Duration;

use fcgi_wasm_sdk::prelude::*;

#[filter]
fn transform(request: Request, mut file: Source) -> Result<Response> {
    let path = request.path_info().to_owned();
    match path.trim_start_matches('/') {
        // Reading what is left of the body after the file.
        "file-first" => {
            let bytes = count(&mut file)?;
            let body = count(&mut request.into_body());
            format!("file {bytes}, body {body:?}\n").into_response()
        }
        "body-first" => {
            let body = count(&mut request.into_body())?;
            let bytes = count(&mut file)?;
            format!("file {bytes}, body {body}\n").into_response()
        }
        "echo" => ResponseBody::reader(file).into_response(),
        "about" => {
            let (bytes, modified) = (file.length(), file.last_modified_seconds());
            format!("{bytes} bytes of {modified}\n").into_response()
        }
        "text" => file.text()?.to_uppercase().into_response(),
        "fail" => Err("disk full, as asked".into()),
        "trap" => panic!("as asked"),
        "sleep" => {
            std::thread::sleep(Duration::from_secs(100_000));
            "slept\n".into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Reads to the end: how many bytes there were.
fn count(from: &mut dyn Read) -> Result<u64> {
    Ok(std::io::copy(from, &mut std::io::sink())?)
}
