//! What one application may spend and reach, as plain data.

mod budget;
mod grants;
mod limits;

pub use budget::Budget;
pub use grants::{AddressPattern, Folder, Grants, HostPattern};
pub use limits::{MIB, Policy};
