//! Opens and lists what is in the folder that it was granted.

use std::collections::BTreeSet;

use wasip3::filesystem::preopens::get_directories;
use wasip3::filesystem::types::{DescriptorFlags, DirectoryEntry, OpenFlags, PathFlags};
use wasip3::wit_bindgen::StreamReader;

/// Opens a file so many times, and keeps nothing but the streams of it.
pub(crate) async fn files(count: u64) -> String {
    let folders = get_directories();
    let (folder, _) = folders.first().unwrap();
    let mut streams = Vec::new();
    for _ in 0..count {
        let opened = folder.open_at(
            PathFlags::empty(),
            "file".to_owned(),
            OpenFlags::empty(),
            DescriptorFlags::READ,
        );
        match opened.await {
            Ok(file) => streams.push(file.read_via_stream(0).0),
            Err(error) => return format!("{error:?}\n"),
        }
    }
    format!("{} files\n", streams.len())
}

/// Has the host copy a file to the log, and waits.
pub(crate) async fn log_file() -> String {
    let folders = get_directories();
    let (folder, _) = folders.first().unwrap();
    let (flags, none) = (DescriptorFlags::READ, OpenFlags::empty());
    let opened = folder.open_at(PathFlags::empty(), "file".to_owned(), none, flags);
    let (content, _) = opened.await.unwrap().read_via_stream(0);
    format!(
        "{:?}\n",
        wasip3::cli::stderr::write_via_stream(content).await
    )
}

/// What comes of opening a file whose name has so many bytes.
pub(crate) async fn long_name(bytes: usize) -> String {
    let folders = get_directories();
    let (folder, _) = folders.first().unwrap();
    let name = "x".repeat(bytes);
    let (flags, none) = (DescriptorFlags::READ, OpenFlags::empty());
    let opened = folder.open_at(PathFlags::empty(), name, none, flags);
    format!("{:?}\n", opened.await.map(drop))
}

/// The names that are left in a listing.
async fn rest(mut entries: StreamReader<DirectoryEntry>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    while let Some(entry) = entries.next().await {
        names.insert(entry.name);
    }
    names
}

pub(crate) async fn list() -> String {
    let folders = get_directories();
    let (folder, _) = folders.first().unwrap();
    let (entries, result) = folder.read_directory();
    let names = rest(entries).await;
    format!("{} entries, {:?}\n", names.len(), result.await)
}

/// What its entries are, by their names.
pub(crate) async fn kinds() -> String {
    let folders = get_directories();
    let (folder, _) = folders.first().unwrap();
    let (mut entries, _) = folder.read_directory();
    let mut told = BTreeSet::new();
    while let Some(entry) = entries.next().await {
        told.insert(format!("{} {:?}\n", entry.name, entry.type_));
    }
    told.into_iter().collect()
}

/// Lists it so many times at once.
pub(crate) async fn lists(count: u64) -> String {
    let folders = get_directories();
    let (folder, _) = folders.first().unwrap();
    let mut listings = Vec::new();
    for _ in 0..count {
        let (mut entries, _) = folder.read_directory();
        entries.next().await.unwrap();
        listings.push(entries);
    }
    let mut left = 0;
    for listing in listings {
        left += rest(listing).await.len();
    }
    format!("{left} entries left\n")
}
