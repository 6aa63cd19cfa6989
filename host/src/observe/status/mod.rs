//! The status, shown over HTTP: the listener and the page.

mod page;
mod server;

pub use server::StatusServer;
