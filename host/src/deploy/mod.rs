//! Applications as they are deployed: places that are filled at the first
//! request, swapped while requests run, and emptied when nobody asks any more.
//!
//! A [`Slot`] is such a place. It answers requests with the version that it
//! holds, and gets its versions from a [`Source`], which knows how to tell them
//! apart and how to make one ready; a test's source is a few closures. The
//! [`Catalogue`] is what the slots of a process share: how many are filled at a
//! time, and who compiles now. [`Documents`] makes slots for the `.wasm` files
//! below a folder as they are asked for.
//!
//! Nothing here knows which requests come to which slot.

mod attempt;
mod catalogue;
mod complaints;
mod deployed;
mod documents;
mod file;
mod idle;
mod line;
mod refusal;
mod retired;
mod rounds;
mod safe_path;
mod script;
mod share;
mod slot;
mod source;
mod stamp;
#[cfg(test)]
mod tests;
mod watch;

pub use attempt::Attempt;
pub use catalogue::Catalogue;
pub use documents::{DocumentRoot, Documents};
pub use file::AppFile;
pub use slot::{Refreshed, Slot};
pub use source::{Application, Source, Version};
pub use stamp::Stamp;
pub use watch::Watcher;
