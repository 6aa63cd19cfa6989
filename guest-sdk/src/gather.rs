//! Takes in a request's body as a whole, up to a limit: as bytes, text, JSON or a form.

use crate::Body;
use crate::BodyError;
use bytes::Bytes;
use std::io::Read;

impl Body {
    /// How much is gathered unless [`limit`](Body::limit) says otherwise: 2 MiB.
    ///
    /// More than any form or JSON document that people write, less than uploads, which are
    /// better read piece by piece; and the limit of axum's extractors, too.
    pub const BYTES_MAX: usize = 2 * 1024 * 1024;

    /// Sets how many bytes may be gathered.
    #[must_use]
    pub fn limit(self, bytes_max: usize) -> Self {
        Self { bytes_max, ..self }
    }

    /// The whole body.
    ///
    /// # Errors
    /// [`BodyError::Incomplete`], and [`BodyError::TooLarge`] if it exceeds the limit.
    pub fn bytes(self) -> Result<Bytes, BodyError> {
        let one_too_many = u64::try_from(self.bytes_max)
            .unwrap_or(u64::MAX)
            .saturating_add(1);
        let mut gathered = Vec::with_capacity(PIECE_BYTES_MIN);
        self.source.take(one_too_many).read_to_end(&mut gathered)?;
        if gathered.len() > self.bytes_max {
            return Err(BodyError::TooLarge);
        }
        Ok(gathered.into())
    }

    /// The whole body as text, which must be UTF-8 whatever its `content-type` says.
    ///
    /// # Errors
    /// Those of [`bytes`](Body::bytes), and [`BodyError::Malformed`].
    pub fn text(self) -> Result<String, BodyError> {
        String::from_utf8(self.bytes()?.into())
            .map_err(|error| BodyError::Malformed(error.to_string()))
    }

    /// The value that the body describes in JSON.
    ///
    /// The request must say that it is JSON: its `content-type` is `application/json` or ends
    /// in `+json`. A web page of another site cannot send that without asking first, so that
    /// the check also keeps forged requests out.
    ///
    /// # Errors
    /// Those of [`bytes`](Body::bytes), [`BodyError::OtherType`] and [`BodyError::Malformed`].
    pub fn json<T: serde::de::DeserializeOwned>(self) -> Result<T, BodyError> {
        self.expect("application/json", |is| is.ends_with("+json"))?;
        serde_json::from_slice(&self.bytes()?)
            .map_err(|error| BodyError::Malformed(error.to_string()))
    }

    /// The fields of a form that was sent as `application/x-www-form-urlencoded`, which is what
    /// an HTML form does by itself. For fields that repeat ask for a `Vec<(String, String)>`.
    ///
    /// # Errors
    /// Those of [`bytes`](Body::bytes), [`BodyError::OtherType`] and [`BodyError::Malformed`].
    pub fn form<T: serde::de::DeserializeOwned>(self) -> Result<T, BodyError> {
        self.expect("application/x-www-form-urlencoded", |_| false)?;
        serde_urlencoded::from_bytes(&self.bytes()?)
            .map_err(|error| BodyError::Malformed(error.to_string()))
    }

    fn expect(&self, wanted: &'static str, or: fn(&str) -> bool) -> Result<(), BodyError> {
        let Some(content_type) = &self.content_type else {
            return Ok(());
        };
        let essence = content_type.split(';').next().unwrap_or_default();
        let essence = essence.trim().to_ascii_lowercase();
        if essence == wanted || or(&essence) {
            Ok(())
        } else {
            Err(BodyError::OtherType(wanted))
        }
    }
}

/// Room for most forms at once; also keeps `read_to_end` from probing with 32 bytes, which
/// would be a call to the host.
const PIECE_BYTES_MIN: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;
    use http::HeaderValue;
    use http::header::CONTENT_TYPE;
    use std::collections::HashMap;
    use std::io;

    fn of_type(content_type: &'static str, body: &'static str) -> Body {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        Body::from(body).received_with(&headers)
    }

    #[test]
    fn gathering_stops_at_the_limit() {
        let body = |length: usize| Body::from(vec![b'x'; length]);
        assert_eq!(body(0).limit(0).bytes().unwrap().len(), 0);
        assert_eq!(body(3).limit(3).bytes().unwrap().len(), 3);
        assert_eq!(body(4).limit(3).bytes(), Err(BodyError::TooLarge));
        assert_eq!(body(4).limit(usize::MAX).bytes().unwrap().len(), 4);
        assert_eq!(body(Body::BYTES_MAX + 1).bytes(), Err(BodyError::TooLarge));
        assert_eq!(
            Body::reader(io::repeat(0)).bytes(),
            Err(BodyError::TooLarge)
        );
    }

    #[test]
    fn text_must_be_utf_8() {
        assert_eq!(Body::from("Zoë").text().unwrap(), "Zoë");
        let error = Body::from(b"Zo\xEB".to_vec()).text().unwrap_err();
        assert!(matches!(error, BodyError::Malformed(_)), "{error}");
    }

    #[test]
    fn json_is_parsed_or_refused() {
        let numbers = |body: Body| body.json::<Vec<u32>>();
        assert_eq!(numbers("[1]".into()), Ok(vec![1]));
        for wrong in ["", "[1", "{}", "[-1]", "[1] x"] {
            let error = numbers(of_type("application/json", wrong)).unwrap_err();
            assert!(matches!(error, BodyError::Malformed(_)), "{wrong}: {error}");
            assert_eq!(error.status(), 400);
        }
    }

    #[test]
    fn json_must_be_sent_as_json() {
        for (content_type, accepted) in [
            ("application/json", true),
            ("application/json; charset=utf-8", true),
            ("Application/JSON ;charset=utf-8", true),
            ("application/problem+json", true),
            ("text/plain", false),
            ("application/x-www-form-urlencoded", false),
            ("text/plain; x=application/json", false),
            ("", false),
        ] {
            let result = of_type(content_type, "1").json::<u32>();
            assert_eq!(result.is_ok(), accepted, "{content_type}");
        }
        let status = of_type("text/plain", "1")
            .json::<u32>()
            .unwrap_err()
            .status();
        assert_eq!(status, 415);
    }

    #[test]
    fn forms_are_parsed_or_refused() {
        let urlencoded = "application/x-www-form-urlencoded";
        let form = of_type(urlencoded, "name=Ada+L.&n=%C3%AB").form::<HashMap<String, String>>();
        let form = form.unwrap();
        assert_eq!((&*form["name"], &*form["n"]), ("Ada L.", "ë"));

        let repeated = of_type(urlencoded, "a=1&a=2").form::<Vec<(String, u8)>>();
        assert_eq!(repeated.unwrap(), [("a".into(), 1), ("a".into(), 2)]);

        let wrong = of_type(urlencoded, "a=x").form::<HashMap<String, u8>>();
        assert_eq!(wrong.unwrap_err().status(), 400);
        let multipart = of_type("multipart/form-data; boundary=x", "").form::<Vec<(String, u8)>>();
        assert_eq!(multipart, Err(BodyError::OtherType(urlencoded)));
    }
}
