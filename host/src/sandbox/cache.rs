//! Compiled code on disk, so that a second start compiles nothing.
//!
//! What is in the cache is machine code that is run as it is. So its folder
//! has to belong to this user and be closed to others, and each file is named
//! by what it was made from and carries the hash of its contents: a file that
//! is damaged, half written or from elsewhere is compiled anew.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::load::{Code, Kind};
use crate::setup::SetupError;

/// How much the cache holds, bytes; the files that were unused for longest go
/// first. A Flask application has 42 MB.
const CACHE_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// What the names of cached files end in, and of those that are being written.
const FINISHED: &str = ".cwasm";
const UNFINISHED: &str = ".part";

/// … and of the empty ones that say: compiled for the set-up with concurrency.
const REDIRECT: &str = ".concurrent";

/// What a file counts as at least, bytes: the empty ones take a place on the disk
/// too, and each takes time to be looked at.
const FILE_BYTES_MIN: u64 = 64 * 1024;

/// How old a file that is being written can be: longer than any write takes.
const UNFINISHED_AGE_MAX: Duration = Duration::from_secs(3600);

/// A folder of compiled components.
#[derive(Debug)]
pub(super) struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The cache in this folder, which is made if it does not exist.
    pub(super) fn open(folder: PathBuf) -> Result<Self, SetupError> {
        let shown = folder.display();
        let cannot = |error| SetupError::new(format!("cannot use the cache {shown}: {error}"));
        if !folder.exists() {
            let mut builder = DirBuilder::new();
            builder.recursive(true).mode(0o700);
            builder.create(&folder).map_err(cannot)?;
        }
        let meta = fs::metadata(&folder).map_err(cannot)?;
        if !meta.is_dir() {
            return Err(SetupError::new(format!("the cache {shown} is no folder")));
        }
        if !is_ours(&meta) {
            return Err(SetupError::new(format!(
                "the cache {shown} can be written by others than this user, and what is in it is \
                 run as it is: give it to this user with mode 0700, or choose another (--cache)"
            )));
        }
        Ok(Self { folder })
    }

    /// The code compiled from these bytes, if it is here and sound.
    pub(super) fn get(
        &self,
        wasmtime: &wasmtime::Engine,
        bytes: &[u8],
        kind: Kind,
    ) -> Option<Code> {
        let path = self.path(wasmtime, bytes, FINISHED);
        let mut options = OpenOptions::new();
        options.read(true);
        options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32);
        let file = options.open(&path).ok()?;
        let complain = |what: &dyn std::fmt::Display| {
            tracing::warn!("{} is not used: {what}; compiling anew", path.display());
        };
        match file.metadata() {
            Ok(meta) if meta.is_file() && is_ours(&meta) => {}
            _ => {
                complain(&"it is not this user's own");
                return None;
            }
        }
        if !has_its_hash(&file).unwrap_or(false) {
            complain(&"its contents are not what was written");
            return None;
        }
        // So that what is used is not what is removed first.
        let _ = file.set_modified(SystemTime::now());
        match load_trusted(wasmtime, &path, kind) {
            Ok(code) => Some(code),
            Err(error) => {
                complain(&error);
                None
            }
        }
    }

    /// Keeps code that was compiled from these bytes. That it can not be kept
    /// is no reason not to serve it.
    pub(super) fn put(&self, wasmtime: &wasmtime::Engine, bytes: &[u8], artifact: &[u8]) {
        let path = self.path(wasmtime, bytes, FINISHED);
        if let Err(error) = self.write(&path, artifact) {
            tracing::warn!("cannot keep {}: {error}", path.display());
        }
        self.shrink(CACHE_BYTES_MAX);
    }

    /// Whether it was found out before that these bytes can not be compiled
    /// for this set-up, but for the one with concurrency.
    pub(super) fn needs_concurrency(&self, wasmtime: &wasmtime::Engine, bytes: &[u8]) -> bool {
        self.path(wasmtime, bytes, REDIRECT).exists()
    }

    /// Remembers that.
    pub(super) fn put_needs_concurrency(&self, wasmtime: &wasmtime::Engine, bytes: &[u8]) {
        // If it can not be remembered it is found out again.
        let _ = File::create(self.path(wasmtime, bytes, REDIRECT));
    }

    fn path(&self, wasmtime: &wasmtime::Engine, bytes: &[u8], end: &str) -> PathBuf {
        let mut key = KeyHasher(blake3::Hasher::new());
        // The compiler's version and every setting that shows in its code.
        wasmtime.precompile_compatibility_hash().hash(&mut key);
        key.0.update(bytes);
        let name = format!("{}{end}", key.0.finalize().to_hex());
        self.folder.join(name)
    }

    /// Written beside its place and renamed, so that nobody sees half of it.
    fn write(&self, path: &Path, artifact: &[u8]) -> io::Result<()> {
        let mut file = tempfile::Builder::new()
            .suffix(UNFINISHED)
            .tempfile_in(&self.folder)?;
        file.write_all(artifact)?;
        file.write_all(blake3::hash(artifact).as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    }

    /// Removes what was unused for longest until the rest fits, and what a
    /// process left behind that was killed while it wrote.
    fn shrink(&self, bytes_max: u64) {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return;
        };
        let now = SystemTime::now();
        let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for entry in entries.flatten() {
            let (path, Ok(meta)) = (entry.path(), entry.metadata()) else {
                continue;
            };
            let Ok(modified) = meta.modified() else {
                continue;
            };
            let age = now.duration_since(modified).unwrap_or_default();
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.ends_with(UNFINISHED) && age > UNFINISHED_AGE_MAX {
                // Somebody else may have removed it, which is as well.
                let _ = fs::remove_file(&path);
            } else if name.ends_with(FINISHED) || name.ends_with(REDIRECT) {
                files.push((modified, meta.len().max(FILE_BYTES_MIN), path));
            }
        }
        files.sort();
        let mut bytes: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, file_bytes, path) in files {
            if bytes <= bytes_max {
                return;
            }
            if fs::remove_file(path).is_ok() {
                bytes -= file_bytes;
            }
        }
    }
}

