//! What an authorizer decides, and how the host is told.

use crate::IntoResponse;
use crate::Response;
use crate::Result;
use crate::send::Sink;
use crate::send::answer;
use http::StatusCode;

/// What a [`#[authorizer]`](crate::authorizer) decides about a request.
///
/// ```
/// use fcgi_wasm_sdk::prelude::*;
///
/// #[authorizer]
/// fn gate(request: Request) -> Result<Verdict> {
///     match request.headers().get("x-badge") {
///         Some(badge) => Ok(Verdict::allow().variable("BADGE", badge.as_bytes())),
///         None => Ok(Verdict::deny(Redirect::to("/login"))),
///     }
/// }
/// ```
#[derive(Debug)]
#[must_use = "the authorizer must return it"]
pub struct Verdict(Decision);

/// What goes with a leave, names and values.
pub(crate) type Variables = Vec<(String, Vec<u8>)>;

#[derive(Debug)]
enum Decision {
    Allow(Variables),
    Deny(Result<Response>),
}

impl Verdict {
    /// The request may pass.
    pub fn allow() -> Self {
        Self(Decision::Allow(Vec::new()))
    }

    /// Adds a variable for what serves the request next: `REMOTE_USER`, say, arrives there as
    /// the param of that name. A verdict that denies has none.
    ///
    /// The name is a token as a header's name is (letters, digits, `_`, `-` …) and the value has
    /// no control characters, or else the host refuses the request. Best are upper case and
    /// underscores: lighttpd makes `X-Foo` an `X_FOO`, Apache leaves it as it is.
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        if let Decision::Allow(variables) = &mut self.0 {
            variables.push((name.into(), value.into()));
        }
        self
    }

    /// The request may not pass, and the visitor gets this response. A status of success
    /// becomes 403: text alone is a page that says why.
    pub fn deny(response: impl IntoResponse) -> Self {
        Self(Decision::Deny(response.into_response()))
    }
}

/// What can be returned from an authorizer: a [`Verdict`], or a [`Result`] of one.
///
/// An [`Error`](crate::Error) denies: with its page if it was made by
/// [`Error::new`](crate::Error::new), else with a plain 500, and the log gets its text. A panic and
/// a broken limit deny too.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no verdict",
    label = "no verdict",
    note = "an authorizer returns a `Verdict` or a `Result<Verdict>`"
)]
pub trait IntoVerdict {
    /// Makes the verdict.
    ///
    /// # Errors
    /// The [`Error`](crate::Error) that stands in its place.
    fn into_verdict(self) -> Result<Verdict>;
}

impl IntoVerdict for Verdict {
    fn into_verdict(self) -> Result<Verdict> {
        Ok(self)
    }
}

impl<E: Into<crate::Error>> IntoVerdict for Result<Verdict, E> {
    fn into_verdict(self) -> Result<Verdict> {
        self.map_err(Into::into)
    }
}

/// The variables of a leave, or nothing after a refusal went to `sink`. The error is text for the
/// web server's error log.
pub(crate) fn judge(
    outcome: Result<Verdict>,
    sink: &mut dyn Sink,
) -> Result<Option<Variables>, String> {
    let refusal = match outcome {
        Ok(Verdict(Decision::Allow(variables))) => return Ok(Some(variables)),
        Ok(Verdict(Decision::Deny(refusal))) => refusal,
        Err(error) => match error.page() {
            Some(page) => Ok(page),
            None => Err(error),
        },
    };
    let refusal = refusal.map(|mut response| {
        if response.status().is_success() {
            *response.status_mut() = StatusCode::FORBIDDEN;
        }
        response
    });
    answer(refusal, sink).map(|()| None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;
    use crate::Html;
    use crate::Redirect;
    use crate::send::tests::Client;

    fn check(outcome: impl IntoVerdict, seen: &[&str], expected: Result<Option<Variables>, &str>) {
        let mut client = Client::default();
        let judged = judge(outcome.into_verdict(), &mut client);
        assert_eq!(client.seen, seen);
        assert_eq!(judged, expected.map_err(String::from));
    }

    #[test]
    fn a_leave_carries_variables_and_sends_nothing() {
        check(Verdict::allow(), &[], Ok(Some(vec![])));
        let verdict = Verdict::allow().variable("A", "1").variable("A", *b"\xFF");
        let variables = vec![("A".into(), b"1".to_vec()), ("A".into(), b"\xFF".to_vec())];
        check(verdict, &[], Ok(Some(variables)));
    }

    #[test]
    fn a_refusal_is_sent_and_never_a_success() {
        check(Verdict::deny("no\n"), &["403", "no\n"], Ok(None));
        check(Verdict::deny(()), &["403"], Ok(None));
        check(Verdict::deny(StatusCode::NO_CONTENT), &["403"], Ok(None));
        check(Verdict::deny(StatusCode::UNAUTHORIZED), &["401"], Ok(None));
        check(Verdict::deny(Redirect::to("/login")), &["303"], Ok(None));
        let page = Verdict::deny(Html("<h1>No</h1>")).variable("A", "1");
        check(page, &["403", "<h1>No</h1>"], Ok(None));
    }

    #[test]
    fn errors_refuse() {
        let told = |status| Err::<Verdict, _>(Error::new(status, "please log in"));
        let seen = ["401", "please log in"];
        check(told(StatusCode::UNAUTHORIZED), &seen, Ok(None));
        let seen = ["403", "please log in"];
        check(told(StatusCode::OK), &seen, Ok(None));
        check(Err::<Verdict, _>("no secret"), &[], Err("no secret"));
        let failed = Verdict::deny(Err::<(), _>("no template"));
        check(failed, &[], Err("no template"));
    }
}
