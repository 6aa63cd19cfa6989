//! Where connections come from: a unix socket of our own, a TCP address, or a
//! listening socket that whoever started us has made.

mod inherited;
mod listener;
mod socket_file;
mod stream;
mod unix;

pub(crate) use listener::Acceptor;
pub use listener::Listener;
pub use socket_file::SocketFile;
pub use stream::Stream;
pub use unix::UnixPath;
