//! The loss of power: what a disk may hold after it, of all that a process wrote.
//!
//! A process that is killed loses nothing that it has written: the system still has it. So a kill says
//! nothing about syncs. Here a library is loaded into the server that keeps a journal of every change of
//! its files and of every sync (`interposer`, `journal`); from the journal follows what the disk was bound
//! to keep (`disk`), and everything else is left to chance (`outcome`). The server is then started on that.

pub mod disk;
pub mod image;
pub mod interposer;
pub mod journal;
mod outcome;

/// Whether the bytes of a file of the engine arrive in order, so that only the end of them may be missing.
///
/// That is asked of its list of its own files alone. The list may be torn at any byte; but the engine does
/// not open a store whose list has a hole before its end, which takes a disk that tears a page, on a file
/// system that has made the file longer before it wrote the page.
pub fn arrives_in_order(name: &str) -> bool {
    name.starts_with("MANIFEST-")
}
