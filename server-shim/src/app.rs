//! What all requests share: the resource table, the stores, time and chance, and the way to the exit.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use metrics::Histogram;
use tokio_util::sync::CancellationToken;
use watchkeep_storage::{Backend, Environment, Error, Interface, ResourcePrefix};

use crate::http::checkpoints::Checkpoints;
use crate::http::objects;
use crate::http::objects::frames::Frames;
use crate::http::objects::messages::Messages;
use crate::kinds::resource::Resource;
use crate::kinds::table::ResourceTable;
use crate::namespaces::Namespaces;
use crate::selectable;

/// How many stores are opened at once: some, as each waits for answers of its own; few, as each takes a thread where a
/// disk is read.
const OPENING_MAX: usize = 4;

/// The state of a server.
pub struct App {
    /// What is served; swapped as a whole when it changes.
    pub table: ArcSwap<ResourceTable>,
    /// The store of each resource, by its storage prefix.
    stores: HashMap<&'static str, Arc<dyn Interface>>,
    /// Time and chance.
    pub environment: Environment,
    /// Cancelled when the server is to stop: it is no longer ready, and watches end.
    pub draining: CancellationToken,
    /// What creations and the ends of namespaces know of each other.
    pub(crate) namespaces: Namespaces,
    /// What watches of all resources share of what they send.
    pub(crate) frames: Frames,
    /// What is kept in protobuf of all resources.
    pub(crate) messages: Messages,
    /// How long connections take what watches send.
    pub(crate) watch_send: Histogram,
    /// How long Event objects are kept.
    pub event_ttl: Duration,
    /// Makes backups of the store, where whoever starts the server has said how.
    pub checkpoints: Option<Checkpoints>,
}

impl App {
    /// Opens the store of every resource of the built-in table, some at a time: their caches are filled meanwhile.
    ///
    /// # Errors
    /// Those of [`Backend::resource`].
    pub async fn new(
        backend: &dyn Backend,
        environment: Environment,
        event_ttl: Duration,
    ) -> Result<Self, Error> {
        let table = ResourceTable::built_in();
        let opening = stored(&table).map(async |resource| {
            Ok::<_, Error>((resource.storage_prefix, open(backend, &table, resource).await?))
        });
        let stores = stream::iter(opening).buffer_unordered(OPENING_MAX).try_collect().await?;
        Ok(Self {
            table: ArcSwap::from_pointee(table),
            stores,
            environment,
            draining: CancellationToken::new(),
            namespaces: Namespaces::default(),
            frames: Frames::new(),
            messages: Messages::new(),
            watch_send: objects::send_histogram(),
            event_ttl,
            checkpoints: None,
        })
    }

    /// The store of a resource.
    ///
    /// # Errors
    /// [`Error::NotReady`] for a resource that was not there when the server started.
    pub fn store(&self, resource: &Resource) -> Result<&Arc<dyn Interface>, Error> {
        let missing = || Error::NotReady { reason: format!("{} has no store", resource.plural) };
        self.stores.get(resource.storage_prefix).ok_or_else(missing)
    }

    /// Whether the store can serve requests.
    ///
    /// # Errors
    /// [`Error::NotReady`] with the reason.
    pub fn readiness(&self) -> Result<(), Error> {
        self.stores.values().try_for_each(|store| match store.readiness() {
            Err(Error::Initializing { .. }) => Ok(()),
            readiness => readiness,
        })
    }

    /// The resources whose caches cannot be asked yet, and why.
    pub fn unfilled_caches(&self) -> Vec<(&'static str, String)> {
        let table = self.table.load();
        let unfilled = |resource: &Arc<Resource>| match self.store(resource).ok()?.readiness() {
            Err(Error::Initializing { reason, .. }) => Some((resource.plural, reason)),
            _ => None,
        };
        stored(&table).filter_map(unfilled).collect()
    }
}

/// Asks a store one question, and waits for the answer.
///
/// # Errors
/// What the store says instead.
pub async fn ask(backend: &dyn Backend) -> Result<(), Error> {
    let table = ResourceTable::built_in();
    match stored(&table).next() {
        Some(resource) => open(backend, &table, resource).await?.current_revision().await.map(drop),
        None => Ok(()),
    }
}

/// A resource of each kind that is stored, although it may be served under several names.
fn stored(table: &ResourceTable) -> impl Iterator<Item = &Arc<Resource>> {
    let mut seen = HashSet::new();
    table.resources().iter().filter(move |resource| seen.insert(resource.storage_prefix))
}

/// Opens the store of a resource, with all that its names make selectable.
async fn open(
    backend: &dyn Backend,
    table: &ResourceTable,
    resource: &Resource,
) -> Result<Arc<dyn Interface>, Error> {
    let versions = table.resources().iter().filter(|other| other.storage_prefix == resource.storage_prefix);
    let schema = selectable::schema(versions.map(|version| &**version));
    backend.resource(ResourcePrefix::new(resource.storage_prefix)?, Arc::new(schema)).await
}
