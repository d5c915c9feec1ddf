//! What the conformance suite consists of, read from its sources: for the tests that hold documents against it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) type Names = BTreeSet<String>;

/// The instruments of the suite; every other file of it is a topic.
const INSTRUMENTS: [&str; 7] =
    ["decorate", "harness", "instrument", "interleave", "memory", "object", "seed"];

/// A place in the repository, from the folder of this crate.
pub(crate) fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All Rust files below a directory, but not below its subdirectory `without`.
pub(crate) fn files(directory: &Path, without: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != without) {
            found.extend(files(&path, without));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The ids in brackets, escaped or not, in the comments of a text.
pub(crate) fn ids(text: &str) -> Names {
    let comments = text.lines().filter_map(|line| line.split_once("//").map(|(_, comment)| comment));
    let is_id = |text: &str| {
        text.len() > 2
            && text
                .split('-')
                .all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase()))
    };
    comments
        .flat_map(|comment| comment.split('[').skip(1))
        .filter_map(|rest| rest.split_once(']').map(|(id, _)| id.trim_end_matches('\\')))
        .filter(|id| is_id(id))
        .map(str::to_owned)
        .collect()
}

/// The tests of the suite as `topic::name`, each with the clauses that it holds.
pub(crate) fn suite() -> BTreeMap<String, Names> {
    let mut tests = BTreeMap::new();
    for path in files(&at("src/conformance"), "") {
        let topic = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if topic == "mod" || INSTRUMENTS.contains(&&*topic) {
            continue;
        }
        let mut doc = String::new();
        for line in read(&path).lines() {
            if line.starts_with("///") {
                doc += line;
                doc.push('\n');
            } else {
                if let Some(rest) = line.strip_prefix("pub async fn ") {
                    let name = rest.split(['(', '<']).next().unwrap();
                    tests.insert(format!("{topic}::{name}"), ids(&doc));
                }
                doc.clear();
            }
        }
    }
    tests
}

/// The name of a test without its topic.
pub(crate) fn name(test: &str) -> &str {
    test.split("::").last().unwrap()
}
