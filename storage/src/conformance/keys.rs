//! Keys.

use super::harness::{Harness, Setup};
use super::instrument::paths;
use super::object::pod;
use crate::error::Error;
use crate::key::{Key, KeyError, Scope};
use crate::list::ReadAt;
use crate::schema::Schema;

/// Holds \[KEYS\].
pub async fn only_keys_of_the_resource_are_keys(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let prefix = pods.prefix();
    for text in ["/pods/", "/pods/name", "/pods/ns/name", "/pods/ns/bar..baz", "/pods/ns/bar.."] {
        assert_eq!(prefix.key(text).unwrap().as_str(), text);
    }
    for text in ["", "/"] {
        assert_eq!(prefix.key(text), Err(KeyError::Empty { key: text.to_owned() }));
        assert_eq!(prefix.scope(text), Err(KeyError::Empty { key: text.to_owned() }));
    }
    for text in [".", "..", "/pods/.", "/pods/..", "/pods/../nodes/a", "/pods/./a", "./pods/a"] {
        assert_eq!(prefix.key(text), Err(KeyError::Invalid { key: text.to_owned() }), "{text}");
        assert_eq!(prefix.scope(text), Err(KeyError::Invalid { key: text.to_owned() }), "{text}");
    }
    for text in ["pods", "pods/a", "/pods.apps", "/pods.apps/a", "/podsandmore/a", "/foo/"] {
        assert!(matches!(prefix.key(text), Err(KeyError::LacksPrefix { .. })), "{text}");
        assert!(matches!(prefix.scope(text), Err(KeyError::LacksPrefix { .. })), "{text}");
    }
    assert!(matches!(prefix.key("/pods"), Err(KeyError::LacksPrefix { .. })), "of no object");
    assert_eq!(prefix.scope("/pods"), Ok(pods.all()), "but of all");
}

/// Holds \[KEYS\]: the longest key, and names with every byte that a name may have.
pub async fn every_legal_key_can_be_used(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let long = (&*"n".repeat(63), &*"x".repeat(253));
    for (namespace, name) in [("ns", "system:node:a@b~c_d-e.f"), ("ns", "ü"), ("ns", "-"), long] {
        let object = pod(namespace, name);
        let record = pods.put(&object).await;
        assert_eq!(pods.find(&object).await.as_ref(), Some(&record));
        let (records, _) = pods.read(pods.namespace(namespace), ReadAt::Latest).await.unwrap();
        assert!(records.contains(&record));
        let (records, _) = pods.read(pods.one(&object), ReadAt::Latest).await.unwrap();
        assert_eq!(records, [record]);
    }
}

/// Holds \[KEYS\]: a scope covers what begins with it and a slash, in lists as in `contains`.
pub async fn a_scope_covers_the_keys_that_it_contains(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let objects = [pod("foo", "a"), pod("foo", "a.b"), pod("foobar", "a"), pod("fo", "oa")];
    for object in &objects {
        pods.put(object).await;
    }
    let scopes = [pods.all(), pods.namespace("foo"), pods.namespace("fo"), pods.one(&objects[0])];
    for scope in scopes {
        let (records, _) = pods.read(scope.clone(), ReadAt::Latest).await.unwrap();
        let mut want: Vec<Key> = objects.iter().map(|object| pods.key(object)).collect();
        want.retain(|key| scope.contains(key));
        want.sort();
        assert_eq!(records.iter().map(|record| record.key.clone()).collect::<Vec<_>>(), want);
    }
    let Scope::Under(all) = pods.all() else { panic!("a resource is a range") };
    let (records, _) = pods.read(Scope::One(all), ReadAt::Latest).await.unwrap();
    assert_eq!(paths(&records), [""; 0], "the prefix is the key of no object");
}

/// Holds \[KEYS\]: every key belongs to one resource, and every resource has one schema.
pub async fn resources_do_not_overlap(harness: &dyn Harness) {
    let store = harness.open(Setup::default()).await;
    let pods = store.pods().await;
    let object = pod("ns", "a");
    let record = pods.put(&object).await;
    for prefix in ["/pods/ns", "/pods/ns/"] {
        let refused = store.try_resource(prefix, pods.schema().clone()).await;
        assert!(matches!(refused, Err(Error::Key(KeyError::Overlaps { .. }))), "{prefix}");
    }
    let refused = store.try_resource("/pods", Schema::default()).await;
    assert!(matches!(refused, Err(Error::SchemaDiffers { .. })));
    assert_eq!(store.pods().await.find(&object).await, Some(record), "opening it again gives the same one");
}
