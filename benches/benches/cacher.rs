//! What do reads, writes and watches cost with the watch cache over the memory backend?
//!
//! 150,000 pods of 12 KB of JSON: 50 namespaces with 3,000 each, on 5,000 nodes; one index, `spec.nodeName`.
//! Upstream's benches have these names and dimensions. Every row is CPU time of the process, so that a machine
//! that is shared tells the same; one thread, unless the row says otherwise.
//!
//! `--quick` takes a tenth of the objects. A text names the rows to run.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::env;
use std::future::ready;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use rustix::time::{ClockId, clock_gettime};
use watchkeep_cacher::{CachedBackend, CacherOptions};
use watchkeep_storage::memory::{MemoryBackend, MemoryOptions};
use watchkeep_storage::selector::{FieldSelector, LabelSelector};
use watchkeep_storage::{
    Backend as _, Environment, Error, Interface, Key, ListRequest, Listing, Preconditions, Predicate, ReadAt,
    ResourcePrefix, Revision, Schema, Scope, SelectableField, Update, UpdateOptions, Value, WatchRequest,
    WatchStart, Watcher, create, delete, guaranteed_update,
};

const NAMESPACES: usize = 50;
const PER_NAMESPACE: usize = 3_000;
const NODES: usize = 5_000;
const OBJECT_BYTES: usize = 12_000;
const WRITES: usize = 20_000;
const WATCHERS: usize = 10;
const FAN_OUT: usize = 10_000;

/// The size of a run.
struct Size {
    per_namespace: usize,
}

struct Pods {
    cache: Arc<dyn Interface>,
    size: Size,
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let nanos = u32::try_from(time.tv_nsec).expect("less than a second");
    Duration::new(u64::try_from(time.tv_sec).expect("not negative"), nanos)
}

/// Runs work of so many operations and prints what one has cost.
async fn row<T>(name: &str, operations: usize, work: impl Future<Output = T>) -> T {
    let before = cpu();
    let result = work.await;
    let took = cpu().saturating_sub(before);
    let each = took / u32::try_from(operations).expect("a bench has fewer operations");
    println!("{name:<56} {each:>12.2?} each of {operations}");
    result
}

impl Pods {
    async fn new(size: Size) -> Self {
        let environment = Environment::system();
        let memory = MemoryBackend::new(MemoryOptions::default(), environment.clone());
        let backend = CachedBackend::new(Arc::new(memory), CacherOptions::default(), environment);
        let prefix = ResourcePrefix::new("/pods").expect("a literal that follows the rules");
        let schema = Schema::new(1, vec![SelectableField::new("spec.nodeName")]);
        let cache = backend.resource(prefix, Arc::new(schema)).await.expect("the memory backend opens");
        let pods = Self { cache, size };
        for n in 0..pods.len() {
            let created = create(&*pods.cache, pods.key(n), pods.value(n, 0), None).await;
            created.expect("the store is empty");
        }
        // The backend goes with the resource.
        std::mem::forget(backend);
        pods
    }

    fn len(&self) -> usize {
        NAMESPACES * self.size.per_namespace
    }

    fn key(&self, n: usize) -> Key {
        let namespace = format!("namespace-{:02}", n % NAMESPACES);
        let key = self.cache.prefix().object(Some(&namespace), &format!("pod-{n:06}"));
        key.expect("letters, digits and dashes")
    }

