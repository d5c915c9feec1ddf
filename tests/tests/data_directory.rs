//! What the server says of a data directory that it cannot use: one line with what to do, status 1, and
//! not a byte is changed.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use tempfile::TempDir;
use watchkeep_tests::power::image::Image;
use watchkeep_tests::server::{Server, run_to_end};
use watchkeep_tests::tmpfs::Tmpfs;

fn folder() -> TempDir {
    TempDir::with_prefix("watchkeep-data-").unwrap()
}

fn start(directory: &Path) -> Server {
    let flags = ["--backend", "rocksdb", "--data-dir"].map(OsStr::new);
    Server::start_with(flags.into_iter().chain([directory.as_os_str()])).unwrap()
}

/// A server that has been there, and is gone.
fn make_store(directory: &Path) {
    assert_eq!(start(directory).stop().unwrap().code(), Some(0));
}

/// Starts a server that is to refuse the directory; what it says.
fn refusal(directory: &Path) -> String {
    let folder = folder();
    let kubeconfig = folder.path().join("kubeconfig");
    let flags = ["--listen", "127.0.0.1:0", "--backend", "rocksdb", "--data-dir"].map(OsStr::new);
    let rest = [directory.as_os_str(), OsStr::new("--kubeconfig"), kubeconfig.as_os_str()];
    let output = run_to_end(flags.into_iter().chain(rest)).unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:#?}");
    assert_eq!(output.stdout, "", "{output:#?}");
    let line = output.stderr.strip_suffix('\n').unwrap().to_owned();
    assert!(line.starts_with("error: ") && !line.contains('\n'), "{output:#?}");
    assert!(line.contains(directory.to_str().unwrap()), "{line}");
    assert!(!kubeconfig.exists());
    line
}

/// The directory is refused, with this advice, and is as it was.
fn assert_refused(directory: &Path, advice: &str) {
    let before = Image::read(directory).unwrap();
    let line = refusal(directory);
    assert!(line.contains(advice), "{line}");
    let changed = Image::read(directory).unwrap().differences(&before);
    assert!(changed.is_empty(), "{changed:?} changed");
}

#[test]
fn a_directory_in_use_is_refused_and_serves_on() {
    let directory = folder();
    let server = start(directory.path());
    assert_refused(directory.path(), "in use by another process: stop it, or choose another directory");
    assert_eq!(server.stop().unwrap().code(), Some(0));
    make_store(directory.path());
}

#[test]
fn a_directory_of_a_later_format_is_refused() {
    let directory = folder();
    make_store(directory.path());
    fs::write(directory.path().join("format"), "999\n").unwrap();
    assert_refused(directory.path(), "has format 999");
}

#[test]
fn a_directory_that_holds_something_else_is_refused() {
    let directory = folder();
    fs::write(directory.path().join("letter"), "Dear all").unwrap();
    assert_refused(directory.path(), "choose another directory");
}

#[test]
fn a_path_below_a_file_is_refused() {
    let directory = folder();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let line = refusal(&file.join("data"));
    assert!(line.contains("choose another directory"), "{line}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn a_directory_that_cannot_be_written_is_refused() {
    let Some(tmpfs) = Tmpfs::mount("64m").unwrap() else {
        eprintln!("this machine allows no mounts: only a path below a file is tried");
        return a_path_below_a_file_is_refused();
    };
    let (store, empty) = (tmpfs.path().join("store"), tmpfs.path().join("empty"));
    make_store(&store);
    fs::create_dir(&empty).unwrap();
    tmpfs.remount("ro").unwrap();
    let missing = tmpfs.path().join("missing");
    for directory in [&store, &empty] {
        assert_refused(directory, "make it readable and writable, or choose another directory");
    }
    assert!(refusal(&missing).contains("make it readable and writable, or choose another directory"));
    tmpfs.remount("rw").unwrap();
    make_store(&store);
}
