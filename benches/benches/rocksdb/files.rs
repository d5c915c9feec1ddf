//! The files of a store, looked at and copied from outside.

use std::fs;
use std::path::{Path, PathBuf};

/// All files below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("the directory can be read").flatten();
    let paths = entries.map(|entry| entry.path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|own| own == extension)
}

/// The tables of a store, and the bytes of all of them.
pub(crate) fn tables(directory: &Path) -> (usize, u64) {
    sizes(directory, "sst")
}

/// The bytes of the engine's log, which opening replays.
pub(crate) fn log_bytes(directory: &Path) -> u64 {
    sizes(directory, "log").1
}

fn sizes(directory: &Path, extension: &str) -> (usize, u64) {
    let found = files(directory).into_iter().filter(|path| has_extension(path, extension));
    let sizes = found.filter_map(|path| path.metadata().ok()).map(|file| file.len());
    sizes.fold((0, 0), |(count, sum), size| (count + 1, sum + size))
}

/// Makes what a kill would leave: the files as they are, without a word to the store that has them open. Tables
/// never change once they are written, so theirs are linked.
pub(crate) fn image(from: &Path, to: &Path) {
    for path in files(from) {
        let target = to.join(path.strip_prefix(from).expect("it was found below"));
        fs::create_dir_all(target.parent().expect("it has a file name")).expect("the disk has room");
        if has_extension(&path, "sst") {
            fs::hard_link(&path, &target).expect("both are on one disk");
        } else {
            fs::copy(&path, &target).expect("the disk has room");
        }
    }
}
