//! FastCGI records, as any peer may send them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fcgi_wasm::fastcgi::fuzz_records(data));
