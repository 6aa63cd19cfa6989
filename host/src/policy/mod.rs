//! What one application may spend and reach, as plain data.

mod budget;
mod files;
mod grants;
mod limits;

pub use budget::Budget;
pub use files::{SendFileBy, SentFolder};
pub(crate) use grants::SecretUse;
pub use grants::{AddressPattern, Folder, Grants, HostPattern, Secret};
pub use limits::{MIB, Policy};
