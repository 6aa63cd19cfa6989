//! Ending a connection so that the peer gets all that was sent.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::Socket;

/// How long a connection that we have ended is read: bytes that arrive after
/// its close make the kernel take back what the peer has not read yet (RST),
/// and make nginx give up an answer while it still sends a body. A pause this
/// long means that the peer does not read either.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// The same altogether: a large body comes within it.
const LINGER_MAX: Duration = Duration::from_secs(30);

/// Ends our side and waits for the peer to end its own.
pub(super) async fn close(mut socket: Box<dyn Socket>) {
    if socket.shutdown().await.is_err() {
        return;
    }
    let drain = async {
        let mut unread = vec![0; 64 * 1024];
        while let Ok(Ok(1..)) = timeout(PAUSE_MAX, socket.read(&mut unread)).await {}
    };
    // When the time is over the connection is closed as it is.
    let _ = timeout(LINGER_MAX, drain).await;
}
