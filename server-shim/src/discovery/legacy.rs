//! Discovery one document at a time: `/`, `/api`, `/apis`, groups and versions.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::path_of;
use crate::http::health;
use crate::kinds::resource::{Resource, Scope, Subresource};
use crate::kinds::table::{Group, GroupVersion, ResourceTable};

/// The document of `/`.
#[derive(Serialize)]
pub(super) struct RootPaths {
    paths: Vec<String>,
}

/// The document of `/api`. Alone among all it has no `apiVersion`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApiVersions {
    kind: &'static str,
    versions: Vec<&'static str>,
    #[serde(rename = "serverAddressByClientCIDRs")]
    server_addresses: [ServerAddress; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ServerAddress {
    #[serde(rename = "clientCIDR")]
    client_cidr: &'static str,
    server_address: String,
}

/// The document of `/apis`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApiGroupList {
    kind: &'static str,
    api_version: &'static str,
    groups: Vec<ApiGroup>,
}

/// The document of `/apis/GROUP`, and an entry of `/apis`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApiGroup {
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_version: Option<&'static str>,
    name: &'static str,
    versions: Vec<VersionEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preferred_version: Option<VersionEntry>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VersionEntry {
    group_version: &'static str,
    version: &'static str,
}

/// The document of `/api/v1` and `/apis/GROUP/VERSION`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApiResourceList {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_version: Option<&'static str>,
    group_version: &'static str,
    resources: Vec<ApiResource>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApiResource {
    name: String,
    singular_name: &'static str,
    namespaced: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    group: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    version: &'static str,
    kind: &'static str,
    verbs: &'static [&'static str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    short_names: &'static [&'static str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    categories: &'static [&'static str],
    #[serde(skip_serializing_if = "String::is_empty")]
    storage_version_hash: String,
}

/// All groups but the core group.
pub(super) fn named_groups(table: &ResourceTable) -> impl Iterator<Item = &Group> {
    table.groups().iter().filter(|group| !group.name.is_empty())
}

pub(super) fn root(table: &ResourceTable) -> RootPaths {
    let fixed =
        ["/api", "/apis", "/apis/", "/metrics", "/openapi/v2", "/openapi/v3", "/openapi/v3/", "/version"];
    let mut paths: Vec<String> = fixed.map(str::to_owned).into();
    paths.extend(health::paths());
    paths.extend(named_groups(table).map(|group| format!("/apis/{}", group.name)));
    paths.extend(table.groups().iter().flat_map(|group| &group.versions).map(path_of));
    paths.sort();
    RootPaths { paths }
}

pub(super) fn api_versions(table: &ResourceTable, address: SocketAddr) -> ApiVersions {
    let core = table.group("").map_or(&[] as &[_], |group| &group.versions);
    ApiVersions {
        kind: "APIVersions",
        versions: core.iter().map(|known| known.version).collect(),
        server_addresses: [ServerAddress { client_cidr: "0.0.0.0/0", server_address: address.to_string() }],
    }
}

pub(super) fn group_list(table: &ResourceTable) -> ApiGroupList {
    let entry = |known| ApiGroup { kind: None, api_version: None, ..group(known) };
    ApiGroupList { kind: "APIGroupList", api_version: "v1", groups: named_groups(table).map(entry).collect() }
}

pub(super) fn group(group: &Group) -> ApiGroup {
    ApiGroup {
        kind: Some("APIGroup"),
        api_version: Some("v1"),
        name: group.name,
        versions: group.versions.iter().map(version_entry).collect(),
        preferred_version: group.preferred().map(version_entry),
    }
}

fn version_entry(known: &GroupVersion) -> VersionEntry {
    VersionEntry { group_version: known.api_version, version: known.version }
}

pub(super) fn resource_list(known: &GroupVersion) -> ApiResourceList {
    let is_core = known.api_version == known.version;
    ApiResourceList {
        kind: "APIResourceList",
        api_version: (!is_core).then_some("v1"),
        group_version: known.api_version,
        resources: known.resources.iter().flat_map(|resource| entries(resource)).collect(),
    }
}

/// A resource and its subresources.
fn entries(resource: &Resource) -> impl Iterator<Item = ApiResource> {
    let own = ApiResource {
        name: resource.plural.to_owned(),
        singular_name: resource.singular,
        namespaced: resource.scope == Scope::Namespaced,
        group: "",
        version: "",
        kind: resource.kind,
        verbs: resource.verbs,
        short_names: resource.short_names,
        categories: resource.categories,
        storage_version_hash: storage_version_hash(resource),
    };
    std::iter::once(own).chain(resource.subresources.iter().map(|sub| subresource_entry(resource, sub)))
}

fn subresource_entry(resource: &Resource, subresource: &Subresource) -> ApiResource {
    ApiResource {
        name: format!("{}/{}", resource.plural, subresource.name),
        singular_name: "",
        namespaced: resource.scope == Scope::Namespaced,
        group: subresource.group,
        version: subresource.version,
        kind: subresource.kind,
        verbs: subresource.verbs,
        short_names: &[],
        categories: &[],
        storage_version_hash: String::new(),
    }
}

/// A short name for the version in which objects are stored: clients see by it when that changes.
fn storage_version_hash(resource: &Resource) -> String {
    if !resource.verbs.contains(&"list") {
        return String::new();
    }
    let stored = resource.storage_api_version;
    let separator = if stored.contains('/') { "" } else { "/" };
    let digest = Sha256::digest(format!("{separator}{stored}/{}", resource.kind));
    BASE64_STANDARD.encode(digest.get(..8).unwrap_or_default())
}
