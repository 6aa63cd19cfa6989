//! What web servers start themselves: a script that starts the program.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use nix::unistd::User;

use super::Skip;
use super::daemon::unprivileged;
use super::guest_build::target_folder;

/// Writes a script that may be run.
pub(crate) fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("written");
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(path, executable).expect("executable");
}

/// A cache that belongs to the user as whom web servers run, with this
/// application in it: they wait only seconds for what they start.
pub(crate) fn cache(app: &Path) -> Result<PathBuf, Skip> {
    static COMPILING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = COMPILING.lock().unwrap_or_else(PoisonError::into_inner);
    let cache = target_folder().join("test-cache-of-web-servers");
    std::fs::create_dir_all(&cache).expect("a folder");
    let mut compile = Command::new(env!("CARGO_BIN_EXE_fcgi-wasm"));
    compile.arg("compile").arg(app).arg("--cache").arg(&cache);
    let private = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(&cache, private).expect("private");
    if let Some(user) = unprivileged() {
        let user = User::from_name(user).expect("users").expect("the user");
        let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
        std::os::unix::fs::chown(&cache, Some(uid), Some(gid)).expect("given away");
        compile.uid(uid).gid(gid);
    }
    let compiled = compile.output().expect("started");
    match compiled.status.success() {
        true => Ok(cache),
        false => {
            let complaint = String::from_utf8_lossy(&compiled.stderr).into_owned();
            Err(Skip(format!("not for the web server's user: {complaint}")))
        }
    }
}
