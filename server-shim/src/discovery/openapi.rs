//! The documents of `OpenAPI`: as much as clients need to have their writes validated by the server.
//!
//! A client asks whether a kind can be patched with the query parameter `fieldValidation`, and leaves
//! validation to the server if so. Schemas are not in the documents.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use super::document::Document;
use super::path_of;
use crate::http::version;
use crate::kinds::resource::{Resource, Scope};
use crate::kinds::table::{GroupVersion, ResourceTable};

const TITLE: &str = "Watchkeep";

/// The document of `/openapi/v2`, without paths or definitions.
pub(super) fn v2() -> Value {
    json!({"swagger": "2.0", "info": info(), "paths": {}})
}

/// The documents of `/openapi/v3`, by their path below it.
pub(super) fn v3(table: &ResourceTable) -> impl Iterator<Item = (String, Document)> {
    let versions = table.groups().iter().flat_map(|group| &group.versions);
    versions.map(|known| {
        let path = path_of(known);
        let key = path.trim_start_matches('/').to_owned();
        (key, Document::new(&v3_of(known, &path)))
    })
}

/// The index of the documents. Each is named with its digest, so that it can be cached for ever.
pub(super) fn v3_index(documents: &HashMap<String, Document>) -> Value {
    let paths: BTreeMap<_, _> = documents
        .iter()
        .map(|(path, document)| (path, json!({"serverRelativeURL": v3_url(path, document)})))
        .collect();
    json!({"paths": paths})
}

/// The URL under which a document of `/openapi/v3` never changes.
pub fn v3_url(path: &str, document: &Document) -> String {
    format!("/openapi/v3/{path}?hash={}", document.digest)
}

fn v3_of(known: &GroupVersion, base: &str) -> Value {
    let paths: BTreeMap<_, _> = known
        .resources
        .iter()
        .map(|resource| (object_path(base, resource), json!({"patch": patch_operation(resource)})))
        .collect();
    json!({"openapi": "3.0.0", "info": info(), "paths": paths, "components": {"schemas": {}}})
}

fn object_path(base: &str, resource: &Resource) -> String {
    match resource.scope {
        Scope::Namespaced => format!("{base}/namespaces/{{namespace}}/{}/{{name}}", resource.plural),
        Scope::Cluster => format!("{base}/{}/{{name}}", resource.plural),
    }
}

fn patch_operation(resource: &Resource) -> Value {
    json!({
        "parameters": [{"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-group-version-kind": {
            "group": resource.group,
            "version": resource.version,
            "kind": resource.kind,
        },
    })
}

fn info() -> Value {
    json!({"title": TITLE, "version": version::git_version()})
}
