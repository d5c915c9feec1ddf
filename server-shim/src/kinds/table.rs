//! The resource table as run-time data: looked up by every request, replaced as a whole when it changes.
//!
//! A table is never changed in place. Who serves one holds it in an `arc_swap::ArcSwap`, and whoever
//! reads it works on the table it loaded.

use std::collections::HashMap;
use std::sync::Arc;

use super::generated::resources::RESOURCES;
use super::resource::Resource;

/// The resources that are served, in the order of discovery.
#[derive(Debug, Default)]
pub struct ResourceTable {
    resources: Vec<Arc<Resource>>,
    groups: Vec<Group>,
    by_plural: HashMap<&'static str, Vec<Arc<Resource>>>,
    by_kind: HashMap<&'static str, Vec<Arc<Resource>>>,
}

/// An API group with what it serves.
#[derive(Clone, Debug)]
pub struct Group {
    /// The name; empty for the core group.
    pub name: &'static str,
    /// The versions, the preferred one first.
    pub versions: Vec<GroupVersion>,
}

/// A version of a [`Group`] with what it serves.
#[derive(Clone, Debug)]
pub struct GroupVersion {
    /// The version, such as `v1`.
    pub version: &'static str,
    /// `version` or `group/version`.
    pub api_version: &'static str,
    /// The resources, in the order of discovery.
    pub resources: Vec<Arc<Resource>>,
}

impl ResourceTable {
    /// The table of the built-in resources.
    pub fn built_in() -> Self {
        Self::new(RESOURCES.iter().cloned().map(Arc::new))
    }

    /// The table of these resources. A group comes where its first resource does, and of the versions
    /// of a group the first one is preferred.
    pub fn new(resources: impl IntoIterator<Item = Arc<Resource>>) -> Self {
        let mut table = Self::default();
        for resource in resources {
            table.add(resource);
        }
        table
    }

    fn add(&mut self, resource: Arc<Resource>) {
        let (group, version) = (resource.group, resource.version);
        self.by_plural.entry(resource.plural).or_default().push(Arc::clone(&resource));
        self.by_kind.entry(resource.kind).or_default().push(Arc::clone(&resource));
        let known = find_or_push(
            &mut self.groups,
            |known| known.name == group,
            || Group { name: group, versions: Vec::new() },
        );
        let known = find_or_push(
            &mut known.versions,
            |known| known.version == version,
            || GroupVersion { version, api_version: resource.api_version, resources: Vec::new() },
        );
        known.resources.push(Arc::clone(&resource));
        self.resources.push(resource);
    }

    /// All resources, group by group in the order of discovery.
    pub fn resources(&self) -> &[Arc<Resource>] {
        &self.resources
    }

    /// The groups in the order of discovery.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The group of this name.
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// The resource that is served under this plural name.
    pub fn resource(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        of_version(self.by_plural.get(plural)?, group, version)
    }

    /// The resource whose objects are of this kind.
    pub fn resource_of_kind(&self, group: &str, version: &str, kind: &str) -> Option<&Arc<Resource>> {
        of_version(self.by_kind.get(kind)?, group, version)
    }
}

impl Group {
    /// The version that clients take when they have no reason to take another one.
    pub fn preferred(&self) -> Option<&GroupVersion> {
        self.versions.first()
    }

    /// The version of this name.
    pub fn version(&self, version: &str) -> Option<&GroupVersion> {
        self.versions.iter().find(|known| known.version == version)
    }
}

/// The resource of a group and version among those that share a name.
fn of_version<'a>(namesakes: &'a [Arc<Resource>], group: &str, version: &str) -> Option<&'a Arc<Resource>> {
    namesakes.iter().find(|resource| resource.group == group && resource.version == version)
}

/// The element that matches; where none does, a new one at the end.
#[expect(
    clippy::indexing_slicing,
    reason = "the index is that of an element found, or of the one just pushed"
)]
fn find_or_push<T>(list: &mut Vec<T>, matches: impl Fn(&T) -> bool, new: impl FnOnce() -> T) -> &mut T {
    let index = list.iter().position(matches).unwrap_or_else(|| {
        list.push(new());
        list.len() - 1
    });
    &mut list[index]
}

#[cfg(test)]
mod tests {
    use super::ResourceTable;

    #[test]
    fn groups_come_in_the_order_of_discovery() {
        let table = ResourceTable::built_in();
        let names: Vec<_> = table.groups().iter().map(|group| group.name).collect();
        assert_eq!(
            names.iter().take(4).copied().collect::<Vec<_>>(),
            ["", "apps", "events.k8s.io", "autoscaling"]
        );
        assert_eq!(names.last(), Some(&"flowcontrol.apiserver.k8s.io"));
    }

    #[test]
    fn a_group_appears_once() {
        let table = ResourceTable::built_in();
        let mut names: Vec<_> = table.groups().iter().map(|group| group.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), table.groups().len());
    }

    #[test]
    fn the_first_version_of_a_group_is_preferred() {
        let table = ResourceTable::built_in();
        let autoscaling = table.group("autoscaling").unwrap();
        assert_eq!(autoscaling.preferred().unwrap().api_version, "autoscaling/v2");
        assert_eq!(autoscaling.version("v1").unwrap().resources.len(), 1);
        assert_eq!(table.group("").unwrap().preferred().unwrap().api_version, "v1");
        assert!(table.group("extensions").is_none());
    }

    #[test]
    fn namesakes_are_told_apart_by_group_and_version() {
        let table = ResourceTable::built_in();
        let schema = |group, version, plural| table.resource(group, version, plural).unwrap().schema.name;
        assert_eq!(schema("", "v1", "events"), "io.k8s.api.core.v1.Event");
        assert_eq!(schema("events.k8s.io", "v1", "events"), "io.k8s.api.events.v1.Event");
        assert!(table.resource("apps", "v1", "events").is_none());
        assert!(table.resource("", "v2", "events").is_none());
        assert!(table.resource("", "v1", "event").is_none());
    }

    #[test]
    fn every_resource_is_found_by_its_name_and_by_its_kind() {
        let table = ResourceTable::built_in();
        for resource in table.resources() {
            let (group, version) = (resource.group, resource.version);
            assert!(
                table
                    .resource(group, version, resource.plural)
                    .is_some_and(|found| found.kind == resource.kind)
            );
            let of_kind = table.resource_of_kind(group, version, resource.kind);
            assert!(of_kind.is_some_and(|found| found.plural == resource.plural), "{}", resource.kind);
        }
    }

    #[test]
    fn a_group_holds_the_resources_of_its_versions_in_their_order() {
        let table = ResourceTable::built_in();
        let listed =
            table.groups().iter().flat_map(|group| &group.versions).flat_map(|version| &version.resources);
        let names: Vec<_> = listed.map(|resource| (resource.api_version, resource.plural)).collect();
        let all: Vec<_> =
            table.resources().iter().map(|resource| (resource.api_version, resource.plural)).collect();
        assert_eq!(names, all);
    }
}
