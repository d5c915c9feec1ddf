//! Namespaces keep what is theirs: nothing that a client sends, and no task that outlived its namespace, may
//! cost an active one its content.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod wire_client;

use serde_json::{Value, json};

use crate::wire_client::{MERGE, Wire, not_found};

const NAMESPACES: &str = "/api/v1/namespaces";

async fn make_namespace(wire: &Wire, name: &str) -> Value {
    wire.make(NAMESPACES, &json!({"metadata": {"name": name}})).await
}

async fn make_content(wire: &Wire, namespace: &str, name: &str, finalizers: &[&str]) {
    let object = json!({"metadata": {"name": name, "finalizers": finalizers}});
    wire.make(&format!("{NAMESPACES}/{namespace}/configmaps"), &object).await;
}

/// Waits until a namespace is gone.
async fn gone(wire: &Wire, name: &str) {
    let query = format!("{NAMESPACES}?watch=true&fieldSelector=metadata.name={name}&timeoutSeconds=60");
    let mut watch = wire.watch(&query).await;
    if wire.get(&format!("{NAMESPACES}/{name}")).await.status == 404 {
        return;
    }
    while watch.brief().await.0 != "DELETED" {}
}

#[tokio::test]
async fn a_dry_run_of_a_deletion_leaves_the_content() {
    let wire = Wire::start().await;
    let made = make_namespace(&wire, "dry").await;
    make_content(&wire, "dry", "c", &[]).await;
    let answer = wire.delete(&format!("{NAMESPACES}/dry?dryRun=All")).await.expect(200);
    assert_eq!(answer["status"]["phase"], "Terminating", "as it would be");
    // Another namespace comes and goes: by then a task for the first one would have done its work.
    make_namespace(&wire, "other").await;
    wire.delete(&format!("{NAMESPACES}/other")).await.expect(200);
    gone(&wire, "other").await;
    assert_eq!(wire.read(&format!("{NAMESPACES}/dry")).await, made);
    wire.get(&format!("{NAMESPACES}/dry/configmaps/c")).await.expect(200);
}

#[tokio::test]
async fn a_namespace_made_again_is_not_the_one_that_was_deleted() {
    let wire = Wire::start().await;
    make_namespace(&wire, "n").await;
    make_content(&wire, "n", "held", &["example.com/x"]).await;
    for _ in 0..3 {
        wire.delete(&format!("{NAMESPACES}/n")).await.expect(200);
    }
    let held = format!("{NAMESPACES}/n/configmaps/held");
    wire.patch(MERGE, &held, &json!({"metadata": {"finalizers": []}})).await.expect(200);
    gone(&wire, "n").await;
    let made = make_namespace(&wire, "n").await;
    make_content(&wire, "n", "new", &[]).await;
    // A namespace with content that is held for two rounds: by then tasks of the old one would have acted.
    make_namespace(&wire, "clock").await;
    make_content(&wire, "clock", "held", &["example.com/x"]).await;
    wire.delete(&format!("{NAMESPACES}/clock")).await.expect(200);
    let held = format!("{NAMESPACES}/clock/configmaps/held");
    wire.patch(MERGE, &held, &json!({"metadata": {"finalizers": []}})).await.expect(200);
    gone(&wire, "clock").await;
    assert_eq!(wire.read(&format!("{NAMESPACES}/n")).await, made);
    wire.get(&format!("{NAMESPACES}/n/configmaps/new")).await.expect(200);
}

#[tokio::test]
async fn clients_change_neither_finalizers_nor_phase_nor_the_own_label() {
    let wire = Wire::start().await;
    make_namespace(&wire, "n").await;
    let path = format!("{NAMESPACES}/n");
    let sent = json!({"metadata": {"name": "n", "labels": {"a": "b"}}});
    let put = wire.put(&path, &sent).await.expect(200);
    assert_eq!(put["spec"], json!({"finalizers": ["kubernetes"]}));
    assert_eq!(put["metadata"]["labels"], json!({"a": "b", "kubernetes.io/metadata.name": "n"}));
    let emptied = json!({"spec": {"finalizers": []}});
    assert_eq!(wire.patch(MERGE, &path, &emptied).await.expect(200)["spec"], put["spec"]);
    let claimed = json!({"status": {"phase": "Terminating"}});
    let status = format!("{path}/status");
    assert_eq!(wire.patch(MERGE, &status, &claimed).await.expect(200)["status"]["phase"], "Active");
    make_content(&wire, "n", "c", &["example.com/x"]).await;

    wire.delete(&path).await.expect(200);
    let claimed = json!({"status": {"phase": "Active"}});
    assert_eq!(wire.patch(MERGE, &status, &claimed).await.expect(200)["status"]["phase"], "Terminating");
    wire.post(&format!("{path}/configmaps"), &json!({"metadata": {"name": "late"}})).await.expect(403);
    let held = format!("{path}/configmaps/c");
    wire.patch(MERGE, &held, &json!({"metadata": {"finalizers": []}})).await.expect(200);
    gone(&wire, "n").await;
    wire.get(&held).await.assert_is(&not_found("configmaps", "c"), "the content went first");
}

#[tokio::test]
async fn nothing_is_created_behind_the_sweep() {
    let wire = Wire::start().await;
    for round in 0..10 {
        let name = format!("n{round}");
        make_namespace(&wire, &name).await;
        let collection = format!("{NAMESPACES}/{name}/configmaps");
        let storm = (0..12).map(async |at| {
            wire.post(&collection, &json!({"metadata": {"name": format!("c{at}")}})).await.status
        });
        let namespace = format!("{NAMESPACES}/{name}");
        let (codes, deleted) =
            futures_util::future::join(futures_util::future::join_all(storm), wire.delete(&namespace)).await;
        deleted.expect(200);
        assert!(codes.iter().all(|code| matches!(code, 201 | 403 | 404)), "{codes:?}");
        gone(&wire, &name).await;
        assert_eq!(wire.read(&collection).await["items"], json!([]), "in {name}");
    }
}
