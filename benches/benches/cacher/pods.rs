//! The pods of all groups, and what is done with them.

use std::future::ready;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use watchkeep_cacher::{CachedBackend, CacherOptions};
use watchkeep_storage::memory::{MemoryBackend, MemoryOptions};
use watchkeep_storage::selector::{FieldSelector, LabelSelector};
use watchkeep_storage::{
    Backend, Environment, Error, Interface, Key, ListRequest, Listing, Preconditions, Predicate, ReadAt,
    ResourcePrefix, Schema, Scope, SelectableField, Update, UpdateOptions, Value, WatchRequest, WatchStart,
    Watcher, create, delete, guaranteed_update,
};

use crate::clocks::row;

pub(crate) const NAMESPACES: usize = 50;
pub(crate) const NODES: usize = 5_000;
const PER_NAMESPACE: usize = 3_000;
pub(crate) const OBJECT_BYTES: usize = 12_000;

/// The size of a run.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) per_namespace: usize,
    /// The bytes of an object.
    pub(crate) bytes: usize,
}

/// Pods in a cache over a store.
pub(crate) struct Pods {
    pub(crate) cache: Arc<dyn Interface>,
    pub(crate) size: Size,
    /// How often was written: an update that changes nothing would be none.
    writes: AtomicUsize,
    /// It goes with the resource.
    _backend: CachedBackend,
}

impl Size {
    pub(crate) fn new(is_quick: bool) -> Self {
        let per_namespace = if is_quick { PER_NAMESPACE / 10 } else { PER_NAMESPACE };
        Self { per_namespace, bytes: OBJECT_BYTES }
    }

    pub(crate) fn pods(self) -> usize {
        NAMESPACES * self.per_namespace
    }
}

/// What is extracted from pods.
pub(crate) fn schema() -> Schema {
    Schema::new(1, vec![SelectableField::new("spec.nodeName")])
}

/// The canonical bytes of a pod.
pub(crate) fn json(n: usize, version: usize, bytes: usize) -> Vec<u8> {
    let (namespace, node) = (n % NAMESPACES, n % NODES);
    let head = format!(
        r#"{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"pod-{n:06}","namespace":"namespace-{namespace:02}","labels":{{"app":"app-{}","version":"{version}"}}}},"spec":{{"nodeName":"node-{node:04}","text":""#,
        n % 100
    );
    let filling = "x".repeat(bytes.saturating_sub(head.len() + 4));
    format!(r#"{head}{filling}"}}}}"#).into_bytes()
}

pub(crate) fn on_node(node: usize) -> Predicate {
    let fields = FieldSelector::parse(&format!("spec.nodeName=node-{node:04}")).expect("a legal selector");
    Predicate::new(LabelSelector::everything(), fields)
}

pub(crate) fn request(scope: Scope, at: ReadAt) -> ListRequest {
    ListRequest { scope, at, start: None, limit: None, predicate: Predicate::everything() }
}

impl Pods {
    /// Pods in memory, written through the cache.
    pub(crate) async fn new(size: Size) -> Self {
        let environment = Environment::system();
        let memory = Arc::new(MemoryBackend::new(MemoryOptions::default(), environment.clone()));
        let pods = Self::over(memory, size, &environment).await;
        row("filling the store through the cache", size.pods(), pods.fill()).await;
        pods
    }

    /// The pods that a store has.
    pub(crate) async fn over(backend: Arc<dyn Backend>, size: Size, environment: &Environment) -> Self {
        let backend = CachedBackend::new(backend, CacherOptions::default(), environment.clone());
        let prefix = ResourcePrefix::new("/pods").expect("a literal that follows the rules");
        let cache = backend.resource(prefix, Arc::new(schema())).await.expect("the backend opens");
        Self { cache, size, writes: AtomicUsize::new(0), _backend: backend }
    }

    pub(crate) async fn fill(&self) {
        for n in 0..self.len() {
            let created = create(&*self.cache, self.key(n), self.value(n, 0), None).await;
            created.expect("the store is empty");
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.size.pods()
    }

    /// The pod of a turn: neighbours in time are none in the order of keys.
    pub(crate) fn turn(&self, turn: usize) -> usize {
        turn * 7 % self.len()
    }

    pub(crate) fn key(&self, n: usize) -> Key {
        let namespace = format!("namespace-{:02}", n % NAMESPACES);
        let key = self.cache.prefix().object(Some(&namespace), &format!("pod-{n:06}"));
        key.expect("letters, digits and dashes")
    }

    pub(crate) fn value(&self, n: usize, version: usize) -> Value {
        Value::new(json(n, version, self.size.bytes).into_boxed_slice(), self.cache.schema())
            .expect("canonical")
    }

    pub(crate) fn all(&self) -> Scope {
        self.cache.prefix().under(None).expect("a legal scope")
    }

    pub(crate) fn namespace(&self, n: usize) -> Scope {
        self.cache.prefix().under(Some(&format!("namespace-{:02}", n % NAMESPACES))).expect("a legal scope")
    }

    /// Reads a list to its end and touches every object.
    pub(crate) async fn walk(&self, request: ListRequest) -> Result<usize, Error> {
        let Listing { mut cursor, .. } = self.cache.list(request).await?;
        let mut count = 0;
        loop {
            let batch = cursor.next().await?;
            if batch.is_empty() {
                return Ok(count);
            }
            for record in &batch {
                black_box(record.value.bytes().len());
            }
            count += batch.len();
        }
    }

    /// Writes the pod of a turn anew.
    pub(crate) async fn patch(&self, turn: usize) {
        let n = self.turn(turn);
        let newer = self.value(n, 1 + self.writes.fetch_add(1, Ordering::Relaxed));
        let update = |_| ready(Ok::<_, Error>(Update::Put { value: newer.clone(), ttl: None }));
        let updated = guaranteed_update(&*self.cache, &self.key(n), UpdateOptions::default(), update).await;
        black_box(updated.expect("the object is there"));
    }

    /// Deletes the pod of a turn, and creates it again.
    pub(crate) async fn delete_create(&self, turn: usize) {
        let n = self.turn(turn);
        let accept = |_| ready(Ok::<_, Error>(()));
        let deleted = delete(&*self.cache, &self.key(n), &Preconditions::NONE, None, accept).await;
        black_box(deleted.expect("the object is there"));
        let created = create(&*self.cache, self.key(n), self.value(n, turn + 1), None).await;
        black_box(created.expect("it was deleted"));
    }

    pub(crate) async fn watch(&self, predicate: Predicate) -> Watcher {
        let request = WatchRequest { scope: self.all(), start: WatchStart::Now, predicate, progress: false };
        self.cache.watch(request).await.expect("the cache is filled")
    }
}
