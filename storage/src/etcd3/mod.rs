//! The etcd3 backend: a client of an etcd cluster, so that many servers can share one store.
//!
//! etcd has revisions, history, conditional transactions, watches and leases of its own, and the contract is
//! close to them. So this backend keeps no state that counts: several processes with one cluster are one
//! store, and what one of them is told the others will find.
//!
//! ```text
//!   commit ─▶ one transaction (commit, lease)      ─┐
//!   get    ─▶ one range of one key (reads)          ├─▶ client: deadlines, members ─▶ etcd
//!   list   ─▶ pages at one revision (pages, list)   │
//!   watch  ─▶ a stream of its own (feed, watch)    ─┘
//!            background: whether it serves (health), giving up history (compactor)
//! ```
//!
//! A value is stored as it is, below the prefix and its key: `/registry/pods/ns/name` holds JSON that
//! `etcdctl get` shows. The revision of a record is the one that etcd gave its last change.
//!
//! What etcd forces, and where that differs from the other backends, is listed in `docs/etcd.md`; why things
//! are as they are in `docs/decisions/0006-etcd3.md`.

mod client;
mod commit;
mod compactor;
mod feed;
mod health;
mod keys;
mod lease;
mod list;
mod options;
mod pages;
mod progress;
mod proto;
mod reads;
mod records;
mod resources;
mod sizes;
mod status;
mod telemetry;
mod watch;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use self::client::Client;
use self::compactor::History;
use self::feed::{Feed, Origin};
use self::health::Health;
use self::keys::Prefix;
use self::lease::Leases;
pub use self::options::EtcdOptions;
use self::proto::RangeRequest;
use self::resources::{Resource, Resources};
pub use self::telemetry::HISTOGRAM_BUCKETS;
use self::watch::{EtcdWatch, Initial};
use crate::environment::Environment;
use crate::error::{CompactedDuring, Error};
use crate::interface::{Backend, BoxFuture, Commit, Found, Freshness, Interface, Outcome, Stats};
use crate::key::{Key, ResourcePrefix};
use crate::list::{ListRequest, Listing};
use crate::revision::Revision;
use crate::schema::Schema;
use crate::watch::{WatchRequest, WatchStart, Watcher};

/// A store in an etcd cluster.
pub struct EtcdBackend {
    shared: Arc<Shared>,
}

/// Why there is no client of a cluster.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No member is named.
    #[error("no etcd server is named")]
    NoServers,
    /// A URL that names none.
    #[error("{server:?} is no URL of an etcd server: {reason}")]
    Server {
        /// The URL.
        server: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A member would not be known by anything.
    #[error("{server:?} needs a file of certificates that vouch for it")]
    NoCertificates {
        /// The URL.
        server: String,
    },
    /// A certificate without its key, or the other way round.
    #[error("a certificate of a client and its key belong together: one of the files is not named")]
    HalfAnIdentity,
    /// A file that cannot be read.
    #[error("{}: {error}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// The certificates are of no use.
    #[error("the certificates for etcd: {0}")]
    Tls(String),
}

/// What the backend, its resources and its watches share.
struct Shared {
    client: Client,
    options: EtcdOptions,
    environment: Environment,
    keys: Prefix,
    resources: Resources,
    leases: Leases,
    history: History,
    health: Health,
    /// Names the watches. Relaxed: only uniqueness matters.
    watchers: AtomicU64,
    closed: AtomicBool,
}

/// One resource of an [`EtcdBackend`].
struct EtcdResource {
    shared: Arc<Shared>,
    resource: Arc<Resource>,
}

impl EtcdBackend {
    /// A client of the cluster, and the tasks that ask whether it serves and compact its history until the
    /// backend is closed or dropped. Does not wait for the cluster: [`Interface::readiness`] tells when it
    /// serves.
    ///
    /// # Errors
    /// [`OpenError`]: what is wrong with the options.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn open(options: EtcdOptions, environment: Environment) -> Result<Self, OpenError> {
        let shared = Arc::new(Shared {
            client: Client::new(&options, &environment)?,
            keys: Prefix::new(&options.prefix),
            options,
            environment,
            resources: Resources::default(),
            leases: Leases::default(),
            history: History::default(),
            health: Health::default(),
            watchers: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        });
        let environment = &shared.environment;
        environment.spawn(health::run(Arc::downgrade(&shared), environment.clone()));
        if !shared.options.compaction_interval.is_zero() {
            environment.spawn(compactor::run(Arc::downgrade(&shared), environment.clone()));
        }
        Ok(Self { shared })
    }
}

