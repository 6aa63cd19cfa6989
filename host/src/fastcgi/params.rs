//! Collects a request's PARAMS until they are complete, within limits.

use super::error::ProtocolError;
use super::pairs::Pairs;
use super::record::RequestId;

/// The most params one request may have, bytes. The largest request that was
/// captured from a web server (h2o) had 98 KiB; nginx refuses from 64 KiB on.
pub const PARAMS_BYTES_MAX: usize = 256 * 1024;

/// The most params one request may have, by count. Web servers add about 30
/// to the client's header fields, of which they take some hundreds at most
/// (Apache 100, h2o 100, HAProxy 101).
pub const PARAMS_COUNT_MAX: usize = 1024;

/// The longest name of a param, bytes. Apache's default for a whole header
/// field is 8190.
pub const PARAM_NAME_BYTES_MAX: usize = 8 * 1024;

/// The most body bytes that are held for a request whose params are not
/// complete. No known web server sends any.
const EARLY_STDIN_BYTES_MAX: usize = 64 * 1024;

/// The most that all requests of a connection together may hold whose params
/// are not complete, bytes. Web servers send one request's at a time.
const GATHERED_BYTES_MAX: usize = 1024 * 1024;

/// A request whose params are still arriving.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    params: Vec<u8>,
    /// Body bytes that came early, and whether they are all (§3.3 lets the
    /// streams of a request interleave).
    pub(super) early_stdin: Vec<u8>,
    pub(super) early_end: bool,
}

impl Gathering {
    /// How much it holds.
    pub(super) fn bytes(&self) -> usize {
        self.params.len() + self.early_stdin.len()
    }

    /// Takes params, where all requests of the connection have `gathered` so
    /// many bytes before.
    pub(super) fn push_params(
        &mut self,
        id: RequestId,
        bytes: &[u8],
        gathered: usize,
    ) -> Result<(), ProtocolError> {
        check_sum(id, gathered + bytes.len())?;
        if self.params.len() + bytes.len() > PARAMS_BYTES_MAX {
            let what = format!("its params have over {PARAMS_BYTES_MAX} bytes");
            return Err(ProtocolError::TooMuch { id, what });
        }
        self.params.extend_from_slice(bytes);
        Ok(())
    }

    /// Takes bytes of a body that come before the params are complete.
    pub(super) fn push_stdin(
        &mut self,
        id: RequestId,
        bytes: &[u8],
        gathered: usize,
    ) -> Result<(), ProtocolError> {
        if self.early_end {
            return Ok(());
        }
        check_sum(id, gathered + bytes.len())?;
        if self.early_stdin.len() + bytes.len() > EARLY_STDIN_BYTES_MAX {
            let what =
                format!("over {EARLY_STDIN_BYTES_MAX} bytes of its body came before its params");
            return Err(ProtocolError::TooMuch { id, what });
        }
        self.early_stdin.extend_from_slice(bytes);
        Ok(())
    }

    /// The complete stream, once it is known to be well formed.
    pub(super) fn take_params(&mut self, id: RequestId) -> Result<Vec<u8>, ProtocolError> {
        let mut count = 0;
        for pair in Pairs::new(&self.params) {
            let (name, _) = pair.map_err(|reason| ProtocolError::BadParams { id, reason })?;
            count += 1;
            if count > PARAMS_COUNT_MAX {
                let what = format!("it has over {PARAMS_COUNT_MAX} params");
                return Err(ProtocolError::TooMuch { id, what });
            }
            if name.len() > PARAM_NAME_BYTES_MAX {
                let what = format!("the name of a param has over {PARAM_NAME_BYTES_MAX} bytes");
                return Err(ProtocolError::TooMuch { id, what });
            }
        }
        Ok(std::mem::take(&mut self.params))
    }
}

fn check_sum(id: RequestId, gathered: usize) -> Result<(), ProtocolError> {
    if gathered <= GATHERED_BYTES_MAX {
        return Ok(());
    }
    let what = format!("the connection has over {GATHERED_BYTES_MAX} bytes of unfinished params");
    Err(ProtocolError::TooMuch { id, what })
}
