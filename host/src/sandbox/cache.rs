//! Compiled code on disk, so that a second start compiles nothing.
//!
//! What is in the cache is machine code that is run as it is. So its folder
//! has to belong to this user and be closed to others, and each file is named
//! by what it was made from and carries the hash of its contents: a file that
//! is damaged, half written or from elsewhere is compiled anew.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::NamedTempFile;

use super::cache_folder::{self, is_ours};
use super::load::{Code, Kind};
use crate::setup::SetupError;
use crate::told::{Told, besides};

/// How much the cache holds unless set, bytes. Of the tenant that has most in it go
/// first the files that were unused for longest. A Flask application has 42 MB.
pub(super) const CACHE_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// What the names of cached files end in, and of those that are being written.
const FINISHED: &str = ".cwasm";
const UNFINISHED: &str = ".part";

/// … and of those without code that say: compiled for the set-up with concurrency.
const REDIRECT: &str = ".concurrent";

/// What a file counts as at least, bytes: those without code take a place on the
/// disk too, and each takes time to be looked at.
const FILE_BYTES_MIN: u64 = 64 * 1024;

/// What stands in a file: code, its hash, and the hash of the name of the tenant it
/// was compiled for. It is part of the files' names, so that those with other
/// contents are not found.
const LAYOUT: &[u8] = b"code, hash, tenant";

/// How old a file that is being written can be: longer than any write takes.
const UNFINISHED_AGE_MAX: Duration = Duration::from_secs(3600);

/// A folder of compiled components.
#[derive(Debug)]
pub(super) struct Cache {
    folder: PathBuf,
    bytes_max: u64,
    /// What the log was told of files that could not be written.
    told: Told,
}

impl Cache {
    /// The cache in this folder, which is made if it does not exist, and holds so
    /// much.
    pub(super) fn open(folder: PathBuf, bytes_max: u64) -> Result<Self, SetupError> {
        cache_folder::make(&folder)?;
        Ok(Self {
            folder,
            bytes_max,
            told: Told::default(),
        })
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
        // A pipe is not waited for.
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        options.custom_flags(flags.bits() as i32);
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

    fn complain(&self, path: &Path, error: &io::Error) {
        if let Some(unsaid) = self.told.is_news(1) {
            let besides = besides(unsaid);
            tracing::warn!("cannot keep {}: {error}{besides}", path.display());
        }
    }

    /// Writes code that was compiled from these bytes for a tenant, as a draft.
    /// That it can not be written is no reason not to serve it.
    pub(super) fn draft(
        &self,
        wasmtime: &wasmtime::Engine,
        tenant: &str,
        bytes: &[u8],
        artifact: &[u8],
    ) -> Option<Draft<'_>> {
        let path = self.path(wasmtime, bytes, FINISHED);
        let owner = blake3::hash(tenant.as_bytes());
        match self.write(&owner, artifact) {
            Ok(file) => Some(Draft {
                cache: self,
                owner,
                file,
                path,
                redirect: None,
            }),
            Err(error) => {
                self.complain(&path, &error);
                None
            }
        }
    }

    /// Whether it was found out before that these bytes can not be compiled
    /// for this set-up, but for the one with concurrency.
    pub(super) fn needs_concurrency(&self, wasmtime: &wasmtime::Engine, bytes: &[u8]) -> bool {
        self.path(wasmtime, bytes, REDIRECT).exists()
    }

    fn path(&self, wasmtime: &wasmtime::Engine, bytes: &[u8], end: &str) -> PathBuf {
        let mut key = KeyHasher(blake3::Hasher::new());
        // The compiler's version and every setting that shows in its code.
        wasmtime.precompile_compatibility_hash().hash(&mut key);
        key.0.update(LAYOUT).update(bytes);
        let name = format!("{}{end}", key.0.finalize().to_hex());
        self.folder.join(name)
    }

    fn write(&self, owner: &blake3::Hash, artifact: &[u8]) -> io::Result<NamedTempFile> {
        let mut file = tempfile::Builder::new()
            .suffix(UNFINISHED)
            .tempfile_in(&self.folder)?;
        file.write_all(artifact)?;
        file.write_all(blake3::hash(artifact).as_bytes())?;
        file.write_all(owner.as_bytes())?;
        file.as_file().sync_all()?;
        Ok(file)
    }

    /// Removes files until the rest fits: of the tenant that has most, the one that
    /// was unused for longest. So nobody's are pushed out by another's many
    /// versions. What several compile alike is the first one's.
    fn shrink(&self) {
        let mut files = self.files();
        let bytes: u64 = files.iter().map(|file| file.bytes).sum();
        let mut over = bytes.saturating_sub(self.bytes_max);
        if over == 0 {
            return;
        }
        files.sort_by_key(|file| Reverse(file.used));
        let mut tenants: HashMap<_, (u64, Vec<Kept>)> = HashMap::new();
        for file in files {
            let (bytes, files) = tenants.entry(owner(&file.path).ok()).or_default();
            *bytes += file.bytes;
            files.push(file);
        }
        while over > 0 {
            let most = tenants.values_mut().max_by_key(|(bytes, _)| *bytes);
            let Some((bytes, files)) = most else {
                return;
            };
            let Some(file) = files.pop() else {
                return;
            };
            *bytes -= file.bytes;
            if fs::remove_file(&file.path).is_ok() {
                over = over.saturating_sub(file.bytes);
            }
        }
    }

