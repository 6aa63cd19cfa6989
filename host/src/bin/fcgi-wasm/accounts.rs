//! Users and groups of this machine, by name or number.

use nix::unistd::{Group, User};

/// The id of a user.
pub(crate) fn user_id(user: &str) -> Result<u32, String> {
    if let Ok(id) = user.parse() {
        return Ok(id);
    }
    match User::from_name(user) {
        Ok(Some(found)) => Ok(found.uid.as_raw()),
        Ok(None) => Err(format!("there is no user {user:?}")),
        Err(error) => Err(format!("cannot look up users: {error}")),
    }
}

/// The id of a group.
pub(crate) fn group_id(group: &str) -> Result<u32, String> {
    if let Ok(id) = group.parse() {
        return Ok(id);
    }
    match Group::from_name(group) {
        Ok(Some(found)) => Ok(found.gid.as_raw()),
        Ok(None) => Err(format!("there is no group {group:?}")),
        Err(error) => Err(format!("cannot look up groups: {error}")),
    }
}