impl Backend for EtcdBackend {
    fn resource(
        &self,
        prefix: ResourcePrefix,
        schema: Arc<Schema>,
    ) -> BoxFuture<'_, Result<Arc<dyn Interface>, Error>> {
        Box::pin(async move {
            let resource = self.shared.resources.open(prefix, schema, &self.shared.keys)?;
            let resource = EtcdResource { shared: Arc::clone(&self.shared), resource };
            Ok(Arc::new(resource) as Arc<dyn Interface>)
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        // What was acknowledged is etcd's to keep.
        self.shared.closed.store(true, Ordering::Release);
        Box::pin(async { Ok(()) })
    }
}

impl Shared {
    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn check_open(&self) -> Result<(), Error> {
        if self.is_closed() {
            return Err(Error::NotReady { reason: "the store is closed".to_owned() });
        }
        Ok(())
    }
}

impl EtcdResource {
    async fn open_watch(&self, request: WatchRequest) -> Result<Watcher, Error> {
        let WatchRequest { scope, start, predicate, progress } = request;
        let (shared, resource) = (&self.shared, &self.resource);
        let range = resource.keys.range(&scope, None);
        let (mut feed, initial) = match start {
            WatchStart::After(revision) => {
                if revision < shared.history.oldest() {
                    // etcd would say so too, but only after the watch was opened. [COMPACT-WATCHES]
                    return Err(shared.compacted(revision, CompactedDuring::Watch));
                }
                (Feed::new(shared, range, revision, Origin::Any), None)
            }
            WatchStart::Now => {
                let now = shared.current_revision().await?;
                (Feed::new(shared, range, now, Origin::Newest), None)
            }
            WatchStart::Initial { freshness, bookmark } => {
                let at = freshness.into();
                let list = ListRequest { scope, at, start: None, limit: None, predicate: predicate.clone() };
                let (mut cursor, first) = shared.open_cursor(resource, list).await?;
                cursor.accept(first);
                let feed = Feed::new(shared, range, cursor.revision(), Origin::Any);
                (feed, Some(Initial::new(cursor, bookmark)))
            }
        };
        if initial.is_none() {
            feed.connect().await?;
        }
        let watcher = shared.watchers.fetch_add(1, Ordering::Relaxed);
        let watch = EtcdWatch::new(shared, resource, watcher, (predicate, progress), initial, feed);
        Ok(Watcher::new(watch))
    }

    /// Counts at etcd, and what is known of sizes here. \[STATS\]
    async fn count(&self) -> Result<Stats, Error> {
        let range = self.resource.keys.range(&self.resource.prefix.under(None)?, None);
        let request = RangeRequest {
            key: range.start,
            range_end: range.end,
            count_only: true,
            ..RangeRequest::default()
        };
        let counted = self.shared.range(request).await?;
        Ok(self.resource.sizes.stats(u64::try_from(counted.count).unwrap_or_default()))
    }
}

impl Interface for EtcdResource {
    fn prefix(&self) -> &ResourcePrefix {
        &self.resource.prefix
    }

    fn schema(&self) -> &Schema {
        &self.resource.schema
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Outcome, Error>> {
        Box::pin(async move {
            self.shared.check_open()?;
            self.shared.commit(&self.resource, commit).await
        })
    }

    fn get(&self, key: &Key, freshness: Freshness) -> BoxFuture<'_, Result<Found, Error>> {
        let key = key.clone();
        Box::pin(async move {
            self.shared.check_open()?;
            self.shared.get(&self.resource, &key, freshness).await
        })
    }

    fn list(&self, request: ListRequest) -> BoxFuture<'_, Result<Listing, Error>> {
        Box::pin(async move {
            self.shared.check_open()?;
            self.shared.list(&self.resource, request).await
        })
    }

    fn watch(&self, request: WatchRequest) -> BoxFuture<'_, Result<Watcher, Error>> {
        Box::pin(async move {
            self.shared.check_open()?;
            self.open_watch(request).await
        })
    }

    fn current_revision(&self) -> BoxFuture<'_, Result<Revision, Error>> {
        Box::pin(self.shared.current_revision())
    }

    fn request_progress(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let now = self.shared.current_revision().await?;
            self.resource.progress.ask(now);
            Ok(())
        })
    }

    fn compact(&self, revision: Revision) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.shared.compact(revision))
    }

    fn compacted_revision(&self) -> Revision {
        self.shared.history.oldest()
    }

    fn stats(&self) -> BoxFuture<'_, Result<Stats, Error>> {
        Box::pin(self.count())
    }

    fn readiness(&self) -> Result<(), Error> {
        self.shared.check_open()?;
        self.shared.health.check()
    }
}
