//! The least that a durable write can cost: an append and an fdatasync, by one thread, to a file whose blocks
//! were allocated before.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate};

/// A file that is appended to.
pub(crate) struct Log {
    file: File,
    bytes: Vec<u8>,
}

impl Log {
    /// A file in a directory with room for `appends` pieces like `bytes`.
    pub(crate) fn new(directory: &Path, bytes: Vec<u8>, appends: usize) -> Self {
        let path = directory.join("append");
        let file = OpenOptions::new().write(true).create_new(true).open(path).expect("the directory is new");
        let room = (bytes.len() * appends) as u64;
        fallocate(&file, FallocateFlags::empty(), 0, room).expect("the disk has room");
        file.sync_all().expect("the disk works");
        Self { file, bytes }
    }

    /// Appends the bytes and waits until they are on the disk, so many times.
    pub(crate) fn append(&mut self, count: usize) {
        for _ in 0..count {
            self.file.write_all(&self.bytes).expect("the disk has room");
            self.file.sync_data().expect("the disk works");
        }
    }
}
