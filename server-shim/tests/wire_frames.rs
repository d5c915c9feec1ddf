//! Lines of events that watches share: who sees an event otherwise gets another line, and what is shared is told.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod wire_client;

use serde_json::{Value, json};

use crate::wire_client::{AS_METADATA, CONFIG_MAPS, MERGE, Wire};

const OWN_EVENTS: &str = "/apis/events.k8s.io/v1/namespaces/t1/events";
const CORE_EVENTS: &str = "/api/v1/namespaces/t1/events";

/// The value of a metric without labels.
async fn sample(wire: &Wire, name: &str) -> u64 {
    let page = wire.get("/metrics").await;
    let value = page.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("{name} is not in {}", page.text())).parse().unwrap()
}

fn event(event_type: &str, object: &Value) -> Value {
    json!({"type": event_type, "object": object})
}

/// One change of a long object: it comes to one selector, leaves another one, and stays for who has none.
#[tokio::test]
async fn an_event_is_of_the_type_that_each_watch_sees() {
    let wire = Wire::start_measured().await;
    let object = |color: &str| {
        let data = json!({"text": "x".repeat(10_000), "color": color});
        json!({"metadata": {"name": "a", "labels": {"color": color}}, "data": data})
    };
    let red = wire.make(CONFIG_MAPS, &object("red")).await;
    let version = wire.revision().await;
    let path = format!("{CONFIG_MAPS}?watch=true&timeoutSeconds=60&resourceVersion={version}");
    let mut watches = Vec::new();
    for selector in ["", "&labelSelector=color=blue", "&labelSelector=color=red"].repeat(3) {
        watches.push(wire.watch(&format!("{path}{selector}")).await);
    }
    let blue = wire.patch(MERGE, &format!("{CONFIG_MAPS}/a"), &object("blue")).await.expect(200);
    let mut left = red.clone();
    left["metadata"]["resourceVersion"] = blue["metadata"]["resourceVersion"].clone();
    assert_ne!(left, red);
    let seen = [event("MODIFIED", &blue), event("ADDED", &blue), event("DELETED", &left)];
    for (watch, seen) in watches.iter_mut().zip(seen.iter().cycle()) {
        assert_eq!(watch.next().await, *seen);
    }
    assert_eq!(sample(&wire, "watchkeep_watch_frames_misses_total").await, 3, "one for each type");
    assert_eq!(sample(&wire, "watchkeep_watch_frames_hits_total").await, 6);
    let sent = sample(&wire, "watchkeep_watch_send_seconds_count").await;
    assert!(sent >= 9, "each watch was sent one event, and asked for more: {sent}");
    let bytes = sample(&wire, "watchkeep_watch_frames_bytes").await;
    assert!((30_000..40_000).contains(&bytes), "{bytes}");
}

/// An object that is stored in one version and watched in two, whole and as metadata. It is long, so that it is
/// shared in both.
#[tokio::test]
async fn an_event_is_in_the_version_and_the_view_of_each_watch() {
    let wire = Wire::start_measured().await;
    let metadata_beta = AS_METADATA.replace("v=v1", "v=v1beta1");
    let mut watches = Vec::new();
    for path in [OWN_EVENTS, CORE_EVENTS].repeat(2) {
        let path = format!("{path}?watch=true&timeoutSeconds=60");
        for header in ["Accept: application/json", AS_METADATA, &metadata_beta] {
            watches.push(wire.watch_with(&path, &[header]).await);
        }
    }
    let metadata = json!({"name": "e", "annotations": {"long": "x".repeat(10_000)}});
    wire.make(CORE_EVENTS, &json!({"metadata": metadata, "message": "m", "involvedObject": {}})).await;
    let (own, core) =
        (wire.read(&format!("{OWN_EVENTS}/e")).await, wire.read(&format!("{CORE_EVENTS}/e")).await);
    assert_eq!((&own["note"], &core["message"]), (&json!("m"), &json!("m")));
    let partial = |version: &str| {
        let object =
            json!({"kind": "PartialObjectMetadata", "apiVersion": version, "metadata": own["metadata"]});
        event("ADDED", &object)
    };
    let metadata = [partial("meta.k8s.io/v1"), partial("meta.k8s.io/v1beta1")];
    let whole = [event("ADDED", &own), event("ADDED", &core)];
    let seen = whole.iter().flat_map(|whole| std::iter::once(whole).chain(&metadata));
    for (watch, seen) in watches.iter_mut().zip(seen.cycle()) {
        assert_eq!(watch.next().await, *seen);
    }
    let misses = sample(&wire, "watchkeep_watch_frames_misses_total").await;
    assert_eq!(misses, 4, "in each version, and what is converted also in each version of metadata");
    assert_eq!(sample(&wire, "watchkeep_watch_frames_hits_total").await, 4);
}

/// Long events, which are sent as they are, between short ones, which are gathered.
#[tokio::test]
async fn long_and_short_events_come_in_their_order() {
    let wire = Wire::start().await;
    let mut watches = Vec::new();
    for _ in 0..3 {
        let query = "watch=true&timeoutSeconds=3&allowWatchBookmarks=true&resourceVersion=";
        watches.push(wire.watch(&format!("{CONFIG_MAPS}?{query}{}", wire.revision().await)).await);
    }
    let (mut names, sizes) = (Vec::new(), [10, 10, 5_000, 100_000, 10, 5_000, 10, 10, 10, 70_000, 6_000]);
    for (number, size) in sizes.into_iter().enumerate() {
        let data = json!({"text": "x".repeat(size)});
        wire.make(CONFIG_MAPS, &json!({"metadata": {"name": format!("c-{number}")}, "data": data})).await;
        names.push(format!("ADDED c-{number}"));
    }
    for watch in &mut watches {
        assert_eq!(watch.briefs(sizes.len()).await, names);
        assert_eq!(watch.next().await["type"], "BOOKMARK", "the last one before the end");
        watch.assert_ends().await;
    }
}
