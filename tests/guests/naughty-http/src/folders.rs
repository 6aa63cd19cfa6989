//! Lists the folder that it was granted, and writes to it.

use std::collections::BTreeSet;

use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{
    Descriptor, DescriptorFlags, DirectoryEntryStream, OpenFlags, PathFlags,
};

fn folder() -> Descriptor {
    get_directories().into_iter().next().unwrap().0
}

/// The names that are left in it.
fn rest(entries: &DirectoryEntryStream) -> BTreeSet<String> {
    let next = || entries.read_directory_entry().unwrap();
    std::iter::from_fn(next).map(|entry| entry.name).collect()
}

pub(crate) fn list() -> String {
    let entries = folder().read_directory().unwrap();
    format!("{} entries\n", rest(&entries).len())
}

/// What its entries are, by their names.
pub(crate) fn kinds() -> String {
    let entries = folder().read_directory().unwrap();
    let next = || entries.read_directory_entry().unwrap();
    let told = std::iter::from_fn(next).map(|entry| format!("{} {:?}\n", entry.name, entry.type_));
    told.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Lists it so many times at once.
pub(crate) fn lists(count: u64) -> String {
    let folder = folder();
    let open = |_| {
        let entries = folder.read_directory().unwrap();
        entries.read_directory_entry().unwrap().unwrap();
        entries
    };
    let listings: Vec<_> = (0..count).map(open).collect();
    let left: usize = listings.iter().map(|listing| rest(listing).len()).sum();
    format!("{left} entries left\n")
}

/// Removes all of its files once it has seen the first of them.
pub(crate) fn list_and_remove() -> String {
    let folder = folder();
    let entries = folder.read_directory().unwrap();
    entries.read_directory_entry().unwrap().unwrap();
    for name in rest(&folder.read_directory().unwrap()) {
        folder.unlink_file_at(&name).unwrap();
    }
    format!("{} entries left\n", rest(&entries).len())
}

/// Writes so much to its file in one call.
pub(crate) fn write(bytes: u64) -> String {
    let (none, flags) = (PathFlags::empty(), DescriptorFlags::WRITE);
    let file = folder().open_at(none, "file", OpenFlags::empty(), flags);
    let written = file.unwrap().write(&vec![b'x'; bytes as usize], 0);
    format!("{} bytes written\n", written.unwrap())
}
