//! `shardSelector`: parts of a collection by a hash that the client can compute too.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod wire_client;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::wire_client::{AS_METADATA_LIST, AS_TABLE, CONFIG_MAPS, MERGE, Wire, failure, names, version_of};

/// Enough that no shard is without an object, but once in a billion runs.
const OBJECTS: usize = 60;

const LOWER: &str = "shardRange(object.metadata.uid, '0x0000000000000000', '0x8000000000000000')";
const UPPER: &str = "shardRange(object.metadata.uid, '0x8000000000000000', '0x10000000000000000')";

async fn filled() -> Wire {
    let wire = Wire::start().await;
    let all: Vec<_> = (0..OBJECTS).map(|number| format!("c{number:02}")).collect();
    wire.make_labelled_config_maps(&all.iter().map(String::as_str).collect::<Vec<_>>()).await;
    wire
}

/// The value of a query's parameter.
fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn sharded(selector: &str, query: &str) -> String {
    format!("{CONFIG_MAPS}?shardSelector={}&{query}", encoded(selector))
}

/// FNV-1a, as a client computes it.
fn hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn is_lower(object: &Value) -> bool {
    hash(object["metadata"]["uid"].as_str().unwrap()) < 1 << 63
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn two_shards_list_together_what_the_collection_lists() {
    let wire = filled().await;
    let version = wire.revision().await;
    for query in [
        String::new(),
        "resourceVersion=0".to_owned(),
        format!("resourceVersion={version}&resourceVersionMatch=Exact"),
        "labelSelector=n=5".to_owned(),
    ] {
        let whole = wire.read(&format!("{CONFIG_MAPS}?{query}")).await;
        assert_eq!(whole["metadata"].get("shardInfo"), None);
        let lower = wire.read(&sharded(LOWER, &query)).await;
        let upper = wire.read(&sharded(UPPER, &query)).await;
        for (shard, wanted) in [(&lower, true), (&upper, false)] {
            let items = shard["items"].as_array().unwrap();
            assert!(!items.is_empty() && items.iter().all(|item| is_lower(item) == wanted), "{query}");
            assert_eq!(version_of(shard), version_of(&whole));
        }
        let mut both = [names(&lower), names(&upper)].concat();
        both.sort_unstable();
        assert_eq!(both, names(&whole), "{query}");
        let together = wire.read(&sharded(&format!("{UPPER} || {LOWER}"), &query)).await;
        assert_eq!(together["items"], whole["items"]);
    }
}

#[tokio::test]
async fn a_list_says_of_which_shard_it_is() {
    let wire = filled().await;
    let form = json!({"selector": LOWER});
    let list = wire.read(&sharded(LOWER, "")).await;
    assert_eq!(list["metadata"], json!({"resourceVersion": version_of(&list), "shardInfo": form}));
    for header in [AS_METADATA_LIST, AS_TABLE] {
        let answer = wire.send("GET", &sharded(LOWER, "limit=1"), &[header], b"").await.expect(200);
        let metadata = &answer["metadata"];
        assert_eq!(metadata["shardInfo"], form, "{header}");
        assert!(metadata["continue"].is_string(), "{header}");
        assert_eq!(metadata.get("remainingItemCount"), None, "{header}");
        let whole = wire.send("GET", CONFIG_MAPS, &[header], b"").await.expect(200);
        assert_eq!(whole["metadata"].get("shardInfo"), None, "{header}");
    }
    // In the words of the client.
    let own = "\tshardRange(object.metadata.uid,\"0x0000000000000000\",\"0x8000000000000000\")";
    let list = wire.read(&sharded(own, "")).await;
    assert_eq!(list["metadata"]["shardInfo"], json!({"selector": own}));
    // None is asked for.
    assert_eq!(wire.read(&sharded("", "")).await["metadata"].get("shardInfo"), None);
}

#[tokio::test]
async fn pages_of_a_shard_make_it_up() {
    let wire = filled().await;
    let whole = wire.read(&sharded(LOWER, "")).await;
    let mut found = Vec::new();
    let mut query = "limit=7".to_owned();
    loop {
        let page = wire.read(&sharded(LOWER, &query)).await;
        assert_eq!(page["metadata"]["shardInfo"], json!({"selector": LOWER}));
        assert_eq!(page["metadata"].get("remainingItemCount"), None);
        found.extend(owned(&names(&page)));
        let Some(token) = page["metadata"]["continue"].as_str() else { break };
        assert_eq!(names(&page).len(), 7);
        wire.make_config_map(&format!("c00-{}", found.len())).await;
        query = format!("limit=7&continue={token}");
    }
    assert_eq!(found, names(&whole));
}

#[tokio::test]
async fn a_shard_by_namespace_has_whole_namespaces() {
    let wire = Wire::start().await;
    for (namespace, name) in [("t1", "a"), ("default", "b"), ("default", "c")] {
        let path = format!("/api/v1/namespaces/{namespace}/configmaps");
        wire.make(&path, &json!({"metadata": {"name": name}})).await;
    }
    let hash = hash("default");
    let only = format!("shardRange(object.metadata.namespace, '{hash:#018x}', '{:#018x}')", hash + 1);
    let list = wire.read(&format!("/api/v1/configmaps?shardSelector={}", encoded(&only))).await;
    assert_eq!(names(&list), ["b", "c"]);
    assert!(names(&wire.read(&sharded(&only, "")).await).is_empty(), "t1 is not in it");
}

#[tokio::test]
async fn a_watch_shows_the_events_of_its_shard() {
    let wire = filled().await;
    let whole = wire.read(CONFIG_MAPS).await;
    let start = wire.revision().await;
    let streaming = "watch=true&timeoutSeconds=60&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    for (selector, wanted) in [(LOWER, true), (UPPER, false)] {
        let mut initial = wire.watch(&sharded(selector, streaming)).await;
        for item in whole["items"].as_array().unwrap().iter().filter(|item| is_lower(item) == wanted) {
            let event = initial.next().await;
            assert_eq!((&event["type"], &event["object"]["metadata"]), (&json!("ADDED"), &item["metadata"]));
        }
        assert_eq!(initial.next().await["type"], "BOOKMARK");
    }
    let from = format!("watch=true&timeoutSeconds=60&resourceVersion={start}");
    let mut lower = wire.watch(&sharded(LOWER, &from)).await;
    let mut upper = wire.watch(&sharded(UPPER, &from)).await;
    let (mut in_lower, mut in_upper) = (Vec::new(), Vec::new());
    for item in whole["items"].as_array().unwrap() {
        let name = item["metadata"]["name"].as_str().unwrap();
        let path = format!("{CONFIG_MAPS}/{name}");
        wire.patch(MERGE, &path, &json!({"metadata": {"labels": {"n": "6"}}})).await.expect(200);
        assert_eq!(wire.delete(&path).await.status, 200);
        let seen = if is_lower(item) { &mut in_lower } else { &mut in_upper };
        seen.extend([format!("MODIFIED {name}"), format!("DELETED {name}")]);
    }
    assert_eq!(lower.briefs(in_lower.len()).await, in_lower);
    assert_eq!(upper.briefs(in_upper.len()).await, in_upper);
}

