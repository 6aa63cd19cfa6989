//! A gate in front of files or another application: who brings a signed token passes, and what is
//! behind the gate learns the name in REMOTE_USER.
//!
//! It is an authorizer for lighttpd and Apache, and the same check as a handler for nginx, whose
//! `auth_request` asks a plain application.

mod token;

use std::env;
use std::time::SystemTime;

use fcgi_wasm_sdk::http::header::{AUTHORIZATION, CACHE_CONTROL, COOKIE, WWW_AUTHENTICATE};
use fcgi_wasm_sdk::prelude::*;

/// The cookie that has the token in it.
const COOKIE_NAME: &str = "gate";

/// The shortest secret that is taken, bytes: as many as an HMAC with SHA-256 has (RFC 2104 §3).
const SECRET_BYTES_MIN: usize = 32;

#[authorizer]
fn gate(request: Request) -> Result<Verdict> {
    Ok(match visitor(&request, &secret()?, now()?) {
        Some(user) => Verdict::allow().variable("REMOTE_USER", user),
        None => Verdict::deny(refusal()?),
    })
}

/// What nginx asks: 200 lets the request pass, and its field is for `auth_request_set`.
#[handler]
fn auth_request(request: Request) -> Result<Response> {
    match visitor(&request, &secret()?, now()?) {
        Some(user) => (StatusCode::OK, [("x-remote-user", user.as_str())], ()).into_response(),
        None => refusal(),
    }
}

/// Who asks, if the request brings a valid token.
fn visitor(request: &Request, secret: &[u8], now: u64) -> Option<String> {
    let field = |name| request.headers().get_all(name).into_iter();
    let bearer =
        field(AUTHORIZATION).filter_map(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let cookies = field(COOKIE).filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|value| value.split(';'));
    let named = pairs.filter_map(|pair| pair.trim().strip_prefix(COOKIE_NAME)?.strip_prefix('='));
    let mut tokens = bearer.chain(named);
    tokens.find_map(|token| token::user_of(token, secret, now))
}

fn refusal() -> Result<Response> {
    let fields = [(WWW_AUTHENTICATE, "Bearer"), (CACHE_CONTROL, "no-store")];
    (
        StatusCode::UNAUTHORIZED,
        fields,
        "A token is needed here.\n",
    )
        .into_response()
}

/// Without a good secret nobody passes.
fn secret() -> Result<Vec<u8>> {
    let secret = env::var("GATE_SECRET").map_err(|_| "GATE_SECRET is not set (--env)")?;
    if secret.len() < SECRET_BYTES_MIN {
        return Err(format!("GATE_SECRET has fewer than {SECRET_BYTES_MIN} bytes").into());
    }
    Ok(secret.into_bytes())
}

/// Seconds since 1970.
fn now() -> Result<u64> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use fcgi_wasm_sdk::testing;

    const SECRET: &[u8] = b"a secret for tests, of 32 bytes!";

    fn check(fields: &[(&str, &str)], expected: Option<&str>) {
        let mut request = Request::get("/");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(().into()).expect("a request");
        let visitor = visitor(&request, SECRET, 1_000);
        assert_eq!(visitor.as_deref(), expected, "{fields:?}");
    }

    #[test]
    fn a_token_comes_as_bearer_or_in_a_cookie() {
        let token = token::sign("ada", 2_000, SECRET);
        check(
            &[("authorization", &format!("Bearer {token}"))],
            Some("ada"),
        );
        check(&[("cookie", &format!("a=b; gate={token}"))], Some("ada"));
        let bad = format!("gate=bad; gate={token}");
        check(&[("cookie", &bad)], Some("ada"));
        check(&[], None);
        check(
            &[("cookie", &format!("other={token}; gatekeeper={token}"))],
            None,
        );
        check(&[("authorization", &format!("Basic {token}"))], None);
        check(&[("cookie", "gate="), ("authorization", "Bearer ")], None);
    }

    #[test]
    fn without_a_secret_nobody_passes() -> Result<()> {
        let ruling = testing::authorize(gate, Request::get("/").body(())?);
        let refusal = ruling.refusal().map(Response::status);
        assert_eq!(refusal, Some(StatusCode::INTERNAL_SERVER_ERROR));
        Ok(())
    }
}
