//! The file that a filter transforms.

use crate::Body;
use crate::BodyError;
use bytes::Bytes;
use std::io;
use std::io::Read;
use std::time::Duration;
use std::time::SystemTime;

/// The file that a [`#[filter]`](crate::filter) transforms, as the web server sends it.
///
/// It is [read](Read) piece by piece, or gathered by [`bytes`](Self::bytes) or
/// [`text`](Self::text). The request's body comes before it: what of a body of more than 1 MiB
/// is unread when the file is first read is lost.
///
/// Tests make their own:
///
/// ```
/// use fcgi_wasm_sdk::Source;
/// use std::time::SystemTime;
///
/// # fn main() -> fcgi_wasm_sdk::Result<()> {
/// let source = Source::new("# Title\n", SystemTime::UNIX_EPOCH);
/// assert_eq!(source.length(), 8);
/// assert_eq!(source.text()?, "# Title\n");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Source {
    content: Body,
    length: u64,
    last_modified: SystemTime,
}

impl Source {
    /// A file with this content, last modified at this time, for tests.
    pub fn new(content: impl Into<Bytes>, last_modified: SystemTime) -> Self {
        let content = content.into();
        Self {
            length: content.len() as u64,
            content: Body::from(content),
            last_modified,
        }
    }

    #[cfg(target_family = "wasm")]
    pub(crate) fn of_host(content: Body, length: u64, last_modified_seconds: u64) -> Self {
        let since = Duration::from_secs(last_modified_seconds);
        Self {
            content,
            length,
            // What no clock can show is as good as never.
            last_modified: SystemTime::UNIX_EPOCH
                .checked_add(since)
                .unwrap_or(SystemTime::UNIX_EPOCH),
        }
    }

    /// How many bytes it has. If fewer arrive, reading fails with
    /// [`BodyError::Incomplete`].
    pub fn length(&self) -> u64 {
        self.length
    }

    /// When it was last modified.
    pub fn last_modified(&self) -> SystemTime {
        self.last_modified
    }

    /// The same as seconds since 1970, as it came.
    pub fn last_modified_seconds(&self) -> u64 {
        let since = self.last_modified.duration_since(SystemTime::UNIX_EPOCH);
        since.as_ref().map_or(0, Duration::as_secs)
    }

    /// Sets how many bytes may be gathered, unless set as many as [`Body::BYTES_MAX`].
    #[must_use]
    pub fn limit(self, bytes_max: usize) -> Self {
        Self {
            content: self.content.limit(bytes_max),
            ..self
        }
    }

    /// The whole file.
    ///
    /// # Errors
    /// Those of [`Body::bytes`].
    pub fn bytes(self) -> Result<Bytes, BodyError> {
        self.content.bytes()
    }

    /// The whole file as text, which must be UTF-8.
    ///
    /// # Errors
    /// Those of [`Body::text`].
    pub fn text(self) -> Result<String, BodyError> {
        self.content.text()
    }
}

/// Waits for the next bytes. The error of a failed read carries a [`BodyError`].
impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.content.read(into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_or_gathered() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let file = || Source::new("some text", time);
        assert_eq!((file().length(), file().last_modified()), (9, time));
        assert_eq!(file().last_modified_seconds(), 1_000);
        assert_eq!(file().text().unwrap(), "some text");
        assert_eq!(file().limit(3).bytes(), Err(BodyError::TooLarge));
        let mut piece = [0; 4];
        file().read_exact(&mut piece).unwrap();
        assert_eq!(&piece, b"some");
    }
}
