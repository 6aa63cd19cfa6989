//! What every response has to be, whichever handler made it and whoever sends it.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use http_body::Body as _;

use super::head::{HEAD_BYTES_MAX, write_head};
use super::web_server::largest;
use crate::message::{Fault, Response};

/// Whether a response of this status may have a body (RFC 9110 §6.4.1).
pub fn may_have_body(status: StatusCode) -> bool {
    status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED
}

/// A response's head as it is sent, completed by the length of a body that is all there: so
/// the web server can keep the client's connection.
///
/// # Errors
///
/// [`Fault::BadResponse`]: the status is none from 200 to 599, Content-Length is no number
/// or several, or the head has over [`HEAD_BYTES_MAX`] bytes.
pub fn response_head(response: &mut Response, is_head: bool) -> Result<BytesMut, Fault> {
    let status = response.status;
    if !(200..600).contains(&status.as_u16()) {
        let complaint = format!("its status is {}, not one from 200 to 599", status.as_u16());
        return Err(Fault::BadResponse(complaint));
    }
    check_length(&mut response.headers)?;
    // The body of a HEAD may be left out, so its being empty says nothing.
    if let Some(bytes) = response.body.size_hint().exact()
        && may_have_body(status)
        && !(is_head && bytes == 0)
        && !response.headers.contains_key(header::CONTENT_LENGTH)
    {
        let length = bytes.into();
        response.headers.insert(header::CONTENT_LENGTH, length);
    }
    let mut head = BytesMut::with_capacity(256);
    write_head(status, &response.headers, &mut head);
    if head.len() > HEAD_BYTES_MAX {
        let complaint = format!(
            "its head has {} bytes, over {}; {}",
            head.len(),
            HEAD_BYTES_MAX,
            largest(&response.headers)
        );
        return Err(Fault::BadResponse(complaint));
    }
    Ok(head)
}

/// How much of a response's body is to come, where its head says so.
#[derive(Clone, Copy, Debug, Default)]
pub struct ToCome(Option<u64>);

impl ToCome {
    /// All that this head announces.
    pub fn of(headers: &HeaderMap) -> Self {
        let length = headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok());
        Self(length.and_then(|length| length.parse().ok()))
    }

    /// Counts a part of the body, and cuts off what is beyond.
    ///
    /// # Errors
    ///
    /// [`Fault::BadResponse`], if there was something beyond.
    pub fn take(&mut self, bytes: &mut Bytes) -> Result<(), Fault> {
        let Some(to_come) = &mut self.0 else {
            return Ok(());
        };
        let is_over = bytes.len() as u64 > *to_come;
        if is_over {
            bytes.truncate(usize::try_from(*to_come).unwrap_or(usize::MAX));
        }
        *to_come -= bytes.len() as u64;
        match is_over {
            true => {
                let complaint = "its body is longer than its content-length; it was cut";
                Err(Fault::BadResponse(complaint.to_owned()))
            }
            false => Ok(()),
        }
    }

    /// The body has come to its end.
    ///
    /// # Errors
    ///
    /// [`Fault::BadResponse`], if it is too short.
    pub fn end(self) -> Result<(), Fault> {
        match self.0 {
            Some(missing @ 1..) => Err(Fault::BadResponse(format!(
                "its body is {missing} bytes shorter than its content-length"
            ))),
            _ => Ok(()),
        }
    }
}

/// One Content-Length, a number: where web servers see two, or another text,
/// they disagree on where the response ends (RFC 9110 §8.6).
fn check_length(headers: &mut HeaderMap) -> Result<(), Fault> {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(length) = lengths.next().cloned() else {
        return Ok(());
    };
    let is_digits = length.as_bytes().iter().all(u8::is_ascii_digit);
    let number = length.to_str().ok().map(str::parse::<u64>);
    let is_number = is_digits && matches!(number, Some(Ok(_)));
    if !is_number || lengths.any(|other| *other != length) {
        let lengths: Vec<_> = headers.get_all(header::CONTENT_LENGTH).iter().collect();
        let complaint = format!("its content-length is {lengths:?}");
        return Err(Fault::BadResponse(complaint));
    }
    headers.insert(header::CONTENT_LENGTH, length);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_length_is_one_number() {
        let head = |lengths: &[&str]| {
            let mut response = Response::text(StatusCode::OK, "body");
            for length in lengths {
                let length = length.parse().expect("a value");
                response.headers.append(header::CONTENT_LENGTH, length);
            }
            response_head(&mut response, false)
        };
        for sound in [&["4"] as &[&str], &["4", "4"], &["18446744073709551615"]] {
            assert!(head(sound).is_ok(), "{sound:?}");
        }
        for wrong in [
            &["4", "5"] as &[&str],
            &["+4"],
            &["four"],
            &[""],
            &["18446744073709551616"],
        ] {
            let fault = head(wrong).expect_err("no number");
            assert!(matches!(fault, Fault::BadResponse(_)), "{wrong:?}: {fault}");
        }
    }
}
