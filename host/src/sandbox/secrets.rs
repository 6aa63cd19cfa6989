//! What the files of an application's secrets contain. Nothing here can be
//! printed.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use rustix::fs::OFlags;

use crate::policy::{Grants, Secret, SecretUse};
use crate::setup::SetupError;

/// The largest secret, bytes: some certificates with their keys.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// Names and values.
#[derive(Default)]
pub(super) struct Secrets {
    pub(super) variables: Vec<(String, String)>,
    pub(super) settings: Vec<(String, String)>,
}

impl Secrets {
    /// Reads all that are granted, once for a deployment.
    pub(super) fn read(grants: &Grants) -> Result<Self, SetupError> {
        let mut secrets = Self::default();
        for secret in &grants.secrets {
            let pair = (secret.name.clone(), read(secret)?);
            match secret.used_as {
                SecretUse::Variable => secrets.variables.push(pair),
                SecretUse::Setting => secrets.settings.push(pair),
            }
        }
        Ok(secrets)
    }
}

/// The file's text, without the line end that editors put there.
pub(super) fn read(secret: &Secret) -> Result<String, SetupError> {
    let name = &secret.name;
    let file = secret.file.display();
    let fail = |what: String| SetupError::new(format!("the secret {name} in {file} {what}"));
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits() as i32)
        .open(&secret.file);
    let opened = opened.map_err(|error| {
        let what = format!("the secret {name} in {file} can not be read");
        SetupError::of_system(what, &error)
    })?;
    let meta = opened
        .metadata()
        .map_err(|error| fail(format!("can not be read: {error}")))?;
    if !meta.is_file() {
        return Err(fail("is no file".to_owned()));
    }
    if meta.mode() & 0o007 != 0 {
        return Err(fail(format!(
            "is open to every user of this machine: chmod 0600 {file}"
        )));
    }
    let mut bytes = Vec::new();
    opened
        .take(SECRET_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| fail(format!("can not be read: {error}")))?;
    if bytes.len() as u64 > SECRET_BYTES_MAX {
        return Err(fail(format!("has over {SECRET_BYTES_MAX} bytes")));
    }
    // Not the error itself: it would tell what the file contains.
    let mut text = String::from_utf8(bytes).map_err(|_| fail("is no text in UTF-8".to_owned()))?;
    if text.ends_with('\n') {
        text.pop();
    }
    if text.contains('\0') {
        return Err(fail("contains a zero byte".to_owned()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn read_file(contents: &[u8], mode: u32) -> Result<String, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("password");
        std::fs::write(&file, contents).expect("written");
        std::fs::set_permissions(&file, Permissions::from_mode(mode)).expect("set");
        let grants = Grants::none().secret(Secret::variable("PASSWORD", &file));
        let secrets = Secrets::read(&grants).map_err(|error| error.to_string())?;
        Ok(secrets.variables[0].1.clone())
    }

    #[test]
    fn a_secret_is_the_text_of_a_file_that_is_closed_to_others() {
        assert_eq!(read_file(b"hunter2\n", 0o600), Ok("hunter2".to_owned()));
        assert_eq!(read_file(b"two\nlines", 0o640), Ok("two\nlines".to_owned()));
        for (contents, mode, complaint) in [
            (b"hunter2".as_slice(), 0o644, "every user"),
            (b"hunter2\xff", 0o600, "UTF-8"),
            (b"hunter2\0", 0o600, "zero byte"),
            (&[b'x'; 65_537], 0o600, "over 65536"),
        ] {
            let refused = read_file(contents, mode).expect_err(complaint);
            assert!(refused.contains(complaint), "{refused}");
            assert!(!refused.contains("hunter2"), "{refused}");
        }
    }
}
