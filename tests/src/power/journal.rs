//! The journal that the interposer keeps: every change below a directory, in order.
//!
//! `tests/interposer/journal.h` draws what the numbers mean.

use std::fs;
use std::io;
use std::path::Path;

/// One change, or one sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A file or a folder was opened.
    Open {
        /// Its path below the directory.
        path: String,
        /// Which file it is, as long as it exists.
        inode: u64,
        /// Whether it was to be made if there was none.
        create: bool,
        /// Whether it was cut to nothing.
        cut: bool,
    },
    /// A folder was made.
    MakeDirectory(String),
    /// A name was changed, and what had the other name lost it.
    Rename(String, String),
    /// A name was removed.
    Unlink(String),
    /// An empty folder was removed.
    RemoveDirectory(String),
    /// A file got another name beside the one it had.
    Link(String, String),
    /// Bytes were written.
    Write {
        /// To which file.
        inode: u64,
        /// From where on.
        offset: usize,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A file was cut, or extended with zeros, to a size.
    Resize {
        /// Which file.
        inode: u64,
        /// The size.
        size: usize,
    },
    /// A file was extended with zeros to a size, if it was smaller.
    Extend {
        /// Which file.
        inode: u64,
        /// The size.
        size: usize,
    },
    /// A file or a folder was synced.
    Sync {
        /// Which one.
        inode: u64,
        /// How many records there were when it began.
        before: usize,
    },
    /// A sync failed: what was written before may be on the disk or not, whatever is synced later.
    SyncFailed {
        /// Of which file.
        inode: u64,
        /// How many records there were when it began.
        before: usize,
    },
    /// A change that no other record can tell.
    Unknown(String),
}

/// Takes values off the front of bytes; `None` where they are too short.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        Some(u64::from_ne_bytes(self.take(8)?.try_into().ok()?))
    }

    fn size(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    fn short(&mut self) -> Option<u32> {
        Some(u32::from_ne_bytes(self.take(4)?.try_into().ok()?))
    }
}

/// Reads a journal. A record that is cut off at its end was being written when the process was killed.
///
/// # Errors
/// When it cannot be read, or holds what nobody writes.
pub fn read(path: &Path) -> io::Result<Vec<Record>> {
    let bytes = fs::read(path)?;
    let mut input = Input(&bytes);
    let mut records = Vec::new();
    while let Some((kind, parts)) = next(&mut input) {
        let record = parts.record(kind);
        records.push(record.ok_or_else(|| io::Error::other(format!("a record of kind {kind}")))?);
    }
    Ok(records)
}

/// The parts of a record; the kind says what they are.
struct Parts<'a> {
    path: String,
    inode: u64,
    first: usize,
    second: usize,
    bytes: &'a [u8],
}

fn next<'a>(input: &mut Input<'a>) -> Option<(u32, Parts<'a>)> {
    let (kind, path_bytes) = (input.short()?, input.short()?);
    let (inode, first, second, count) = (input.number()?, input.size()?, input.size()?, input.size()?);
    let path = String::from_utf8_lossy(input.take(usize::try_from(path_bytes).ok()?)?).into_owned();
    Some((kind, Parts { path, inode, first, second, bytes: input.take(count)? }))
}

impl Parts<'_> {
    fn record(self, kind: u32) -> Option<Record> {
        let Self { path, inode, first, second, bytes } = self;
        let other = || String::from_utf8_lossy(bytes).into_owned();
        Some(match kind {
            1 => Record::Open { path, inode, create: first != 0, cut: second != 0 },
            2 => Record::MakeDirectory(path),
            3 => Record::Rename(path, other()),
            4 => Record::Unlink(path),
            5 => Record::RemoveDirectory(path),
            6 => Record::Link(path, other()),
            7 => Record::Write { inode, offset: first, bytes: bytes.to_vec() },
            8 => Record::Resize { inode, size: first },
            9 => Record::Extend { inode, size: first },
            10 => Record::Sync { inode, before: first },
            11 => Record::SyncFailed { inode, before: first },
            12 => Record::Unknown(path),
            _ => return None,
        })
    }
}
