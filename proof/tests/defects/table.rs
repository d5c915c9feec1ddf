//! The table of defects in `docs/testing.md` says what is seeded, and what catches it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What is said of a defect: what is wrong, which promise that breaks, of which backend, and what catches it.
type Row = [String; 4];

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

/// The defects in the code: what is wrong with each, and the promise.
fn seeded() -> BTreeMap<String, (String, String)> {
    let mut seeded = BTreeMap::new();
    let mut doc = String::new();
    for line in read("storage/src/defect.rs").lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("/// ") {
            doc = format!("{doc} {text}");
            continue;
        }
        if let Some(name) =
            line.strip_suffix(',').filter(|name| name.bytes().all(|byte| byte.is_ascii_alphabetic()))
        {
            let (what, promise) = doc.trim().split_once(" \\[").unwrap_or_else(|| panic!("{name}: {doc}"));
            let promise = promise.strip_suffix("\\]").unwrap_or_else(|| panic!("{name}: one promise"));
            seeded.insert(name.to_owned(), (what.to_owned(), promise.to_owned()));
        }
        doc.clear();
    }
    seeded
}

/// `MemoryTrimsUnmarked` as the name of a function.
fn snake_case(name: &str) -> String {
    let letter = |(at, letter): (usize, char)| {
        let gap = if at > 0 && letter.is_ascii_uppercase() { "_" } else { "" };
        format!("{gap}{}", letter.to_ascii_lowercase())
    };
    name.chars().enumerate().map(letter).collect()
}

/// The tests by name: the backend whose defects they look for, and by what.
fn tests() -> BTreeMap<String, (String, String)> {
    let mut tests = BTreeMap::new();
    for backend in ["shared", "memory", "rocksdb", "etcd3", "cache"] {
        let text = read(&format!("proof/tests/defects/{backend}.rs"));
        for function in text.split("#[test]\nfn ").skip(1) {
            let (name, body) = function.split_once('(').unwrap();
            let by = if body.contains("by_the_model") {
                "the model".to_owned()
            } else if body.contains("by_conformance(") {
                format!("conformance: `{}`", body.split('"').nth(1).unwrap())
            } else {
                assert!(body.contains("by_a_scenario("), "{name} does not say by what");
                "a scenario".to_owned()
            };
            tests.insert(name.to_owned(), (backend.to_owned(), by));
        }
    }
    tests
}

/// The rows of the table, and the cells that are measured.
fn table() -> BTreeMap<String, (Row, String)> {
    let page = read("docs/testing.md");
    let (_, section) = page.split_once("\n## Seeded defects\n").expect("a section of defects");
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let parse = |line: &str| {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
        let [name, what, promise, backend, by, measured] = <[String; 6]>::try_from(cells).expect("six cells");
        (name.replace('`', ""), ([what, promise, backend, by], measured))
    };
    rows.map(parse).collect()
}

#[test]
fn every_defect_has_a_test_and_a_row_and_nothing_else_has() {
    let (seeded, mut tests, table) = (seeded(), tests(), table());
    assert!(seeded.len() >= 20, "{seeded:?}");
    let mut expected = BTreeMap::new();
    for (name, (what, promise)) in seeded {
        let (backend, by) =
            tests.remove(&snake_case(&name)).unwrap_or_else(|| panic!("nothing looks for {name}"));
        expected.insert(name, [what, promise, backend, by]);
    }
    assert!(tests.is_empty(), "they look for nothing that is seeded: {tests:?}");
    for (name, row) in &expected {
        let (written, measured) = table.get(name).unwrap_or_else(|| panic!("{name} has no row: {row:?}"));
        assert_eq!(written, row, "the row of {name}");
        assert!(!measured.is_empty(), "{name}: how long it takes");
    }
    assert_eq!(table.len(), expected.len(), "{:?}", table.keys());
}

#[test]
fn every_promise_of_a_defect_is_one() {
    let (contract, architecture) = (read("storage/src/lib.rs"), read("ARCHITECTURE.md"));
    for (name, (_, promise)) in seeded() {
        let is_clause = contract.contains(&format!("**\\[{promise}\\]**"));
        assert!(is_clause || architecture.contains(&format!("**{promise} ")), "{name}: {promise}");
    }
}
