//! Guests of a given size: they say hello, and all else is there and not used.

use std::fmt::Write;

/// Sizes of guests that are mostly data, bytes: a Rust program, and Python with
/// its library.
pub(crate) const DATA_BYTES: &[usize] = &[50_000, 300_000, 3_000_000, 30_000_000];

/// Sizes of those that are mostly code, of which a megabyte takes a second to
/// compile.
pub(crate) const CODE_BYTES: &[usize] = &[50_000, 300_000, 3_000_000, 10_000_000];

/// What a function of [`LINE`]s is worth in the file, about: type, body, end.
const FUNCTION_LINES: usize = 200;

/// A line of code and its bytes in the file.
const LINE: &str = "(local.set 0 (i32.add (i32.mul (local.get 0) (i32.const 7)) (i32.const 11)))\n";
const LINE_BYTES: usize = 10;

const PAGE_BYTES: usize = 64 * 1024;

/// A CGI program for WASI 0.1 (a core module) of about so many bytes, of data or
/// of code.
pub(crate) fn sized_guest(kind: &str, bytes: usize) -> Result<Vec<u8>, String> {
    let (data_bytes, functions) = match kind {
        "data" => (bytes, 0),
        _ => (0, bytes / (FUNCTION_LINES * LINE_BYTES)),
    };
    let pages = 2 + data_bytes / PAGE_BYTES;
    let mut text = format!(
        "(module
            (import \"wasi_snapshot_preview1\" \"fd_write\"
                (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export \"memory\") {pages})
            (data (i32.const 0) \"\\10\\00\\00\\00\\20\\00\\00\\00\")
            (data (i32.const 16) \"Content-Type: text/plain\\0a\\0ahello\\0a\")
            (func (export \"_start\")
                (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))\n"
    );
    if data_bytes > 0 {
        let data = "what was read from a file ";
        let data: String = data.chars().cycle().take(data_bytes).collect();
        let _ = writeln!(text, "(data (i32.const {PAGE_BYTES}) \"{data}\")");
    }
    for _ in 0..functions {
        let lines = LINE.repeat(FUNCTION_LINES);
        let _ = writeln!(
            text,
            "(func (param i32) (result i32)\n{lines}(local.get 0))"
        );
    }
    text.push(')');
    wat::parse_str(&text).map_err(|error| error.to_string())
}
