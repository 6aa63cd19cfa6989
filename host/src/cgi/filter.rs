//! What a filter is told of the file that it transforms (FastCGI §6.4).

use crate::message::{Fault, Params};

/// How many bytes the file has (FCGI_DATA_LENGTH).
///
/// # Errors
///
/// `BadRequest` if the web server does not say, or says no number: §6.4 has
/// filters compare it with what arrives.
pub(crate) fn data_length(params: &Params) -> Result<u64, Fault> {
    number(params, "FCGI_DATA_LENGTH")
}

/// When the file was last modified, seconds since 1970 (FCGI_DATA_LAST_MOD).
///
/// # Errors
///
/// As [`data_length`].
pub(crate) fn data_last_modified(params: &Params) -> Result<u64, Fault> {
    number(params, "FCGI_DATA_LAST_MOD")
}

fn number(params: &Params, name: &str) -> Result<u64, Fault> {
    let Some(value) = params.text(name) else {
        return Err(Fault::BadRequest(format!(
            "the web server sent no {name}, which the role of a filter takes"
        )));
    };
    let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_number.then(|| value.parse().ok()).flatten();
    number.ok_or_else(|| Fault::BadRequest(format!("{name} is {value:?}, which is no number")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conformance_30_the_files_length_and_age_are_numbers() {
        for (value, expected) in [
            ("0", Some(0)),
            ("17", Some(17)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
        ] {
            let pairs = [("FCGI_DATA_LENGTH", value), ("FCGI_DATA_LAST_MOD", value)];
            let params: Params = pairs.into_iter().collect();
            assert_eq!(data_length(&params).ok(), expected, "{value:?}");
            assert_eq!(data_last_modified(&params).ok(), expected, "{value:?}");
        }
        let fault = data_length(&Params::default()).expect_err("none");
        assert_eq!(fault.status(), 400);
        assert!(fault.to_string().contains("FCGI_DATA_LENGTH"), "{fault}");
    }
}
