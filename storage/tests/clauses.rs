//! The clauses of the contract: what the essay of the crate lists, what the code upholds and what the
//! conformance suite holds are the same.

#![expect(clippy::unwrap_used, reason = "what cannot be read here is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

type Names = BTreeSet<String>;

/// The instruments of the suite; every other file of it is a topic.
const INSTRUMENTS: [&str; 6] = ["harness", "instrument", "interleave", "memory", "object", "seed"];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All Rust files below a directory, but not below its subdirectory `without`.
fn files(directory: &Path, without: &str) -> Vec<PathBuf> {
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
fn ids(text: &str) -> Names {
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

/// The clauses in the essay of the crate, each with the tests that it names.
fn essay() -> BTreeMap<String, Names> {
    let essay = read(&source().join("lib.rs"));
    let lines: Vec<_> = essay.lines().filter_map(|line| line.strip_prefix("//!")).collect();
    let mut clauses = BTreeMap::new();
    for clause in lines.join("\n").split("- **\\[").skip(1) {
        let (id, rest) = clause.split_once("\\]**").expect("an id ends in brackets");
        let (promise, tests) = rest.split_once("Tests:").unwrap_or_else(|| panic!("{id} names no tests"));
        assert!(promise.trim().ends_with('.'), "{id} has no promise");
        let (tests, _) = tests.split_once('.').unwrap_or_else(|| panic!("the tests of {id} end in a dot"));
        let tests = tests.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        assert!(clauses.insert(id.to_owned(), tests).is_none(), "{id} is listed twice");
    }
    clauses
}

/// The tests of the suite as `topic::name`, each with the clauses that it holds.
fn suite() -> BTreeMap<String, Names> {
    let mut tests = BTreeMap::new();
    for path in files(&source().join("conformance"), "") {
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

fn name(test: &str) -> &str {
    test.split("::").last().unwrap()
}

#[test]
fn every_test_holds_a_clause_and_no_other_test_has_its_name() {
    let suite = suite();
    for (test, clauses) in &suite {
        assert!(!clauses.is_empty(), "{test} names no clause");
    }
    let names: Names = suite.keys().map(|test| name(test).to_owned()).collect();
    assert_eq!(names.len(), suite.len(), "exemptions go by the bare name");
}

#[test]
fn the_essay_names_for_each_clause_the_tests_that_hold_it() {
    let mut held: BTreeMap<String, Names> = BTreeMap::new();
    for (test, clauses) in suite() {
        for clause in clauses {
            held.entry(clause).or_default().insert(name(&test).to_owned());
        }
    }
    let essay = essay();
    for (clause, tests) in &held {
        assert_eq!(essay.get(clause), Some(tests), "the tests of {clause}, in the essay and in the suite");
    }
    for clause in essay.keys() {
        assert!(held.contains_key(clause), "no test holds {clause}");
    }
}

#[test]
fn every_clause_is_named_where_the_code_upholds_it() {
    let mut named = Names::new();
    for path in files(&source(), "conformance") {
        if path.file_name().is_some_and(|name| name != "lib.rs") {
            named.append(&mut ids(&read(&path)));
        }
    }
    let listed: Names = essay().into_keys().collect();
    assert_eq!(named, listed, "ids in the code, and in the essay");
}

#[test]
fn every_test_of_the_suite_is_run() {
    let inventory = read(&source().join("conformance/mod.rs"));
    let mut run = Names::new();
    let mut topic = String::new();
    let (_, modules) = inventory.split_once("$harness;\n").expect("the inventory follows the harness");
    for line in modules.lines().map(str::trim).take_while(|line| *line != "};") {
        if let Some(opened) = line.strip_suffix(" {") {
            opened.clone_into(&mut topic);
        } else if line != "}" {
            assert!(run.insert(format!("{topic}::{line}")), "{line} is listed twice");
        }
    }
    assert_eq!(run, suite().into_keys().collect());
}