#[tokio::test]
async fn a_collection_is_deleted_by_shard() {
    let wire = filled().await;
    let lower = wire.read(&sharded(LOWER, "")).await;
    let upper = wire.read(&sharded(UPPER, "")).await;
    let gone = wire.delete(&sharded(LOWER, "")).await.expect(200);
    assert_eq!(gone["items"], lower["items"], "what was deleted, as it was");
    assert_eq!(gone["metadata"]["shardInfo"], json!({"selector": LOWER}));
    let left = wire.read(CONFIG_MAPS).await;
    assert_eq!(left["items"], upper["items"], "the other shard is still there");
    assert_eq!(wire.delete(&sharded("all", "")).await.status, 400);
    assert_eq!(names(&wire.read(CONFIG_MAPS).await), names(&left), "a bad selector deletes nothing");
}

#[tokio::test]
async fn bad_shards_are_refused_in_words() {
    let wire = Wire::start().await;
    let bounds = "expected: 0x and 16 digits of 0-9 and a-f, as '0x8000000000000000', or '0x10000000000000000' \
                  for the end of all hashes";
    for (selector, error) in [
        (" ", "it is empty: leave it out to select all objects".to_owned()),
        ("a=b", "found \"a=b\", expected: shardRange(…)".to_owned()),
        (
            "shardRange(object.metadata.name, '0x0000000000000000', '0x8000000000000000')",
            "unknown field \"object.metadata.name\", expected: object.metadata.uid, object.metadata.namespace"
                .to_owned(),
        ),
        (
            "shardRange(object.metadata.uid, '0x0', '0x8000000000000000')",
            format!("unknown bound \"0x0\", {bounds}"),
        ),
        (
            "shardRange(object.metadata.uid, '0x8000000000000000', '0x8000000000000000')",
            "a range has to begin below its end, found '0x8000000000000000' and '0x8000000000000000'".to_owned(),
        ),
    ] {
        let message = format!("invalid shard selector: {error}");
        let expected = failure(400, "BadRequest", &message, Value::Null);
        for query in ["", "watch=true", "limit=1&resourceVersion=0"] {
            wire.get(&sharded(selector, query)).await.assert_is(&expected, selector);
        }
    }
    let long = format!("{LOWER}{}", " ".repeat(64 * 1024));
    let answer = wire.get(&sharded(&long, "")).await;
    assert!((400..500).contains(&answer.status), "{}", answer.status);
}

/// Clients count on it when they are given more ranges, and others fewer.
#[tokio::test]
async fn every_number_of_shards_covers_the_collection() {
    let wire = filled().await;
    let all: BTreeSet<_> = owned(&names(&wire.read(CONFIG_MAPS).await)).into_iter().collect();
    for shards in [1_u128, 3, 5] {
        let mut found = BTreeSet::new();
        for shard in 0..shards {
            let bound = |at: u128| (at << 64) / shards;
            let (start, end) = (bound(shard), bound(shard + 1));
            let selector = format!("shardRange(object.metadata.uid, '{start:#018x}', '{end:#018x}')");
            for name in names(&wire.read(&sharded(&selector, "")).await) {
                assert!(found.insert(name.to_owned()), "{name} is in two of {shards} shards");
            }
        }
        assert_eq!(found, all, "{shards}");
    }
}
