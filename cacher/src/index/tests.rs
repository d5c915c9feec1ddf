//! The indexes against filtering all objects.

use std::collections::BTreeMap;

use proptest::prelude::*;
use watchkeep_storage::{Revision, Schema, SelectableField, Value};

use super::*;

const VALUES: [&str; 5] = ["", "a", "ab", "b", "c"];

/// A pod of a number, on a node, with a label or without.
fn pod(number: u8, node: usize, app: Option<usize>, revision: u64) -> Arc<Record> {
    let labels = app.map_or(String::new(), |app| format!(r#","labels":{{"app":"{}"}}"#, VALUES[app]));
    let (namespace, name) = (number % 3, number / 3);
    let spec = match VALUES[node] {
        "" => "{}".to_owned(),
        node => format!(r#"{{"nodeName":"{node}"}}"#),
    };
    let bytes = format!(
        r#"{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"p-{name}","namespace":"n-{namespace}","uid":"u"{labels}}},"spec":{spec}}}"#
    );
    let schema = Schema::new(1, vec![SelectableField::new("spec.nodeName")]);
    let value = Value::new(bytes.into_bytes(), &schema).expect("the bytes are in canonical form");
    let key = Key::unchecked(&format!("/pods/n-{namespace}/p-{name}"));
    Arc::new(Record { key, value, revision: Revision::new(revision) })
}

fn attributes() -> [Attribute; 2] {
    [Attribute::Label("app".into()), Attribute::Field("spec.nodeName".into())]
}

fn assert_filters(index: &Index, objects: &BTreeMap<Key, Arc<Record>>) {
    for value in VALUES {
        let matches = |record: &&Arc<Record>| index.attribute().of(record) == Some(value);
        let expected: Vec<_> = objects.values().filter(matches).cloned().collect();
        let selected: Vec<_> = index.select(value).flat_map(|chunk| chunk.values).cloned().collect();
        assert!(same(&selected, &expected), "{value:?} selects {selected:?}");
        assert_eq!(index.count(value), expected.len());
        // The objects of a namespace, read from the middle on.
        let prefix = "/pods/n-1/";
        let start = index.rank(value, |key| key.as_str() < prefix);
        let end = index.rank(value, |key| key.as_str() < prefix || key.as_str().starts_with(prefix));
        let of_namespace: Vec<_> =
            expected.iter().filter(|record| record.key.as_str().starts_with(prefix)).cloned().collect();
        assert!(same(&index.cursor(value, start..end).next_batch(usize::MAX), &of_namespace));
        let mut rest = index.cursor(value, start..usize::MAX);
        assert_eq!(rest.remaining(), expected.len() - start);
        assert!(same(&rest.next_batch(3), &expected[start..expected.len().min(start + 3)]));
    }
}

fn same(one: &[Arc<Record>], other: &[Arc<Record>]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| Arc::ptr_eq(one, other))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_index_selects_what_filtering_selects(
        changes in prop::collection::vec(
            (0..60_u8, prop::option::weighted(0.8, (0..5_usize, prop::option::of(0..5_usize)))), 0..150
        ),
        kept_at in 0..150_usize,
    ) {
        let mut indexes = Indexes::new(attributes());
        let mut objects: BTreeMap<Key, Arc<Record>> = BTreeMap::new();
        let mut kept = (indexes.clone(), objects.clone());
        for (step, (number, change)) in changes.into_iter().enumerate() {
            if step == kept_at {
                kept = (indexes.clone(), objects.clone());
            }
            let key = pod(number, 0, None, 1).key.clone();
            let current = change.map(|(node, app)| pod(number, node, app, step as u64 + 1));
            let previous = match &current {
                Some(current) => objects.insert(key, Arc::clone(current)),
                None => objects.remove(&key),
            };
            indexes.apply(previous.as_ref(), current.as_ref());
        }
        let records: Vec<_> = objects.values().rev().cloned().collect();
        let rebuilt = indexes.rebuilt(&records);
        for (indexes, objects) in [(&indexes, &objects), (&rebuilt, &objects), (&kept.0, &kept.1)] {
            let (app, node) = (indexes.label("app").unwrap(), indexes.field("spec.nodeName").unwrap());
            assert_filters(app, objects);
            assert_filters(node, objects);
            prop_assert_eq!(node.len(), objects.len(), "every object has the field");
        }
    }
}

#[test]
fn objects_of_one_value_share_its_text() {
    let pods: Vec<_> = (0..100).map(|number| pod(number, 1, Some(2), 1)).collect();
    let mut applied = Index::new(Attribute::Label("app".into()));
    for pod in &pods {
        applied.apply(None, Some(pod));
    }
    for index in [&applied, &Index::of(Attribute::Label("app".into()), &pods)] {
        let mut texts = index.select("ab").flat_map(|chunk| chunk.keys).map(|place| place.value.as_ptr());
        let first = texts.next();
        assert!(first.is_some() && texts.all(|text| Some(text) == first));
    }
}

#[test]
fn only_what_is_declared_is_indexed() {
    let indexes = Indexes::new(attributes());
    assert!(indexes.label("spec.nodeName").is_none() && indexes.field("app").is_none());
    assert!(indexes.label("app").is_some_and(Index::is_empty));
}
