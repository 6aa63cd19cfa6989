//! Which files of an application's the web server sends in its place, as plain
//! data.

use super::Policy;

/// A directory under an application's name for it, and under the web server's.
/// The web server sends what is below, when the application asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentFolder {
    /// Both without the slash at their end.
    guest_path: String,
    web_server_path: String,
}

/// By which header field a web server is asked to send a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendFileBy {
    /// nginx's, whose value is a URL path in a location that is `internal`.
    XAccelRedirect,
    /// Apache's mod_xsendfile's, whose value is a path on the disk.
    XSendfile,
    /// lighttpd's, likewise.
    XLighttpdSendFile,
}

impl SentFolder {
    /// What the application calls `guest_path`, the web server knows as
    /// `web_server_path`: a URL path for nginx, a path on the disk for others.
    ///
    /// # Errors
    ///
    /// A sentence, if a path is not absolute or has empty or dot segments.
    pub fn new(guest_path: &str, web_server_path: &str) -> Result<Self, String> {
        let folder = |path: &str| {
            let bare = path.strip_suffix('/').unwrap_or(path);
            let is_legal = path.starts_with('/') && (bare.is_empty() || is_plain(bare));
            is_legal.then(|| bare.to_owned()).ok_or_else(|| {
                format!("{path:?} is no directory to send files from: write one like /files")
            })
        };
        Ok(Self {
            guest_path: folder(guest_path)?,
            web_server_path: folder(web_server_path)?,
        })
    }

    /// Reads `GUEST=WEB_SERVER`, like `/files=/internal`.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn parse(text: &str) -> Result<Self, String> {
        let (guest_path, web_server_path) = text.split_once('=').ok_or(
            "write GUEST=WEB_SERVER, like /files=/internal for nginx, or /files=/srv/files",
        )?;
        Self::new(guest_path, web_server_path)
    }

    /// The web server's name of a file that this folder has: its path, not
    /// encoded. `None` for a file elsewhere, and for a path that could lead
    /// there: one with `..`, an empty segment or a control character.
    pub(crate) fn of_web_server(&self, path: &str) -> Option<String> {
        let file = path.strip_prefix(self.guest_path.as_str())?;
        is_plain(file).then(|| format!("{}{file}", self.web_server_path))
    }
}

/// Whether this is `/name/name`, each a name and not a way.
fn is_plain(path: &str) -> bool {
    let Some(names) = path.strip_prefix('/') else {
        return false;
    };
    names
        .split('/')
        .all(|name| !matches!(name, "" | "." | ".."))
        && !path.chars().any(char::is_control)
}

impl Policy {
    /// A folder of which the web server sends files in the application's place
    /// (a response's field `fcgi-wasm-send-file`). None unless set.
    #[must_use]
    pub fn send_files(mut self, folder: SentFolder) -> Self {
        self.sent_folders.push(folder);
        self
    }

    /// By which header field the web server is asked to. By the one that the
    /// web server has which asks (SERVER_SOFTWARE), unless set.
    #[must_use]
    pub fn send_file_by(mut self, field: SendFileBy) -> Self {
        self.send_file_by = Some(field);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_read_and_what_is_none_refused() {
        let folder = SentFolder::new("/files", "/internal");
        assert_eq!(SentFolder::parse("/files/=/internal/"), folder);
        assert!(SentFolder::parse("/=/srv/all of it").is_ok());
        for wrong in [
            "/files",
            "files=/x",
            "/files=x",
            "/a/../b=/x",
            "//=/x",
            "/a=/x\n",
        ] {
            assert!(SentFolder::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_file_is_below_its_folder_and_nowhere_else() {
        let check = |folder: &str, path: &str, expected: Option<&str>| {
            let folder = SentFolder::parse(folder).expect(folder);
            assert_eq!(folder.of_web_server(path).as_deref(), expected, "{path:?}");
        };
        check("/files=/srv", "/files/a b/ü.txt", Some("/srv/a b/ü.txt"));
        check("/files=/srv", "/files/..a/b..", Some("/srv/..a/b.."));
        check("/=/srv", "/a", Some("/srv/a"));
        check("/files=/", "/files/a", Some("/a"));
        for path in [
            "/files",
            "/files/",
            "/filesystem/a",
            "/elsewhere/a",
            "files/a",
            "",
            "/files//a",
            "/files/./a",
            "/files/../etc/passwd",
            "/files/a/..",
            "/files/a\0b",
            "/files/a\r\nX-Accel-Redirect: /b",
        ] {
            check("/files=/srv", path, None);
        }
    }
}
