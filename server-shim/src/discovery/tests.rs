//! The documents of the built-in table.

use serde_json::{Value, json};

use super::*;

fn documents() -> Documents {
    Documents::new(Arc::new(ResourceTable::built_in()), SocketAddr::from(([127, 0, 0, 1], 8001)))
}

fn value(document: &Document) -> Value {
    serde_json::from_slice(&document.json).unwrap()
}

/// The element of a list whose field has this value.
fn find<'a>(list: &'a Value, field: &str, text: &str) -> &'a Value {
    list.as_array().unwrap().iter().find(|element| element[field] == text).unwrap()
}

#[test]
fn the_versions_of_the_core_group_come_with_the_address() {
    let expected = json!({
        "kind": "APIVersions", "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1:8001"}],
    });
    assert_eq!(value(&documents().api), expected);
}

#[test]
fn a_group_is_the_same_alone_and_in_the_list() {
    let documents = documents();
    let mut apps = value(&documents.groups["apps"]);
    assert_eq!(
        apps,
        json!({
            "kind": "APIGroup", "apiVersion": "v1", "name": "apps",
            "versions": [{"groupVersion": "apps/v1", "version": "v1"}],
            "preferredVersion": {"groupVersion": "apps/v1", "version": "v1"},
        })
    );
    let entry = apps.as_object_mut().unwrap();
    entry.remove("kind");
    entry.remove("apiVersion");
    let list = value(&documents.apis);
    assert_eq!(find(&list["groups"], "name", "apps"), &apps);
    assert!(list["groups"].as_array().unwrap().iter().all(|group| group["name"] != ""));
    assert!(!documents.groups.contains_key(""));
}

#[test]
fn a_version_lists_resources_and_their_subresources() {
    let documents = documents();
    let core = value(&documents.versions["v1"]);
    assert_eq!(core.get("apiVersion"), None, "the core list has none");
    assert_eq!(
        find(&core["resources"], "name", "configmaps"),
        &json!({
            "name": "configmaps", "singularName": "configmap", "namespaced": true, "kind": "ConfigMap",
            "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
            "shortNames": ["cm"], "storageVersionHash": "qFsyl6wFWjQ=",
        })
    );
    let apps = value(&documents.versions["apps/v1"]);
    assert_eq!((&apps["apiVersion"], &apps["groupVersion"]), (&json!("v1"), &json!("apps/v1")));
    assert_eq!(
        find(&apps["resources"], "name", "deployments/scale"),
        &json!({
            "name": "deployments/scale", "singularName": "", "namespaced": true, "group": "autoscaling",
            "version": "v1", "kind": "Scale", "verbs": ["get", "patch", "update"],
        })
    );
}

#[test]
fn the_aggregated_documents_say_the_same_in_two_versions() {
    let documents = documents();
    let mut v2 = value(documents.aggregated(AggregatedVersion::V2, Half::Named));
    assert_eq!(v2["apiVersion"], "apidiscovery.k8s.io/v2");
    let apps =
        v2["items"].as_array().unwrap().iter().find(|item| item["metadata"]["name"] == "apps").unwrap();
    let version = &apps["versions"][0];
    assert_eq!((&version["version"], &version["freshness"]), (&json!("v1"), &json!("Current")));
    assert_eq!(
        find(&version["resources"], "resource", "deployments"),
        &json!({
            "resource": "deployments", "responseKind": {"group": "", "version": "", "kind": "Deployment"},
            "scope": "Namespaced", "singularResource": "deployment",
            "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
            "shortNames": ["deploy"], "categories": ["all"],
            "subresources": [
                {
                    "subresource": "scale",
                    "responseKind": {"group": "autoscaling", "version": "v1", "kind": "Scale"},
                    "verbs": ["get", "patch", "update"],
                },
                {
                    "subresource": "status",
                    "responseKind": {"group": "", "version": "", "kind": "Deployment"},
                    "verbs": ["get", "patch", "update"],
                },
            ],
        })
    );
    v2["apiVersion"] = json!("apidiscovery.k8s.io/v2beta1");
    assert_eq!(value(documents.aggregated(AggregatedVersion::V2Beta1, Half::Named)), v2);
    let core = value(documents.aggregated(AggregatedVersion::V2, Half::Core));
    assert_eq!(core["items"].as_array().unwrap().len(), 1);
    assert_eq!(core["items"][0]["metadata"], json!({}));
}

#[test]
fn every_resource_can_be_patched_with_field_validation() {
    let documents = documents();
    let core = value(&documents.openapi_v3["api/v1"]);
    let patch = &core["paths"]["/api/v1/namespaces/{namespace}/configmaps/{name}"]["patch"];
    assert_eq!(
        patch["x-kubernetes-group-version-kind"],
        json!({"group": "", "version": "v1", "kind": "ConfigMap"})
    );
    assert_eq!(patch["parameters"][0]["name"], "fieldValidation");
    assert!(core["paths"].get("/api/v1/nodes/{name}").is_some());
    let index = value(&documents.openapi_v3_index);
    for (path, document) in &documents.openapi_v3 {
        let url = index["paths"][path]["serverRelativeURL"].as_str().unwrap();
        assert_eq!(url, format!("/openapi/v3/{path}?hash={}", document.digest));
    }
    assert_eq!(index["paths"].as_object().unwrap().len(), documents.versions.len());
}

#[test]
fn the_root_lists_every_group_and_version() {
    let root = value(&documents().root);
    let paths: Vec<_> = root["paths"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for path in ["/api", "/api/v1", "/apis/", "/apis/apps", "/apis/apps/v1", "/readyz/shutdown", "/version"] {
        assert!(paths.contains(&path), "{path}");
    }
    assert!(paths.is_sorted());
}

#[test]
fn documents_are_made_once_per_table() {
    let discovery = Discovery::new(SocketAddr::from(([127, 0, 0, 1], 8001)));
    let table = Arc::new(ResourceTable::built_in());
    let first = discovery.documents(&table);
    assert!(Arc::ptr_eq(&first, &discovery.documents(&table)));
    let fewer = ResourceTable::new(table.resources().iter().filter(|known| known.group != "apps").cloned());
    let second = discovery.documents(&Arc::new(fewer));
    assert!(!second.groups.contains_key("apps"));
    assert_ne!(first.apis.digest, second.apis.digest);
}
