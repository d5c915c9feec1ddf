//! Discovery in two documents: everything below `/api` and everything below `/apis`.

use serde::Serialize;

use crate::kinds::resource::{Resource, Scope, Subresource};
use crate::kinds::table::{Group, GroupVersion};

/// The versions of the document. They differ in their name only: the older one saves old clients the
/// walk through all groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AggregatedVersion {
    /// `v2`.
    V2,
    /// `v2beta1`.
    V2Beta1,
}

impl AggregatedVersion {
    /// The version of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "v2" => Some(Self::V2),
            "v2beta1" => Some(Self::V2Beta1),
            _ => None,
        }
    }

    /// The content type: clients know the document by its parameters alone.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::V2 => "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
            Self::V2Beta1 => "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
        }
    }

    fn api_version(self) -> &'static str {
        match self {
            Self::V2 => "apidiscovery.k8s.io/v2",
            Self::V2Beta1 => "apidiscovery.k8s.io/v2beta1",
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GroupDiscoveryList {
    kind: &'static str,
    api_version: &'static str,
    metadata: Metadata,
    items: Vec<GroupDiscovery>,
}

#[derive(Serialize)]
struct Metadata {
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'static str,
}

#[derive(Serialize)]
struct GroupDiscovery {
    metadata: Metadata,
    versions: Vec<VersionDiscovery>,
}

#[derive(Serialize)]
struct VersionDiscovery {
    version: &'static str,
    resources: Vec<ResourceDiscovery>,
    freshness: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceDiscovery {
    resource: &'static str,
    response_kind: ResponseKind,
    scope: &'static str,
    singular_resource: &'static str,
    verbs: &'static [&'static str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    short_names: &'static [&'static str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    categories: &'static [&'static str],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subresources: Vec<SubresourceDiscovery>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SubresourceDiscovery {
    subresource: &'static str,
    response_kind: ResponseKind,
    verbs: &'static [&'static str],
}

/// A kind; group and version are empty where they are those of the entry it stands in.
#[derive(Serialize)]
struct ResponseKind {
    group: &'static str,
    version: &'static str,
    kind: &'static str,
}

pub(super) fn group_list(version: AggregatedVersion, groups: &[&Group]) -> GroupDiscoveryList {
    GroupDiscoveryList {
        kind: "APIGroupDiscoveryList",
        api_version: version.api_version(),
        metadata: Metadata { name: "" },
        items: groups.iter().map(|group| group_entry(group)).collect(),
    }
}

fn group_entry(group: &Group) -> GroupDiscovery {
    GroupDiscovery {
        metadata: Metadata { name: group.name },
        versions: group.versions.iter().map(version_entry).collect(),
    }
}

fn version_entry(known: &GroupVersion) -> VersionDiscovery {
    VersionDiscovery {
        version: known.version,
        resources: known.resources.iter().map(|resource| resource_entry(resource)).collect(),
        freshness: "Current",
    }
}

fn resource_entry(resource: &Resource) -> ResourceDiscovery {
    ResourceDiscovery {
        resource: resource.plural,
        response_kind: ResponseKind { group: "", version: "", kind: resource.kind },
        scope: match resource.scope {
            Scope::Namespaced => "Namespaced",
            Scope::Cluster => "Cluster",
        },
        singular_resource: resource.singular,
        verbs: resource.verbs,
        short_names: resource.short_names,
        categories: resource.categories,
        subresources: resource.subresources.iter().map(subresource_entry).collect(),
    }
}

fn subresource_entry(subresource: &Subresource) -> SubresourceDiscovery {
    let Subresource { name, group, version, kind, verbs } = *subresource;
    SubresourceDiscovery { subresource: name, response_kind: ResponseKind { group, version, kind }, verbs }
}
