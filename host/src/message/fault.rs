//! Why one request failed: the visitor gets a status, the log gets the cause.

use std::time::Duration;

use http::{HeaderValue, StatusCode, header};

use super::Response;
use super::body::BodyError;
use super::pipe::Abandoned;
use super::printable::printable;

/// After how many seconds a visitor whom an overloaded server sent away
/// should come back.
const RETRY_AFTER_SECONDS: u32 = 1;

/// The most of a cause that goes to a log, bytes: a backtrace of 32 frames.
const LOG_BYTES_MAX: usize = 6 * 1024;

/// One request failed. Nobody else is affected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The web server or the client asked for something that is no valid
    /// request: 400.
    #[error("bad request: {0}")]
    BadRequest(String),
    /// Params or URL exceed what this server takes: 431 or 414.
    #[error("the request is too large: {what}")]
    RequestTooLarge {
        /// What the visitor sees.
        status: StatusCode,
        /// What exceeds which limit.
        what: String,
    },
    /// The body exceeds the operator's limit, and the guest did not handle
    /// that: 413. Or the client did not send all of it: 400.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// No application is configured for this host and path: 404.
    #[error("no application is configured for {0}")]
    NoSuchApp(String),
    /// The application's file can not be served as it is: 503, because that
    /// is for its operator to mend.
    #[error("the application can not be loaded: {0}")]
    Unloadable(String),
    /// The application does not play the role that it is asked for: 500, and
    /// UNKNOWN_ROLE.
    #[error("{0}")]
    UnknownRole(String),
    /// Too many requests are running and waiting: 503.
    #[error("overloaded: {0}")]
    Overloaded(String),
    /// A budget that the requests of an application or a tenant share is used
    /// up: 503.
    #[error("over budget: {cause} of {owner}: {detail}")]
    OverBudget {
        /// The budget's name, as [`cause`](Self::cause) gives it.
        cause: &'static str,
        /// Whose it is: `app NAME` or `tenant NAME`.
        owner: String,
        /// How much there is of it, and what happened.
        detail: String,
    },
    /// The wall-clock limit: 504.
    #[error("the application took longer than {0:?} (--timeout)")]
    OutOfTime(Duration),
    /// The wall-clock limit of the time before the answer: 504.
    #[error("the application had not begun its answer after {0:?} (head_time)")]
    NoHeadInTime(Duration),
    /// The processor limit: 504.
    #[error("the application computed for longer than {0:?} (--cpu-time)")]
    OutOfCpu(Duration),
    /// It crashed after it had been refused memory: 502.
    #[error(
        "the application crashed after it was refused more than {} of memory (--memory): {cause}",
        readable(*.bytes_max)
    )]
    OutOfMemory {
        /// The limit.
        bytes_max: u64,
        /// How the application ended, with its backtrace.
        cause: String,
    },
    /// It ended itself, with this status: 502, and the application's status.
    #[error("the application exited with status {0}")]
    Exited(i32),
    /// It worked on for too long after its answer was complete. The visitor
    /// has that answer.
    #[error("the application worked on for longer than {0:?} after its answer (after_answer)")]
    Overstayed(Duration),
    /// The limit of a request's whole time, the client's share of it included:
    /// 504.
    #[error("the request took longer than {0:?} altogether (--max-duration)")]
    TooLong(Duration),
    /// One of these limits, for a request that was paused meanwhile: as that.
    #[error("{fault}; for {paused:.1?} of that it was paused: {owner} had used up its cpu_share")]
    Paused {
        /// The limit that was exceeded.
        fault: Box<Self>,
        /// How long it was paused altogether.
        paused: Duration,
        /// Whose share it is: `app NAME` or `tenant NAME`.
        owner: String,
    },
    /// A trap: 502.
    #[error("the application crashed: {0}")]
    Crashed(String),
    /// The application ended without an answer: 502.
    #[error("the application ended without an answer: {0}")]
    NoResponse(String),
    /// The body of its answer is larger than the operator allows: 502.
    #[error("the application's answer has over {0} bytes (max_answer)")]
    ResponseTooLarge(u64),
    /// The application says that it failed: 500.
    #[error("the application failed: {0}")]
    Failed(String),
    /// The application's answer is no valid HTTP response: 500.
    #[error("the application's answer is not valid: {0}")]
    BadResponse(String),
    /// An error of this server: 500.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Fault {
    /// What the visitor sees.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) | Self::Body(BodyError::Incomplete) => StatusCode::BAD_REQUEST,
            Self::RequestTooLarge { status, .. } => *status,
            Self::Body(BodyError::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NoSuchApp(_) => StatusCode::NOT_FOUND,
            Self::Overloaded(_) | Self::OverBudget { .. } | Self::Unloadable(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::NoHeadInTime(_)
            | Self::OutOfTime(_)
            | Self::OutOfCpu(_)
            | Self::TooLong(_)
            | Self::Overstayed(_) => StatusCode::GATEWAY_TIMEOUT,
            Self::Paused { fault, .. } => fault.status(),
            Self::OutOfMemory { .. }
            | Self::Crashed(_)
            | Self::Exited(_)
            | Self::NoResponse(_)
            | Self::ResponseTooLarge(_) => StatusCode::BAD_GATEWAY,
            Self::UnknownRole(_) | Self::Failed(_) | Self::BadResponse(_) | Self::Internal(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }

    /// The kind of cause in one word, for programs: what failures are counted
    /// by. These words stay.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "bad-request",
            Self::RequestTooLarge { .. } => "request-head",
            Self::Body(BodyError::TooLarge) => "request-body",
            Self::Body(BodyError::Incomplete) => "incomplete",
            Self::NoSuchApp(_) => "no-such-app",
            Self::Unloadable(_) => "unloadable",
            Self::UnknownRole(_) => "unknown-role",
            Self::Overloaded(_) => "overloaded",
            Self::OverBudget { cause, .. } => cause,
            Self::NoHeadInTime(_) => "head-time",
            Self::OutOfTime(_) => "wall-time",
            Self::OutOfCpu(_) => "cpu-time",
            Self::OutOfMemory { .. } => "memory",
            Self::Exited(_) => "exit",
            Self::Overstayed(_) => "after-answer",
            Self::TooLong(_) => "duration",
            Self::Paused { fault, .. } => fault.cause(),
            Self::Crashed(_) => "crash",
            Self::NoResponse(_) => "no-answer",
            Self::ResponseTooLarge(_) => "response-body",
            Self::Failed(_) => "failed",
            Self::BadResponse(_) => "bad-answer",
            Self::Internal(_) => "internal",
        }
    }

    /// What END_REQUEST tells as the application's status, as if it were a CGI
    /// program (FastCGI §5.5): its own, or 1.
    pub fn app_status(&self) -> u32 {
        match self {
            Self::Exited(status) if *status != 0 => status.cast_unsigned(),
            _ => 1,
        }
    }

    /// The cause as it goes to a log: [`printable`] lines, and not too much of
    /// it, because an application chooses its own words.
    pub fn log_lines(&self) -> Vec<String> {
        let mut text = self.to_string();
        if text.len() > LOG_BYTES_MAX {
            text.truncate(text.floor_char_boundary(LOG_BYTES_MAX));
            text.push_str(" … (cut)");
        }
        let mut lines = text.lines();
        let first = lines.next().map(|line| printable(line).into_owned());
        // What an application makes up is not to look like a line of ours.
        let further = lines.map(|line| match line.starts_with("  ") {
            true => printable(line).into_owned(),
            false => format!("  | {}", printable(line)),
        });
        first.into_iter().chain(further).collect()
    }

    /// The page for the visitor: it names the request, by which the operator
    /// finds the cause, and nothing of the cause itself.
    pub fn page(&self, request_number: u64) -> Response {
        let status = self.status();
        let text = format!("{status}\n\nThis is request {request_number} in the server's log.\n");
        let mut response = Response::text(status, text);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let seconds = HeaderValue::from(RETRY_AFTER_SECONDS);
            response.headers.insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}

