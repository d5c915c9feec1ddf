//! The clauses of the contract: what the essay of the crate lists, what the code upholds and what the
//! conformance suite holds are the same.

#![expect(clippy::unwrap_used, reason = "what cannot be read here is a failed test")]

mod suite;

use std::collections::BTreeMap;

use self::suite::{Names, at, files, ids, name, read, suite};

/// The clauses in the essay of the crate, each with the tests that it names.
fn essay() -> BTreeMap<String, Names> {
    let essay = read(&at("src/lib.rs"));
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
    for path in files(&at("src"), "conformance") {
        // What is broken on purpose upholds nothing.
        if path.file_name().is_some_and(|name| name != "lib.rs" && name != "defect.rs") {
            named.append(&mut ids(&read(&path)));
        }
    }
    let listed: Names = essay().into_keys().collect();
    assert_eq!(named, listed, "ids in the code, and in the essay");
}

#[test]
fn every_test_of_the_suite_is_run() {
    let inventory = read(&at("src/conformance/mod.rs"));
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
