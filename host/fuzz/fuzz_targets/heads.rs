//! CGI heads, as any program may write them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fcgi_wasm::cgi::fuzz_head(data));