impl From<Abandoned> for Fault {
    fn from(_: Abandoned) -> Self {
        Self::Internal("the response was abandoned by whoever wrote it".to_owned())
    }
}

/// A number of bytes as people write it, where that is exact.
pub(crate) fn readable(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = units
        .into_iter()
        .find(|(bits, _)| bytes > 0 && bytes.trailing_zeros() >= *bits);
    match unit {
        Some((bits, unit)) => format!("{} {unit}", bytes >> bits),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_readable() {
        for (bytes, expected) in [
            (0, "0 bytes"),
            (1000, "1000 bytes"),
            (64 << 10, "64 KiB"),
            (128 << 20, "128 MiB"),
            (3 << 30, "3 GiB"),
        ] {
            assert_eq!(readable(bytes), expected);
        }
    }

    #[test]
    fn a_cause_in_the_log_is_printable_and_not_too_long() {
        let fault = Fault::Failed("one\ntwo\u{1b}[31m".to_owned());
        let lines = ["the application failed: one", "  | two\\u{1b}[31m"];
        assert_eq!(fault.log_lines(), lines);
        let fault = Fault::Failed("é".repeat(1_000_000));
        let bytes: usize = fault.log_lines().iter().map(String::len).sum();
        assert!(bytes < LOG_BYTES_MAX + 20);
    }
}
