//! Which resources are served through the watch cache: what the flags say, and the store with a cache before
//! those resources.
//!
//! Promises: a resource without a cache is read from the store, as if there were none at all; closing ends the
//! caches before the store that they follow.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::sync::Arc;

use watchkeep_cacher::{CachedBackend, CacherOptions, ResourceName};
use watchkeep_storage::{Backend, BoxFuture, Environment, Error, Interface, ResourcePrefix, Schema};

use crate::kinds::resource::Resource;
use crate::kinds::table::ResourceTable;

/// What is not cached unless its size says so, as in the reference: much is written, little is watched, and
/// all of it goes after a while. In two groups.
const UNCACHED: &str = "events";

/// A size of the reference's flag, `resource[.group]#number`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchCacheSize {
    /// The plural name.
    pub resource: String,
    /// The group; empty for the core group.
    pub group: String,
    /// Zero is no cache.
    pub size: u64,
}

impl FromStr for WatchCacheSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('#').and_then(|(name, size)| {
            let (resource, group) = name.split_once('.').unwrap_or((name, ""));
            let size = size.parse().ok()?;
            (!resource.is_empty()).then(|| Self { resource: resource.into(), group: group.into(), size })
        });
        parts.ok_or_else(|| "not a size such as events#0 or deployments.apps#0".to_owned())
    }
}

impl WatchCacheSize {
    fn is_of(&self, resource: &Resource) -> bool {
        self.resource == resource.plural && self.group == resource.group
    }
}

/// Which resources are to have a cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchCache {
    /// Whether there is any.
    pub enabled: bool,
    /// What is said of single resources.
    pub sizes: Vec<WatchCacheSize>,
}

impl Default for WatchCache {
    fn default() -> Self {
        Self { enabled: true, sizes: Vec::new() }
    }
}

impl WatchCache {
    /// Whether a kind is to have a cache, which is stored once and served under these names. Who says no to one
    /// of them is heard before who says yes to another.
    fn includes(&self, names: &[&Resource]) -> bool {
        let of_these = || self.sizes.iter().filter(|size| names.iter().any(|name| size.is_of(name)));
        let unless_said = !names.iter().any(|name| name.plural == UNCACHED);
        self.enabled && of_these().all(|size| size.size > 0) && (unless_said || of_these().next().is_some())
    }

    /// Says what of the flags has no effect.
    fn warn(&self, table: &ResourceTable) {
        for WatchCacheSize { resource, group, size } in &self.sizes {
            if !table.resources().iter().any(|known| known.plural == resource && known.group == group) {
                tracing::warn!(resource, group, "--watch-cache-sizes names a resource that is not served");
            } else if *size > 0 {
                tracing::warn!(resource, group, size, "a cache has no fixed size: any but 0 is ignored");
            }
        }
    }

    /// The prefixes of what is stored without a cache.
    fn uncached(&self, table: &ResourceTable) -> BTreeSet<&'static str> {
        let names_of = |prefix: &str| -> Vec<&Resource> {
            let names = table.resources().iter().filter(|resource| resource.storage_prefix == prefix);
            names.map(|resource| &**resource).collect()
        };
        let prefixes = table.resources().iter().map(|resource| resource.storage_prefix);
        prefixes.filter(|prefix| !self.includes(&names_of(prefix))).collect()
    }

    /// The store with caches before the resources that are to have one.
    pub fn over(&self, store: Arc<dyn Backend>, environment: &Environment) -> Arc<dyn Backend> {
        if !self.enabled {
            return store;
        }
        let table = ResourceTable::built_in();
        self.warn(&table);
        let options = CacherOptions { names: Arc::new(names(&table)), ..CacherOptions::default() };
        let cached = CachedBackend::new(Arc::clone(&store), options, environment.clone());
        Arc::new(PartlyCached { store, cached, uncached: self.uncached(&table) })
    }
}

/// What the stored resources are called, by their prefixes: of several names the first in discovery.
fn names(table: &ResourceTable) -> BTreeMap<String, ResourceName> {
    let mut names = BTreeMap::new();
    for resource in table.resources() {
        let name = || ResourceName { group: resource.group.into(), resource: resource.plural.into() };
        names.entry(resource.storage_prefix.to_owned()).or_insert_with(name);
    }
    names
}

/// A store with a cache before some of its resources.
struct PartlyCached {
    store: Arc<dyn Backend>,
    cached: CachedBackend,
    /// The prefixes of those without.
    uncached: BTreeSet<&'static str>,
}

impl Backend for PartlyCached {
    fn resource(
        &self,
        prefix: ResourcePrefix,
        schema: Arc<Schema>,
    ) -> BoxFuture<'_, Result<Arc<dyn Interface>, Error>> {
        if self.uncached.contains(prefix.as_str()) {
            self.store.resource(prefix, schema)
        } else {
            self.cached.resource(prefix, schema)
        }
    }

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        // The caches, and then the store.
        self.cached.close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(flags: &[&str]) -> WatchCache {
        WatchCache {
            sizes: flags.iter().map(|flag| flag.parse().unwrap()).collect(),
            ..WatchCache::default()
        }
    }

    fn uncached(flags: &[&str]) -> Vec<&'static str> {
        sizes(flags).uncached(&ResourceTable::built_in()).into_iter().collect()
    }

    #[test]
    fn a_size_has_a_resource_and_a_number() {
        let size = |resource: &str, group: &str, size| {
            Ok(WatchCacheSize { resource: resource.into(), group: group.into(), size })
        };
        assert_eq!("pods#0".parse(), size("pods", "", 0));
        assert_eq!("events.events.k8s.io#100".parse(), size("events", "events.k8s.io", 100));
        for text in ["", "pods", "pods#", "pods#-1", "pods#x", "#0", ".apps#0", "pods#0#0"] {
            assert!(text.parse::<WatchCacheSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn all_but_events_are_cached_unless_a_size_says_otherwise() {
        assert_eq!(uncached(&[]), ["/events/"]);
        assert_eq!(uncached(&["pods#0", "deployments.apps#0"]), ["/deployments/", "/events/", "/pods/"]);
        assert_eq!(uncached(&["pods#100"]), ["/events/"], "no other number counts");
        assert_eq!(uncached(&["deployments#0", "pods.apps#0"]), ["/events/"], "the group has to be right");
    }

    #[test]
    fn events_have_a_cache_that_is_asked_for_under_either_name() {
        for name in ["events", "events.events.k8s.io"] {
            assert!(uncached(&[&format!("{name}#100")]).is_empty(), "{name}");
        }
        assert_eq!(uncached(&["events#100", "events.events.k8s.io#0"]), ["/events/"]);
    }

    #[test]
    fn resources_are_called_in_metrics_as_they_are_in_discovery() {
        let names = names(&ResourceTable::built_in());
        let name = |prefix: &str| names.get(prefix).map(|name| (&*name.group, &*name.resource));
        assert_eq!(name("/pods/"), Some(("", "pods")));
        assert_eq!(name("/deployments/"), Some(("apps", "deployments")));
        assert_eq!(name("/events/"), Some(("", "events")));
    }

    #[test]
    fn nothing_is_cached_where_the_cache_is_switched_off() {
        let table = ResourceTable::built_in();
        let off = WatchCache { enabled: false, ..sizes(&["pods#100", "events#100"]) };
        let prefixes: BTreeSet<_> =
            table.resources().iter().map(|resource| resource.storage_prefix).collect();
        assert_eq!(off.uncached(&table), prefixes);
    }
}