/// Whether nobody but this user can have written it.
fn is_ours(meta: &fs::Metadata) -> bool {
    meta.uid() == rustix::process::geteuid().as_raw() && meta.mode() & 0o022 == 0
}

/// Whether the file ends in the hash of what comes before.
fn has_its_hash(file: &File) -> io::Result<bool> {
    use std::io::Read;

    let bytes = file.metadata()?.len();
    let Some(artifact_bytes) = bytes.checked_sub(blake3::OUT_LEN as u64) else {
        return Ok(false);
    };
    let mut reader = file;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(reader.take(artifact_bytes))?;
    let mut expected = [0; blake3::OUT_LEN];
    reader.read_exact(&mut expected)?;
    Ok(hasher.finalize() == expected)
}

#[expect(unsafe_code, reason = "compiled code can only be loaded on trust")]
fn load_trusted(wasmtime: &wasmtime::Engine, path: &Path, kind: Kind) -> wasmtime::Result<Code> {
    // SAFETY: the file must be what wasmtime compiled. It stands in a
    // folder that only this user can write to, belongs to this user, and ends
    // in the hash of its contents, which `write` put there.
    unsafe { Code::load(wasmtime, path, kind) }
}

/// Lets blake3 take what implements `Hash`.
struct KeyHasher(blake3::Hasher);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0 // never asked: the whole hash is taken instead
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_files_take_room_too_and_the_oldest_goes_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::open(folder.path().join("cache")).expect("a cache");
        for (hours, name) in [(2, "b.concurrent"), (3, "a.cwasm"), (1, "c.concurrent")] {
            let file = File::create(cache.folder.join(name)).expect("a file");
            let age = Duration::from_secs(hours * 3600);
            file.set_modified(SystemTime::now() - age).expect("a time");
        }
        let names = || {
            let entries = fs::read_dir(&cache.folder).expect("a folder").flatten();
            let mut names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
            names.sort();
            names
        };
        cache.shrink(3 * FILE_BYTES_MIN);
        assert_eq!(names().len(), 3);
        cache.shrink(FILE_BYTES_MIN);
        assert_eq!(names(), ["c.concurrent"]);
    }
}
