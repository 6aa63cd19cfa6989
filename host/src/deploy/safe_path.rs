//! Files below a folder, opened so that no name leads out of it, and none that
//! somebody else could have put there.
//!
//! Each part of a path is opened by itself, in the folder that was opened
//! before it, without following symbolic links: what was checked is what is
//! opened, however the names change meanwhile.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, fstat, openat};
use rustix::io::Errno;

use crate::accounts::user;

/// How deep a file may lie: each level is a system call.
const DEPTH_MAX: usize = 32;

/// Why a file is not opened.
#[derive(Debug)]
pub(super) enum Refused {
    /// There is none; further parts of the path may lead to one elsewhere.
    Missing,
    /// It is not to be served. Why, after the name of what is wrong.
    Unsafe(String),
    /// The system does not open it.
    Error(io::Error),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no such file"),
            Self::Unsafe(why) => f.write_str(why),
            Self::Error(error) => error.fmt(f),
        }
    }
}

impl From<Errno> for Refused {
    fn from(error: Errno) -> Self {
        match error {
            Errno::NOENT | Errno::NOTDIR => Self::Missing,
            error => Self::Error(error.into()),
        }
    }
}

/// Opens a regular file by the names of the folders that lead to it and its own.
/// It and all folders from `root` on must belong to one of `owners`, and be
/// writable by nobody but their owner and group.
pub(super) fn open(root: &Path, names: &[&[u8]], owners: &[u32]) -> Result<File, Refused> {
    let Some((last, folders)) = names.split_last() else {
        return Err(Refused::Missing);
    };
    if names.len() > DEPTH_MAX {
        let why = format!("it lies over {DEPTH_MAX} folders deep");
        return Err(Refused::Unsafe(why));
    }
    let flags = OFlags::CLOEXEC | OFlags::DIRECTORY | OFlags::PATH;
    // The operator's own name for it may be a link, such as `current`.
    let mut folder = openat(CWD, root, flags, Mode::empty())?;
    check(&fstat(&folder)?, &root.display(), owners)?;
    for name in folders {
        let within = step(&folder, name, flags | OFlags::NOFOLLOW)?;
        check(&fstat(&within)?, &String::from_utf8_lossy(name), owners)?;
        folder = within;
    }
    // A pipe is not waited for.
    let flags = OFlags::CLOEXEC | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = step(&folder, last, flags)?;
    let stat = fstat(&file)?;
    let shown = String::from_utf8_lossy(last);
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => check(&stat, &shown, owners)?,
        FileType::Directory => return Err(Refused::Missing),
        _ => return Err(Refused::Unsafe(format!("{shown} is no regular file"))),
    }
    Ok(file.into())
}

/// Opens one name in a folder.
fn step(folder: &OwnedFd, name: &[u8], flags: OFlags) -> Result<OwnedFd, Refused> {
    if matches!(name, b"" | b"." | b"..") || name.contains(&b'/') {
        return Err(Refused::Unsafe("a part of it is empty or dots".to_owned()));
    }
    let opened = openat(folder.as_fd(), name, flags, Mode::empty());
    match opened {
        // With O_DIRECTORY a link is no folder, and is said to be none.
        Err(Errno::LOOP | Errno::NOTDIR) if is_link(folder, name) => {
            let name = String::from_utf8_lossy(name);
            let why = format!("{name} is a symbolic link, and those are not followed");
            Err(Refused::Unsafe(why))
        }
        opened => Ok(opened?),
    }
}

fn is_link(folder: &OwnedFd, name: &[u8]) -> bool {
    let stat = rustix::fs::statat(folder, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW);
    stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
}

fn check(stat: &Stat, name: &dyn fmt::Display, owners: &[u32]) -> Result<(), Refused> {
    let owner = stat.st_uid;
    if !owners.contains(&owner) {
        let mut may: Vec<_> = owners.iter().copied().map(user).collect();
        may.dedup();
        return Err(Refused::Unsafe(format!(
            "{name} belongs to user {}, and may belong to {} only",
            user(owner),
            may.join(", ")
        )));
    }
    if stat.st_mode & 0o002 != 0 {
        return Err(Refused::Unsafe(format!("{name} is writable by everybody")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn refusal(root: &Path, path: &str, owners: &[u32]) -> String {
        let names: Vec<&[u8]> = path.split('/').map(str::as_bytes).collect();
        let refused = open(root, &names, owners).expect_err(path);
        refused.to_string()
    }

    #[test]
    fn nothing_leads_out_of_the_root() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("sub")).expect("made");
        fs::write(root.join("sub/app.wasm"), "").expect("written");
        fs::write(folder.path().join("secret"), "").expect("written");
        symlink("../secret", root.join("link.wasm")).expect("linked");
        symlink("..", root.join("up")).expect("linked");
        symlink("sub", root.join("alias")).expect("linked");
        let us = [rustix::process::geteuid().as_raw(), 0];
        assert!(open(&root, &[b"sub", b"app.wasm"], &us).is_ok());
        for (path, expected) in [
            ("../secret", "dots"),
            ("sub/../../secret", "dots"),
            ("sub/./app.wasm", "dots"),
            ("link.wasm", "symbolic link"),
            ("up/secret", "symbolic link"),
            ("alias/app.wasm", "symbolic link"),
            ("sub", "no such file"),
            ("nothing", "no such file"),
            ("sub/app.wasm/more", "no such file"),
        ] {
            let refusal = refusal(&root, path, &us);
            assert!(refusal.contains(expected), "{path}: {refusal}");
        }
        let deep = "d/".repeat(DEPTH_MAX) + "app.wasm";
        assert!(refusal(&root, &deep, &us).contains("deep"));
    }

    #[test]
    fn what_others_can_write_is_not_opened() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        fs::create_dir(root.join("sub")).expect("made");
        let file = root.join("sub/app.wasm");
        fs::write(&file, "").expect("written");
        let us = [rustix::process::geteuid().as_raw()];
        let set = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
        };
        set(&file, 0o666);
        assert!(refusal(root, "sub/app.wasm", &us).contains("app.wasm is writable"));
        set(&file, 0o664);
        assert!(open(root, &[b"sub", b"app.wasm"], &us).is_ok());
        set(&root.join("sub"), 0o777);
        assert!(refusal(root, "sub/app.wasm", &us).contains("sub is writable"));
        set(&root.join("sub"), 0o755);
        let strangers = [us[0] + 1];
        let expected = format!(
            "belongs to user {}, and may belong to {} only",
            user(us[0]),
            user(strangers[0])
        );
        assert!(refusal(root, "sub/app.wasm", &strangers).ends_with(&expected));
    }
}
