//! The reference's tests of storages, watches and its watch cache, and ours: `docs/conformance.md` has a row for each of theirs,
//! and names tests that exist and run where it says.

#![expect(clippy::unwrap_used, reason = "what cannot be read here is a failed test")]

#[path = "inventory/reference.rs"]
mod reference;
mod suite;

use std::collections::BTreeMap;
use std::path::PathBuf;

use self::reference::{CACHE, STORAGE, WATCHES};
use self::suite::{Names, at, files, name, read, suite};

const BACKENDS: [&str; 3] = ["memory", "rocksdb", "etcd3"];

/// The chapters of the document, each with the tests that it has a row for.
const CHAPTERS: [(&str, &[&str]); 3] =
    [("Storage", STORAGE), ("Watches", WATCHES), ("The watch cache", CACHE)];

/// A row of a table.
#[derive(Debug)]
struct Row {
    /// The test of the reference, and the group of its cases.
    name: String,
    /// Tests of the suite as `topic::name`, other ones as `where: name`.
    tests: Names,
    /// The backends that run at least one of them.
    runs_on: Names,
    /// What does not apply, and why.
    reason: String,
}

impl Row {
    fn parse(line: &str) -> Self {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let ["", claim, tests, runs_on, reason, ""] = *cells.as_slice() else { panic!("four cells: {line}") };
        let (name, claim) = claim.split_once(": ").unwrap_or_else(|| panic!("a name and a claim: {line}"));
        assert!(!claim.is_empty(), "a claim: {line}");
        let tests = tests.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let runs_on = match runs_on {
            "all" => BACKENDS.map(str::to_owned).into(),
            "–" => Names::new(),
            some => some.split(", ").map(str::to_owned).collect(),
        };
        Self { name: name.replace('`', ""), tests, runs_on, reason: reason.to_owned() }
    }
}

/// The rows of all tables of a chapter.
fn chapter(title: &str) -> Vec<Row> {
    let document = read(&at("../docs/conformance.md"));
    let chapter = document.split("\n## ").find(|chapter| chapter.lines().next() == Some(title));
    let chapter = chapter.unwrap_or_else(|| panic!("no chapter {title}"));
    let rows = chapter.lines().filter(|line| line.starts_with("| `"));
    rows.map(Row::parse).collect()
}

fn rows() -> Vec<Row> {
    CHAPTERS.iter().flat_map(|(title, _)| chapter(title)).collect()
}

/// The names of all test functions in files.
fn functions(files: Vec<PathBuf>) -> Names {
    let mut found = Names::new();
    for file in files {
        let mut is_test = false;
        for line in read(&file).lines().map(str::trim) {
            let declared = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                is_test = true;
            } else if let Some(rest) = declared {
                if is_test {
                    found.insert(rest.split(['(', '<']).next().unwrap().to_owned());
                }
                is_test = false;
            }
        }
    }
    found
}

/// Tests beside the suite: where they are, the backend that they run on if there is one, and their names.
fn others() -> [(&'static str, Option<&'static str>, Names); 6] {
    let tests = |directory: &str, without: &str| functions(files(&at(directory), without));
    let units = ["src", "../cacher/src", "../server-shim/src", "../proof/src"];
    [
        ("rocksdb", Some("rocksdb"), tests("tests", "etcd3")),
        ("etcd3", Some("etcd3"), tests("tests/etcd3", "")),
        ("cacher", Some("memory"), tests("../cacher/tests", "")),
        ("proof", Some("memory"), tests("../proof/tests", "")),
        ("server", None, tests("../server-shim/tests", "")),
        ("unit", None, units.iter().flat_map(|of| tests(of, "")).collect()),
    ]
}

/// The tests of the suite that a backend is exempt from: those that its harness names.
fn exempt(backend: &str, suite: &Names) -> Names {
    let harness = read(&at(&format!("tests/conformance_{backend}.rs")));
    suite.iter().filter(|test| harness.contains(&format!("\"{}\"", name(test)))).cloned().collect()
}

#[test]
fn the_tables_have_a_row_for_each_test_of_the_reference() {
    for (title, expected) in CHAPTERS {
        let names: Vec<_> = chapter(title).into_iter().map(|row| row.name).collect();
        assert_eq!(names, expected, "{title}");
    }
}

#[test]
fn a_row_names_tests_or_a_reason() {
    for row in rows() {
        assert!(!row.tests.is_empty() || !row.reason.is_empty(), "{row:?}");
    }
}

#[test]
fn every_named_test_exists() {
    let suite = suite();
    let others = others();
    for row in rows() {
        for test in &row.tests {
            let exists = match test.split_once(": ") {
                None => suite.contains_key(test),
                Some((of, name)) => {
                    others.iter().any(|(other, _, names)| *other == of && names.contains(name))
                }
            };
            assert!(exists, "{}: there is no {test}", row.name);
        }
    }
}

#[test]
fn a_row_runs_where_it_says() {
    let suite: Names = suite().into_keys().collect();
    let places: BTreeMap<_, _> = others().into_iter().map(|(of, on, _)| (of, on)).collect();
    for backend in BACKENDS {
        let exempt = exempt(backend, &suite);
        for row in rows() {
            let runs = row.tests.iter().any(|test| match test.split_once(": ") {
                None => !exempt.contains(test),
                Some((of, _)) => places[of] == Some(backend),
            });
            assert_eq!(runs, row.runs_on.contains(backend), "{backend}: {row:?}");
        }
    }
}
