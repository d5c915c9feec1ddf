//! What a cache may hold, and how long it waits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use watchkeep_storage::ResourcePrefix;

/// The bounds of a cache. One set for each resource.
#[derive(Clone, Debug)]
pub struct CacherOptions {
    /// For how long an event stays in the window of events, as long as the window's bounds allow. Default 75
    /// seconds: a bookmark's period and some more, so that who resumes from a bookmark finds its place.
    pub events_fresh: Duration,
    /// How many bytes the window of events may keep beside the latest state. Default 64 MiB. More lets slow
    /// watches be served from memory for longer; what is older is read from the store's history.
    pub window_bytes_max: usize,
    /// How many pictures of the past are kept, the closer together the newer they are. Default 64; more makes
    /// exact reads of the past cheaper, and costs the nodes that changed in between.
    pub pictures_max: usize,
    /// The selectable fields by whose value objects are found without a look at the others, where a resource has
    /// them. Default `spec.nodeName`, by which every node's agent watches and lists its pods. Each costs a place in
    /// every picture, and every change of it a step in another tree.
    pub indexed_fields: Vec<String>,
    /// The labels that are indexed likewise. Default none.
    pub indexed_labels: Vec<String>,
    /// For how long a list or the initial events of a watch may be read. Default 1 minute, the longest a
    /// request may take.
    pub cursor_deadline: Duration,
    /// How long a read waits for the cache to become as fresh as it demands, before it is refused, or is left to
    /// the store. Default 3 seconds, the reference's.
    pub fresh_timeout: Duration,
    /// How often the cache is compared with the store, up to half as much later by chance. Default 5 minutes, the
    /// reference's; each time everything is read once.
    pub check_interval: Duration,
    /// How long opening a resource waits for its cache to be filled. After that it is opened all the same: until
    /// the cache is filled the store serves what it can, and watches are told to come later. Default 30 seconds.
    pub fill_timeout: Duration,
    /// How many readings of the store's history may be open at once; others wait for their turn. Watches that
    /// catch up from one revision share one, and each keeps up to 4 MiB of events. Default 16.
    pub catching_up_max: usize,
    /// What the resources are called in metrics, by their prefixes. One that is not among them is called by its
    /// prefix. Default none.
    pub names: Arc<BTreeMap<String, ResourceName>>,
}

/// What a resource is called in metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceName {
    /// The API group; empty for the core group.
    pub group: Arc<str>,
    /// The plural name.
    pub resource: Arc<str>,
}

impl CacherOptions {
    /// What the resource of a prefix is called.
    pub(crate) fn name_of(&self, prefix: &ResourcePrefix) -> ResourceName {
        let unnamed =
            || ResourceName { group: "".into(), resource: prefix.as_str().trim_matches('/').into() };
        self.names.get(prefix.as_str()).cloned().unwrap_or_else(unnamed)
    }
}

impl Default for CacherOptions {
    fn default() -> Self {
        Self {
            events_fresh: Duration::from_secs(75),
            window_bytes_max: 64 << 20,
            pictures_max: 64,
            indexed_fields: vec!["spec.nodeName".to_owned()],
            indexed_labels: Vec::new(),
            cursor_deadline: Duration::from_mins(1),
            fresh_timeout: Duration::from_secs(3),
            check_interval: Duration::from_mins(5),
            fill_timeout: Duration::from_secs(30),
            catching_up_max: 16,
            names: Arc::default(),
        }
    }
}
