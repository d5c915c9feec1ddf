//! The typed view.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use serde::{Deserialize, Serialize};

use super::harness::{Harness, Setup};
use super::instrument::selecting;
use super::interleave::Interleave;
use super::object::pod;
use crate::error::Error;
use crate::event::EventType;
use crate::interface::Freshness;
use crate::list::ListOptions;
use crate::precondition::Preconditions;
use crate::typed::{Typed, TypedEvent};
use crate::watch::WatchOptions;

/// A type as a controller has it; its fields are not in canonical order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pod {
    metadata: Metadata,
    kind: String,
    spec: Spec,
    api_version: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resource_version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    name: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    node_name: String,
    mark: String,
}

fn typed(node: &str) -> Pod {
    Pod {
        metadata: Metadata {
            name: "a".to_owned(),
            namespace: Some("ns".to_owned()),
            uid: Some("u".to_owned()),
            labels: BTreeMap::from([("color".to_owned(), "red".to_owned())]),
            ..Metadata::default()
        },
        kind: "Pod".to_owned(),
        api_version: "v1".to_owned(),
        spec: Spec { node_name: node.to_owned(), mark: String::new() },
    }
}

/// Holds \[TYPED\].
pub async fn typed_objects_come_back_with_their_revision(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let (view, key) = (Typed::<Pod>::new(pods.interface()), pods.key(&pod("ns", "a")));
    assert_eq!(view.get(&key, Freshness::Latest).await.unwrap(), None);

    let created = view.create(key.clone(), &typed("n1"), None).await.unwrap();
    assert_eq!(created.object.metadata.resource_version, Some(created.revision.to_string()));
    assert_eq!(view.get(&key, Freshness::Latest).await.unwrap().as_ref(), Some(&created));
    let stored = pods.find(&pod("ns", "a")).await.unwrap();
    assert_eq!(stored.value.attributes().label("color"), Some("red"), "selectors see typed objects");
    assert_eq!(stored.value.attributes().field("spec.nodeName"), Some("n1"));

    let updated = view.update(&key, |object| object.spec.node_name.replace_range(.., "n2")).await.unwrap();
    assert!(updated.revision > created.revision);
    assert_eq!(updated.object.spec.node_name, "n2");
    let same = view.update(&key, |_| {}).await.unwrap();
    assert_eq!(same, updated, "nothing changed, nothing was written");

    let deleted = view.delete(&key, &Preconditions::uid("u")).await.unwrap();
    assert!(deleted.revision > updated.revision);
    assert_eq!(deleted.object.metadata.resource_version, Some(deleted.revision.to_string()));
    assert_eq!(deleted.object.spec, updated.object.spec);
    assert_eq!(view.get(&key, Freshness::Latest).await.unwrap(), None);
}

/// Holds \[TYPED\], \[CREATE\].
pub async fn a_typed_object_with_a_resource_version_cannot_be_created(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let (view, key) = (Typed::<Pod>::new(pods.interface()), pods.key(&pod("ns", "a")));
    let mut object = typed("n1");
    object.metadata.resource_version = Some("1".to_owned());
    let refused = view.create(key.clone(), &object, None).await;
    assert_eq!(refused.unwrap_err(), Error::ResourceVersionOnCreate);
    view.create(key.clone(), &typed("n1"), None).await.unwrap();
    let refused = view.create(key.clone(), &typed("n1"), None).await;
    assert_eq!(refused.unwrap_err(), Error::Exists { key });
}

/// Holds \[TYPED\], \[UPDATE-CURRENT\].
pub async fn a_typed_update_that_lost_a_race_is_made_again(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let key = pods.key(&pod("ns", "a"));
    let store = Arc::new(Interleave::new(&pods));
    let view = Typed::<Pod>::new(store.clone());
    let missing = view.update(&key, |_| {}).await;
    assert_eq!(missing.unwrap_err(), Error::NotFound { key: key.clone() });

    view.create(key.clone(), &typed("n1"), None).await.unwrap();
    let rival = Typed::<Pod>::new(pods.interface());
    let rival_key = key.clone();
    store.before_commit(async move {
        rival.update(&rival_key, |object| object.spec.mark.push('r')).await.unwrap();
    });
    let updated = view.update(&key, |object| object.spec.mark.push('x')).await.unwrap();
    assert_eq!(updated.object.spec.mark, "rx");
}

/// Holds \[TYPED\].
pub async fn what_is_not_of_the_type_is_corrupt(harness: &dyn Harness) {
    #[derive(Debug, Serialize, Deserialize)]
    struct Strict {
        nothing_like_this: u8,
    }
    let pods = harness.open(Setup::default()).await.pods().await;
    pods.put(&pod("ns", "a")).await;
    let (view, key) = (Typed::<Strict>::new(pods.interface()), pods.key(&pod("ns", "a")));
    let corrupt = view.get(&key, Freshness::Latest).await.unwrap_err();
    assert!(matches!(corrupt, Error::Corrupt { .. }), "{corrupt:?}");
}

/// Holds \[TYPED\], \[TTL-EVENT\].
pub async fn a_typed_object_expires(harness: &dyn Harness) {
    let store = harness.open(Setup::default()).await;
    let pods = store.pods().await;
    let (view, key) = (Typed::<Pod>::new(pods.interface()), pods.key(&pod("ns", "a")));
    view.create(key.clone(), &typed("n1"), Some(Duration::from_secs(1))).await.unwrap();
    store.advance(Duration::from_secs(3)).await;
    assert_eq!(view.get(&key, Freshness::Latest).await.unwrap(), None);
}

/// Holds \[TYPED\].
pub async fn typed_lists_and_watches_show_what_the_store_does(harness: &dyn Harness) {
    let pods = harness.open(Setup::default()).await.pods().await;
    let (view, key) = (Typed::<Pod>::new(pods.interface()), pods.key(&pod("ns", "a")));
    let created = view.create(key.clone(), &typed("n1"), None).await.unwrap();
    let options = |node: &str| ListOptions {
        predicate: selecting("color=red", &format!("spec.nodeName={node}")),
        ..ListOptions::default()
    };
    let page = view.list(pods.all(), &options("n1")).await.unwrap();
    assert_eq!((page.objects, page.continue_token), (vec![created.clone()], None));
    assert_eq!(view.list(pods.all(), &options("n2")).await.unwrap().objects, []);

    let from = WatchOptions { resource_version: created.revision.to_string(), ..WatchOptions::default() };
    let mut watch = pin!(view.watch(pods.all(), &from).await.unwrap());
    let updated = view.update(&key, |pod| "n2".clone_into(&mut pod.spec.node_name)).await.unwrap();
    let deleted = view.delete(&key, &Preconditions::NONE).await.unwrap();
    for (event_type, object) in [(EventType::Modified, updated), (EventType::Deleted, deleted)] {
        let event = watch.next().await.unwrap().unwrap();
        assert!(matches!(event, TypedEvent::Change(seen, shown) if seen == event_type && shown == object));
    }
}
