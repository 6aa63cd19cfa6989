//! Params by which the web server gives a request less than its application
//! may have: by location, say.
//!
//! A param can only tighten what the operator has set. Clients can not send
//! them: what a client says comes as `HTTP_…`.

use bytesize::ByteSize;
use humantime::parse_duration;

use crate::message::{Fault, Params};
use crate::policy::Policy;

/// How all of them begin.
const PREFIX: &[u8] = b"FCGI_WASM_";

/// The policy for a request with these params, if it is another.
///
/// # Errors
///
/// If a value can not be read: to go on without the limit would be to widen it.
pub(super) fn tighten(policy: &Policy, params: &Params) -> Result<Option<Policy>, Fault> {
    let mut tightened = None;
    for (name, value) in params.iter() {
        let Some(limit) = name.strip_prefix(PREFIX) else {
            continue;
        };
        if value.is_empty() {
            continue; // a variable of the web server's that is not set
        }
        let policy = tightened.get_or_insert_with(|| policy.clone());
        let value = String::from_utf8_lossy(value);
        let is_read = match limit {
            b"TIMEOUT" => lower(&mut policy.wall_time_max, parse_duration(&value).ok()),
            b"MAX_DURATION" => lower(&mut policy.duration_max, parse_duration(&value).ok()),
            b"CPU_TIME" => lower(&mut policy.cpu_time_max, parse_duration(&value).ok()),
            b"MEMORY" => lower(&mut policy.memory_bytes_max, size(&value)),
            b"MAX_BODY" => lower(&mut policy.request_body_bytes_max, size(&value)),
            _ => true, // of the router, or nobody's
        };
        if !is_read {
            let name = String::from_utf8_lossy(name);
            return Err(Fault::Internal(format!(
                "the web server's param {name} is {value:?}: write a number and a unit, like 30s, \
                 500ms or 64MiB"
            )));
        }
    }
    Ok(tightened)
}

/// Lowers a limit, if the value could be read.
fn lower<T: Ord>(limit: &mut T, value: Option<T>) -> bool {
    match value {
        Some(value) if value < *limit => *limit = value,
        Some(_) => {}
        None => return false,
    }
    true
}

fn size(text: &str) -> Option<u64> {
    text.parse::<ByteSize>().ok().map(|size| size.as_u64())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::policy::MIB;

    fn tightened(pairs: &[(&str, &str)]) -> Result<Option<Policy>, Fault> {
        let policy = Policy::strict().memory_max(64 * MIB);
        tighten(&policy, &pairs.iter().copied().collect())
    }

    #[test]
    fn params_tighten_and_never_widen() {
        let policy = Policy::strict().memory_max(64 * MIB);
        assert_eq!(tightened(&[("HTTP_FCGI_WASM_MEMORY", "1MiB")]), Ok(None));
        let lower = [
            ("FCGI_WASM_MEMORY", "32 MiB"),
            ("FCGI_WASM_TIMEOUT", "500ms"),
            ("FCGI_WASM_CPU_TIME", "1s"),
            ("FCGI_WASM_MAX_DURATION", "1m 60s"),
            ("FCGI_WASM_MAX_BODY", "1MB"),
            ("FCGI_WASM_APP", "blog"),
        ];
        let expected = policy
            .clone()
            .memory_max(32 * MIB)
            .wall_time_max(Duration::from_millis(500))
            .cpu_time_max(Duration::from_secs(1))
            .duration_max(Duration::from_secs(120))
            .request_body_max(1_000_000);
        assert_eq!(tightened(&lower), Ok(Some(expected)));
        let higher = [
            ("FCGI_WASM_MEMORY", "1GiB"),
            ("FCGI_WASM_TIMEOUT", "10h"),
            ("FCGI_WASM_CPU_TIME", "1h"),
            ("FCGI_WASM_MAX_DURATION", "100h"),
            ("FCGI_WASM_MAX_BODY", "100GiB"),
        ];
        assert_eq!(tightened(&higher), Ok(Some(policy)));
    }

    #[test]
    fn an_empty_param_says_nothing() {
        let names = ["TIMEOUT", "MAX_DURATION", "CPU_TIME", "MEMORY", "MAX_BODY"];
        for name in names.map(|name| format!("FCGI_WASM_{name}")) {
            assert_eq!(tightened(&[(&name, "")]), Ok(None), "{name}");
        }
    }

    #[test]
    fn a_value_that_can_not_be_read_serves_nothing() {
        for value in [" ", "much", "-1s", "64", "99999999999999999999s"] {
            let fault = tightened(&[("FCGI_WASM_TIMEOUT", value)]).expect_err(value);
            assert!(fault.to_string().contains("FCGI_WASM_TIMEOUT"), "{fault}");
        }
        for value in [" ", "much", "0x40", "-1MiB"] {
            assert!(
                tightened(&[("FCGI_WASM_MEMORY", value)]).is_err(),
                "{value}"
            );
        }
    }
}
