//! Tokens: a name, a time, and a signature of both.

use hmac_sha256::HMAC;

/// Whose token this is, if it was signed with this secret and its time is not over.
///
/// It reads `NAME.SECONDS.SIGNATURE`: until when it counts, in seconds since 1970, and the
/// HMAC-SHA256 of what stands before it, in hexadecimal digits.
pub(crate) fn user_of(token: &str, secret: &[u8], now: u64) -> Option<String> {
    let (signed, signature) = token.rsplit_once('.')?;
    let signature = unhex(signature)?.try_into().ok()?;
    // In a time that does not tell how much of it is right.
    let is_genuine = HMAC::verify(signed, secret, &signature);
    let (user, until) = signed.rsplit_once('.')?;
    let is_alive = until.parse::<u64>().ok()? > now;
    (is_genuine && is_alive && !user.is_empty()).then(|| user.to_owned())
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => u8::try_from(digit(*high)? << 4 | digit(*low)?).ok(),
            _ => None,
        })
        .collect()
}

/// Makes a token, for tests; README.md has it in shell.
#[cfg(test)]
pub(crate) fn sign(user: &str, until: u64, secret: &[u8]) -> String {
    let signed = format!("{user}.{until}");
    let signature = HMAC::mac(&signed, secret);
    let digits = signature.map(|byte| format!("{byte:02x}"));
    format!("{signed}.{}", digits.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"secret";

    #[test]
    fn a_signature_is_what_openssl_makes() {
        // printf ada.2000 | openssl dgst -sha256 -hmac secret
        let token = "ada.2000.10895f904b3d838f5c98d0943e1dd244c60cc9488e6e999e7df51f770fe66354";
        assert_eq!(sign("ada", 2_000, SECRET), token);
        assert_eq!(user_of(token, SECRET, 1_999).as_deref(), Some("ada"));
    }

    #[test]
    fn what_is_forged_or_over_is_nobodys() {
        let token = sign("a.b", 2_000, SECRET);
        assert_eq!(user_of(&token, SECRET, 1_999).as_deref(), Some("a.b"));
        assert_eq!(user_of(&token, SECRET, 2_000), None);
        assert_eq!(user_of(&token, b"another", 1_999), None);
        assert_eq!(user_of(&token.replace("a.b", "root"), SECRET, 1_999), None);
        assert_eq!(user_of(&token.replace("2000", "9000"), SECRET, 1_999), None);
        assert_eq!(user_of(&token[..token.len() - 2], SECRET, 1_999), None);
        assert_eq!(user_of(&token[..token.len() - 1], SECRET, 1_999), None);
        assert_eq!(user_of(&sign("", 2_000, SECRET), SECRET, 1_999), None);
        for text in ["", ".", "..", "a.b.c", "ada.2000.", "ada.2000.zz"] {
            assert_eq!(user_of(text, SECRET, 0), None, "{text}");
        }
    }
}
