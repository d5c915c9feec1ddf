//! Which of its objects a picture looks at.

use watchkeep_storage::selector::{FieldSelector, LabelSelector};
use watchkeep_storage::{ResourcePrefix, Schema, SelectableField, Value};

use super::*;
use crate::index::Attribute;

fn record(namespace: &str, name: &str, node: &str, app: &str) -> Arc<Record> {
    let json = format!(
        r#"{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"{name}","namespace":"{namespace}","labels":{{"app":"{app}"}}}},"spec":{{"nodeName":"{node}"}}}}"#
    );
    let schema = Schema::new(1, vec![SelectableField::new("spec.nodeName")]);
    let value = Value::new(json.into_bytes(), &schema).unwrap();
    let key = Key::unchecked(&format!("/pods/{namespace}/{name}"));
    Arc::new(Record { key, value, revision: Revision::new(1) })
}

/// Two namespaces with three objects each, of which two are on `n1` and one is of `web`.
fn picture(attributes: impl IntoIterator<Item = Attribute>) -> Picture {
    let records = ["a", "b"].into_iter().flat_map(|namespace| {
        [("x", "n1", "web"), ("y", "n1", "db"), ("z", "n2", "db")]
            .map(|(name, node, app)| record(namespace, name, node, app))
    });
    Picture::of_nothing(Indexes::new(attributes)).of(records.collect(), Revision::new(1))
}

#[test]
fn an_index_serves_what_pins_its_value_and_nothing_else() {
    let indexed = picture([Attribute::Field("spec.nodeName".into()), Attribute::Label("app".into())]);
    let plain = picture([]);
    let pods = ResourcePrefix::new("/pods").unwrap();
    let (all, of_a) = (pods.under(None).unwrap(), pods.under(Some("a")).unwrap());
    let one = Scope::One(pods.object(Some("a"), "x").unwrap());
    // Scope, labels, fields; whether an index serves it, and how many objects are looked at.
    for (scope, labels, fields, is_served, looked_at) in [
        (&all, "", "", false, 6),
        (&all, "", "spec.nodeName=n1", true, 4),
        (&all, "", "spec.nodeName=n3", true, 0),
        (&all, "", "spec.nodeName!=n1", false, 6),
        (&all, "", "metadata.namespace=a", false, 6),
        (&all, "", "metadata.name=x", false, 6),
        (&all, "", "metadata.name=x,spec.nodeName=n1", true, 4),
        (&all, "app=web", "", true, 2),
        (&all, "app!=web", "", false, 6),
        (&all, "app", "", false, 6),
        (&all, "tier=front", "", false, 6),
        (&all, "tier=front,app=web", "", true, 2),
        (&of_a, "", "", false, 3),
        (&of_a, "", "spec.nodeName=n1", true, 2),
        (&of_a, "app=web", "", true, 1),
        (&one, "", "", false, 1),
        (&one, "", "spec.nodeName=n1", false, 1),
    ] {
        let case = format!("{scope:?} {labels:?} {fields:?}");
        let (labels, fields) = (LabelSelector::parse(labels).unwrap(), FieldSelector::parse(fields).unwrap());
        let predicate = Predicate::new(labels, fields);
        let places = indexed.matching(scope, None, &predicate);
        assert_eq!((places.index.is_some(), places.len()), (is_served, looked_at), "{case}");
        assert_eq!(plain.matching(scope, None, &predicate).index, None, "{case}");
        let found = |picture: &Picture, places: &Places| -> Vec<_> {
            let matching = |record: &&Arc<Record>| predicate.matches(record.value.attributes());
            picture.records(places).filter(matching).map(|record| record.key.clone()).collect()
        };
        let expected = found(&plain, &plain.places(scope, None));
        assert_eq!(found(&indexed, &places), expected, "{case}");
    }
}
