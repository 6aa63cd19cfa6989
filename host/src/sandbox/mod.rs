//! Runs guests: each request in a fresh instance of its application's
//! component, within the application's [`Policy`](crate::Policy).
//!
//! This is the only room that knows wasmtime.

mod abandoned;
mod account;
mod admission;
mod app;
mod aside;
mod background;
mod beforehand;
mod bounds;
mod bucket;
mod cache;
mod cache_folder;
mod casting;
mod cgi_io;
mod chores;
mod clock;
mod compile;
mod compiler;
mod copies;
mod dirty_pages;
mod ending;
mod engine;
mod fault;
mod folders;
mod grants;
mod guest;
mod hand_off;
mod holdings;
mod incoming;
mod inspect;
mod instances;
mod limits;
mod lines;
mod load;
mod logging;
mod long_polls;
mod names;
mod outbound;
mod place;
mod reply;
mod runtime;
mod secrets;
mod slow;
mod sockets;
mod stdio;
mod tenant;
mod tighten;
mod turns;
mod waits;
mod worlds;

pub use account::Standing;
pub use app::App;
pub use compiler::Compiler;
pub use engine::{Engine, EngineOptions};
pub use inspect::{Import, Inspection};
pub use tenant::Tenant;
