//! What a proof says to be broken is a promise of the contract.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The clauses of the contract, as the documentation of the storage crate lists them.
fn clauses() -> BTreeSet<String> {
    let essay = Path::new(env!("CARGO_MANIFEST_DIR")).join("../storage/src/lib.rs");
    let text = fs::read_to_string(essay).unwrap();
    let listed = text.lines().filter_map(|line| line.strip_prefix("//! - **\\[")?.split_once("\\]**"));
    listed.map(|(id, _)| id.to_owned()).collect()
}

/// The texts in quotes of a file that look like the id of a clause.
fn named(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            named(&path, found);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let is_id = |text: &&str| {
            text.contains('-') && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-')
        };
        found.extend(text.split('"').filter(is_id).map(str::to_owned));
    }
}

#[test]
fn every_promise_that_a_checker_names_is_a_clause_of_the_contract() {
    let clauses = clauses();
    assert!(clauses.contains("WATCH-ORDERED"), "{clauses:?}");
    let mut found = BTreeSet::new();
    named(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    let unknown: Vec<_> = found.difference(&clauses).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert!(found.len() > 20, "{found:?}");
}