    fn value(&self, n: usize, version: usize) -> Value {
        let (namespace, node) = (n % NAMESPACES, n % NODES);
        let head = format!(
            r#"{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"pod-{n:06}","namespace":"namespace-{namespace:02}","labels":{{"app":"app-{}","version":"{version}"}}}},"spec":{{"nodeName":"node-{node:04}","text":""#,
            n % 100
        );
        let filling = "x".repeat(OBJECT_BYTES.saturating_sub(head.len() + 3));
        let bytes = format!(r#"{head}{filling}"}}}}"#).into_bytes();
        Value::new(bytes, self.cache.schema()).expect("canonical")
    }

    fn all(&self) -> Scope {
        self.cache.prefix().under(None).expect("a legal scope")
    }

    fn namespace(&self, n: usize) -> Scope {
        self.cache.prefix().under(Some(&format!("namespace-{:02}", n % NAMESPACES))).expect("a legal scope")
    }

    /// Reads a list to its end and touches every object.
    async fn walk(&self, request: ListRequest) -> Result<usize, Error> {
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

    async fn patch(&self, n: usize, version: usize) {
        let newer = self.value(n, version);
        let update = |_| ready(Ok::<_, Error>(Update::Put { value: newer.clone(), ttl: None }));
        let updated = guaranteed_update(&*self.cache, &self.key(n), UpdateOptions::default(), update).await;
        black_box(updated.expect("the object is there"));
    }

    async fn watch(&self, predicate: Predicate) -> Watcher {
        let request = WatchRequest { scope: self.all(), start: WatchStart::Now, predicate, progress: false };
        self.cache.watch(request).await.expect("the cache is filled")
    }
}

fn request(scope: Scope, at: ReadAt) -> ListRequest {
    ListRequest { scope, at, start: None, limit: None, predicate: Predicate::everything() }
}

fn on_node(node: usize) -> Predicate {
    let fields = FieldSelector::parse(&format!("spec.nodeName=node-{node:04}")).expect("a legal selector");
    Predicate { labels: LabelSelector::everything(), fields }
}

async fn lists(pods: &Pods) {
    let any = ReadAt::AtLeast(Revision::new(1));
    let now = pods.cache.current_revision().await.expect("memory");
    let rounds = 20;
    for (name, at) in [("NotOlderThan", any), ("Exact", ReadAt::Exact(now)), ("consistent", ReadAt::Latest)] {
        row(&format!("StoreList Cluster {name}"), rounds, async {
            for _ in 0..rounds {
                assert_eq!(pods.walk(request(pods.all(), at)).await.expect("a list"), pods.len());
            }
        })
        .await;
    }
    let rounds = 2_000;
    row("StoreList Cluster, one page of 1,000 with its count", rounds, async {
        for _ in 0..rounds {
            let request = ListRequest { limit: NonZeroUsize::new(1_000), ..request(pods.all(), any) };
            let listing = pods.cache.list(request).await.expect("a list");
            let remaining = listing.continuation.expect("more").remaining.expect("counted");
            assert_eq!(remaining, (pods.len() - 1_000) as u64);
            let mut cursor = listing.cursor;
            while !black_box(cursor.next().await.expect("a list")).is_empty() {}
        }
    })
    .await;
    row("StoreList Namespace NotOlderThan", rounds, async {
        for n in 0..rounds {
            let request = request(pods.namespace(n), any);
            assert_eq!(pods.walk(request).await.expect("a list"), pods.size.per_namespace);
        }
    })
    .await;
    for (name, at) in [("NotOlderThan", any), ("Exact", ReadAt::Exact(now))] {
        let rounds = 20;
        row(&format!("StoreList Node {name}"), rounds, async {
            for n in 0..rounds {
                let request = ListRequest { predicate: on_node(n), ..request(pods.all(), at) };
                assert_eq!(pods.walk(request).await.expect("a list"), pods.len() / NODES);
            }
        })
        .await;
    }
}

async fn writes(pods: &Pods) {
    row("StoreWriteThroughput Patch", WRITES, async {
        for n in 0..WRITES {
            pods.patch(n * 7 % pods.len(), n + 1).await;
        }
    })
    .await;
    row("making the values of the same writes", WRITES, async {
        for n in 0..WRITES {
            black_box(pods.value(n * 7 % pods.len(), n + 1));
        }
    })
    .await;
    row("StoreWriteThroughput DeleteCreate", WRITES, async {
        for n in 0..WRITES {
            let at = n * 7 % pods.len();
            let key = pods.key(at);
            let accept = |_| ready(Ok::<_, Error>(()));
            let deleted = delete(&*pods.cache, &key, &Preconditions::NONE, None, accept).await;
            black_box(deleted.expect("the object is there"));
            let created = create(&*pods.cache, key, pods.value(at, n), None).await;
            black_box(created.expect("it was deleted"));
        }
    })
    .await;
}

/// Writes while watches of everything read every event, each in a task of its own.
async fn watched(pods: &Pods) {
    let (environment, mut readers) = (Environment::system(), Vec::new());
    for _ in 0..WATCHERS {
        let mut watch = pods.watch(Predicate::everything()).await;
        readers.push(environment.spawn(async move {
            for _ in 0..WRITES {
                black_box(watch.next().await.expect("no end").expect("no error"));
            }
        }));
    }
    row(&format!("StoreWriteThroughput Patch, {WATCHERS} watchers, all of it"), WRITES, async {
        for n in 0..WRITES {
            pods.patch(n * 7 % pods.len(), n + WRITES).await;
        }
        for reader in readers {
            reader.await.expect("every event was delivered");
        }
    })
    .await;
    // One watcher for each node: an event concerns one of them.
    let mut watches = Vec::new();
    for node in 0..NODES {
        watches.push(pods.watch(on_node(node)).await);
    }
    row(&format!("StoreWriteThroughput Patch, {NODES} watchers by node"), WRITES, async {
        for n in 0..WRITES {
            pods.patch(n * 7 % pods.len(), n + 2 * WRITES).await;
        }
    })
    .await;
}

/// One event to ten thousand watches, from the write until the last has it.
async fn fan_out(pods: &Pods) {
    let rounds = 20;
    let mut watches = Vec::new();
    for _ in 0..FAN_OUT {
        watches.push(pods.watch(Predicate::everything()).await);
    }
    let environment = Environment::system();
    let (done, mut all) = tokio::sync::mpsc::unbounded_channel();
    for mut watch in watches {
        let done = done.clone();
        environment.spawn(async move {
            while let Some(Ok(event)) = watch.next().await {
                black_box(event);
                if done.send(()).is_err() {
                    break;
                }
            }
        });
    }
    tokio::task::yield_now().await;
    row(&format!("fan-out of one event to {FAN_OUT} watchers"), rounds, async {
        for n in 0..rounds {
            pods.patch(n, n + 3 * WRITES).await;
            for _ in 0..FAN_OUT {
                all.recv().await;
            }
        }
    })
    .await;
}

fn main() {
    let arguments: Vec<_> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let asked = |name: &str| {
        let mut names = arguments.iter().filter(|argument| !argument.starts_with("--")).peekable();
        names.peek().is_none() || names.any(|argument| argument == name)
    };
    let size = Size { per_namespace: if quick { PER_NAMESPACE / 10 } else { PER_NAMESPACE } };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let pods =
            row("filling the store through the cache", NAMESPACES * size.per_namespace, Pods::new(size))
                .await;
        if asked("lists") {
            lists(&pods).await;
        }
        if asked("writes") {
            writes(&pods).await;
        }
        if asked("watched") {
            watched(&pods).await;
        }
        if asked("fan-out") {
            fan_out(&pods).await;
        }
    });
}
