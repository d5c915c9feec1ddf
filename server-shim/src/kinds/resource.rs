//! The resource table: which resources are served, under which names, and what differs between them.
//!
//! The table is run-time data, so that it can grow while the server runs. The built-in part is made
//! from generated data (`generated/`) and from facts that neither source of the generator holds.

use super::field::Type;

/// What is served under one plural name in one group and version.
#[derive(Clone, Debug)]
pub struct Resource {
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The version, such as `v1`.
    pub version: &'static str,
    /// `version` or `group/version`.
    pub api_version: &'static str,
    /// The kind, such as `Pod`.
    pub kind: &'static str,
    /// The kind of a list, such as `PodList`.
    pub list_kind: &'static str,
    /// The plural name in paths, such as `pods`.
    pub plural: &'static str,
    /// The singular name, such as `pod`.
    pub singular: &'static str,
    /// Short names, such as `po`.
    pub short_names: &'static [&'static str],
    /// Categories, such as `all`.
    pub categories: &'static [&'static str],
    /// Whether objects live in namespaces.
    pub scope: Scope,
    /// The verbs that discovery names, in its order.
    pub verbs: &'static [&'static str],
    /// `status`, `scale` and the others that discovery names.
    pub subresources: &'static [Subresource],
    /// The schema of the kind.
    pub schema: &'static Type,
    /// The resource prefix of the keys in storage, such as `/pods/`. Two versions of a kind share it.
    pub storage_prefix: &'static str,
    /// The `apiVersion` under which objects are stored.
    pub storage_api_version: &'static str,
    /// Fields beyond `metadata.name` and `metadata.namespace` that a field selector may name.
    pub selectable_fields: &'static [&'static str],
    /// What differs in writes.
    pub writes: WriteRules,
}

impl Resource {
    /// Whether this is the resource of a kind, in any version.
    pub fn is(&self, group: &str, kind: &str) -> bool {
        self.group == group && self.kind == kind
    }
}

/// Whether objects of a resource live in namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Objects have a namespace.
    Namespaced,
    /// Objects have none.
    Cluster,
}

/// A subresource as discovery shows it.
#[derive(Clone, Copy, Debug)]
pub struct Subresource {
    /// Such as `status` or `scale`.
    pub name: &'static str,
    /// The group of its kind; empty where it is that of the resource.
    pub group: &'static str,
    /// The version of its kind; empty where it is that of the resource.
    pub version: &'static str,
    /// Its kind.
    pub kind: &'static str,
    /// Its verbs.
    pub verbs: &'static [&'static str],
}

/// What differs between kinds when they are written.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each read by its name")]
pub struct WriteRules {
    /// A PUT to a name that does not exist creates the object.
    pub create_on_update: bool,
    /// A PUT without a resourceVersion is accepted.
    pub unconditional_update: bool,
    /// The kind has a status that only `/status` changes.
    pub has_status: bool,
    /// The server counts changes of the spec in `metadata.generation`.
    pub has_generation: bool,
    /// The rule for names.
    pub name: NameRule,
}

/// The rule for the names of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRule {
    /// RFC 1123 subdomain.
    Subdomain,
    /// RFC 1123 label.
    Label,
    /// RFC 1035 label.
    Label1035,
    /// Anything that can be a segment of a path.
    PathSegment,
}
