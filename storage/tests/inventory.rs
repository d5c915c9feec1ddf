//! The reference's tests of storages and watches, and ours: `docs/conformance.md` has a row for each of theirs,
//! and names tests that exist and run where it says.

#![expect(clippy::unwrap_used, reason = "what cannot be read here is a failed test")]

mod suite;

use std::path::PathBuf;

use self::suite::{Names, at, files, name, read, suite};

/// The tests of the reference's suite for storages; of the table-driven one of lists, each group of cases.
const STORAGE: &[&str] = &[
    "RunTestCreate",
    "RunTestCreateWithTTL",
    "RunTestCreateWithKeyExist",
    "RunTestGet",
    "RunTestUnconditionalDelete",
    "RunTestConditionalDelete",
    "RunTestDeleteWithSuggestion",
    "RunTestDeleteWithSuggestionAndConflict",
    "RunTestDeleteWithSuggestionOfDeletedObject",
    "RunTestValidateDeletionWithSuggestion",
    "RunTestValidateDeletionWithOnlySuggestionValid",
    "RunTestDeleteWithConflict",
    "RunTestPreconditionalDeleteWithSuggestion",
    "RunTestPreconditionalDeleteWithOnlySuggestionPass",
    "RunTestDeleteExpectedTransformOrDecodeError",
    "RunTestDeleteWithConflictAndMissingExpectedTransformOrDecodeError",
    "RunTestDeleteWithSuggestionAndMissingExpectedTransformOrDecodeError",
    "RunTestList, errors",
    "RunTestList, too large",
    "RunTestList, too old",
    "RunTestList, first/",
    "RunTestList, second/ exact",
    "RunTestList, missing",
    "RunTestList, selector",
    "RunTestList, limits on second/",
    "RunTestList, pregenerated token",
    "RunTestList, all",
    "RunTestList, filters with limit",
    "RunTestList, exact history",
    "RunTestList, exact with limit",
    "RunTestList, token of each write",
    "RunTestList, token of the latest",
    "RunTestConsistentList",
    "RunTestGetListNonRecursive",
    "RunTestGetListRecursivePrefix",
    "RunTestListContinuation",
    "RunTestListPaginationRareObject",
    "RunTestListContinuationWithFilter",
    "RunTestListInconsistentContinuation",
    "RunTestListResourceVersionMatch",
    "RunTestListPaging",
    "RunTestNamespaceScopedList",
    "RunTestGuaranteedUpdate",
    "RunTestGuaranteedUpdateWithTTL",
    "RunTestGuaranteedUpdateChecksStoredData",
    "RunTestGuaranteedUpdateWithConflict",
    "RunTestGuaranteedUpdateWithSuggestionAndConflict",
    "RunTestTransformationFailure",
    "RunTestStats",
    "RunTestCompactRevision",
    "RunTestKeySchema",
    "RunTestGetListWithErrorAggregation",
    "RunTestGetListWithoutErrorAggregation",
];

/// The tests of its suite for watches.
const WATCHES: &[&str] = &[
    "RunTestWatch",
    "RunTestWatchFromZero",
    "RunTestDeleteTriggerWatch",
    "RunTestWatchFromNonZero",
    "RunTestDelayedWatchDelivery",
    "RunTestWatchError",
    "RunTestWatchWithUnsafeDelete",
    "RunTestWatchContextCancel",
    "RunTestWatcherTimeout",
    "RunTestWatchDeleteEventObjectHaveLatestRV",
    "RunTestWatchInitializationSignal",
    "RunOptionalTestProgressNotify",
    "RunTestClusterScopedWatch",
    "RunTestNamespaceScopedWatch",
    "RunTestWatchDispatchBookmarkEvents",
    "RunTestOptionalWatchBookmarksWithCorrectResourceVersion",
    "RunSendInitialEventsBackwardCompatibility",
    "RunWatchSemantics",
    "RunWatchSemanticInitialEventsExtended",
    "RunWatchListMatchSingle",
    "RunWatchErrorIsBlockingFurtherEvents",
];

const BACKENDS: [&str; 3] = ["memory", "rocksdb", "etcd3"];

/// A row of a table.
#[derive(Debug)]
struct Row {
    /// The test of the reference, and the group of its cases.
    name: String,
    /// Tests of the suite as `topic::name`, other ones as `crate or backend: name`.
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
    let mut rows = chapter("Storage");
    rows.append(&mut chapter("Watches"));
    rows
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

/// Tests beside the suite: whose they are, and their names.
fn others() -> [(&'static str, Names); 3] {
    [
        ("rocksdb", functions(files(&at("tests"), "etcd3"))),
        ("etcd3", functions(files(&at("tests/etcd3"), ""))),
        ("server", functions(files(&at("../server-shim/tests"), ""))),
    ]
}

/// The tests of the suite that a backend is exempt from: those that its harness names.
fn exempt(backend: &str, suite: &Names) -> Names {
    let harness = read(&at(&format!("tests/conformance_{backend}.rs")));
    suite.iter().filter(|test| harness.contains(&format!("\"{}\"", name(test)))).cloned().collect()
}

#[test]
fn the_tables_have_a_row_for_each_test_of_the_reference() {
    for (title, expected) in [("Storage", STORAGE), ("Watches", WATCHES)] {
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
                Some((of, name)) => others.iter().any(|(other, names)| *other == of && names.contains(name)),
            };
            assert!(exists, "{}: there is no {test}", row.name);
        }
    }
}

#[test]
fn a_row_runs_where_it_says() {
    let suite: Names = suite().into_keys().collect();
    for backend in BACKENDS {
        let exempt = exempt(backend, &suite);
        for row in rows() {
            let runs = row.tests.iter().any(|test| match test.split_once(": ") {
                None => !exempt.contains(test),
                Some((of, _)) => of == backend,
            });
            assert_eq!(runs, row.runs_on.contains(backend), "{backend}: {row:?}");
        }
    }
}
