//! The fixture of the list tests: eight commits over three namespaces, of which the last two change and
//! delete what the first six made.
//!
//! | commit | object |
//! |---|---|
//! | 0 | `first/bar` |
//! | 1 | `second/bar` |
//! | 2 | `second/foo` |
//! | 3 | `third/barfoo` |
//! | 4 | `third/foo` |
//! | 5 | `second/baz` |
//! | 6 | `first/bar` again, now on a node: `first/bar*` |
//! | 7 | `second/baz` is deleted |
//!
//! Then history before commit 0 is compacted, and another resource is written.

use super::harness::{Harness, Setup, Store};
use super::instrument::Resource;
use super::object::{path_of, pod};
use crate::record::Record;
use crate::revision::Revision;

/// The name of the node that commit 6 puts `first/bar` on.
pub const NODE: &str = "fakeNode";

/// The filled store.
pub struct Seed {
    /// The store.
    pub store: Store,
    /// The resource that holds the fixture.
    pub pods: Resource,
    /// The revisions of the commits.
    pub commits: Vec<Revision>,
    /// A revision after them, not below that of any write.
    pub current: Revision,
}

impl Seed {
    /// Fills a fresh store.
    pub async fn plant(harness: &dyn Harness) -> Self {
        let store = harness.open(Setup::default()).await;
        let pods = store.pods().await;
        store.others().await.put(&pod("first", "bar")).await;
        let mut commits = Vec::new();
        for (namespace, name) in [
            ("first", "bar"),
            ("second", "bar"),
            ("second", "foo"),
            ("third", "barfoo"),
            ("third", "foo"),
            ("second", "baz"),
        ] {
            commits.push(pods.put(&pod(namespace, name)).await.revision);
        }
        commits.push(pods.put(&pod("first", "bar").node(NODE)).await.revision);
        commits.push(pods.remove(&pod("second", "baz")).await.revision);
        pods.compact(commits[0]).await.unwrap();
        let current = store.others().await.put(&pod("first", "bar").mark("bump")).await.revision;
        Self { store, pods, commits, current }
    }

    /// The name of a record in this module's table.
    pub fn name(&self, record: &Record) -> String {
        let path = path_of(&record.key);
        let starred = if path == "first/bar" && record.revision == self.commits[6] { "*" } else { "" };
        let at = match path {
            "first/bar" if starred == "*" => 6,
            "first/bar" => 0,
            "second/bar" => 1,
            "second/foo" => 2,
            "third/barfoo" => 3,
            "third/foo" => 4,
            "second/baz" => 5,
            other => panic!("{other} was not planted"),
        };
        assert_eq!(record.revision, self.commits[at], "{path} has the revision of its commit");
        format!("{path}{starred}")
    }
}