    /// All that is kept. Removes what a process left behind that was killed while
    /// it wrote.
    fn files(&self) -> Vec<Kept> {
        let mut files = Vec::new();
        let now = SystemTime::now();
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let (path, Ok(meta)) = (entry.path(), entry.metadata()) else {
                continue;
            };
            let Ok(used) = meta.modified() else {
                continue;
            };
            let age = now.duration_since(used).unwrap_or_default();
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.ends_with(UNFINISHED) && age > UNFINISHED_AGE_MAX {
                // Somebody else may have removed it, which is as well.
                let _ = fs::remove_file(&path);
            } else if name.ends_with(FINISHED) || name.ends_with(REDIRECT) {
                let bytes = meta.len().max(FILE_BYTES_MIN);
                files.push(Kept { used, bytes, path });
            }
        }
        files
    }
}

/// A file in the cache.
struct Kept {
    used: SystemTime,
    bytes: u64,
    path: PathBuf,
}

/// Code that was compiled, in a file beside its place: nobody finds it there, and
/// it is gone if it is dropped.
pub(super) struct Draft<'c> {
    cache: &'c Cache,
    owner: blake3::Hash,
    file: NamedTempFile,
    path: PathBuf,
    redirect: Option<PathBuf>,
}

impl Draft<'_> {
    /// To be kept with a note that these bytes can not be compiled for this
    /// set-up, but for the one with concurrency.
    pub(super) fn and_not_for(mut self, wasmtime: &wasmtime::Engine, bytes: &[u8]) -> Self {
        self.redirect = Some(self.cache.path(wasmtime, bytes, REDIRECT));
        self
    }

    /// The code. It is mapped from the file, so that the system can drop what is
    /// not used of it; code from memory would have to be swapped out.
    pub(super) fn load(&self, wasmtime: &wasmtime::Engine, kind: Kind) -> wasmtime::Result<Code> {
        load_trusted(wasmtime, self.file.path(), kind)
    }

    /// Puts it in its place: by renaming, so that nobody sees half of it.
    pub(super) fn keep(self) {
        if let Err(error) = self.file.persist(&self.path) {
            self.cache.complain(&self.path, &error.error);
        }
        if let Some(redirect) = self.redirect {
            // If it can not be remembered it is found out again.
            let _ = fs::write(redirect, self.owner.as_bytes());
        }
        self.cache.shrink();
    }
}

/// The hash of the name of the tenant whose a file is, at its end.
fn owner(path: &Path) -> io::Result<[u8; blake3::OUT_LEN]> {
    let file = File::open(path)?;
    let mut owner = [0; blake3::OUT_LEN];
    let before = file
        .metadata()?
        .len()
        .saturating_sub(blake3::OUT_LEN as u64);
    file.read_exact_at(&mut owner, before)?;
    Ok(owner)
}

/// Whether the hash of the code follows it.
fn has_its_hash(file: &File) -> io::Result<bool> {
    use std::io::Read;

    let bytes = file.metadata()?.len();
    let Some(artifact_bytes) = bytes.checked_sub(2 * blake3::OUT_LEN as u64) else {
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
    // folder that only this user can write to and belongs to this user, and
    // has the hash of its code, which `write` put there.
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

    /// A file of a tenant's that was used so many hours ago.
    fn keep(cache: &Cache, tenant: &str, hours: u64, name: &str) {
        let owner = blake3::hash(tenant.as_bytes());
        let file = cache.write(&owner, b"code").expect("written");
        let age = Duration::from_secs(hours * 3600);
        let used = SystemTime::now() - age;
        file.as_file().set_modified(used).expect("a time");
        file.persist(cache.folder.join(name)).expect("kept");
    }

    fn names(cache: &Cache) -> Vec<String> {
        let names = cache.files().into_iter().map(|file| {
            let name = file.path.file_name().expect("a name");
            name.to_string_lossy().into_owned()
        });
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    /// A cache that holds so many small files.
    fn cache(folder: &Path, files: u64) -> Cache {
        Cache::open(folder.join("cache"), files * FILE_BYTES_MIN).expect("a cache")
    }

    #[test]
    fn small_files_take_room_too_and_the_oldest_goes_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let three = cache(folder.path(), 3);
        for (hours, name) in [(2, "b.concurrent"), (3, "a.cwasm"), (1, "c.concurrent")] {
            keep(&three, "alice", hours, name);
        }
        three.shrink();
        assert_eq!(names(&three).len(), 3);
        cache(folder.path(), 1).shrink();
        assert_eq!(names(&three), ["c.concurrent"]);
    }

    #[test]
    fn who_has_most_makes_room() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = cache(folder.path(), 4);
        for hours in 1..6 {
            keep(&cache, "noisy", hours, &format!("n{hours}.cwasm"));
        }
        keep(&cache, "alice", 100, "a.cwasm");
        keep(&cache, "bob", 200, "b.cwasm");
        cache.shrink();
        let expected = ["a.cwasm", "b.cwasm", "n1.cwasm", "n2.cwasm"];
        assert_eq!(names(&cache), expected);
    }
}
