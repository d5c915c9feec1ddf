//! What all requests share: the resource table, the stores, time and chance, and the way to the exit.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;
use watchkeep_storage::{Backend, Environment, Error, Interface, ResourcePrefix};

use crate::http::checkpoints::Checkpoints;
use crate::kinds::resource::Resource;
use crate::kinds::table::ResourceTable;
use crate::namespaces::Namespaces;
use crate::selectable;

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
    /// How long Event objects are kept.
    pub event_ttl: Duration,
    /// Makes backups of the store, where whoever starts the server has said how.
    pub checkpoints: Option<Checkpoints>,
}

impl App {
    /// Opens the store of every resource of the built-in table.
    ///
    /// # Errors
    /// Those of [`Backend::resource`].
    pub async fn new(
        backend: &dyn Backend,
        environment: Environment,
        event_ttl: Duration,
    ) -> Result<Self, Error> {
        let table = ResourceTable::built_in();
        let mut stores = HashMap::new();
        for resource in table.resources() {
            if stores.contains_key(resource.storage_prefix) {
                continue;
            }
            let shares = |other: &&Arc<Resource>| other.storage_prefix == resource.storage_prefix;
            let versions = table.resources().iter().filter(shares);
            let schema = selectable::schema(versions.map(|version| &**version));
            let prefix = ResourcePrefix::new(resource.storage_prefix)?;
            stores.insert(resource.storage_prefix, backend.resource(prefix, Arc::new(schema)).await?);
        }
        Ok(Self {
            table: ArcSwap::from_pointee(table),
            stores,
            environment,
            draining: CancellationToken::new(),
            namespaces: Namespaces::default(),
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

    /// Asks the store one question, and waits for the answer.
    ///
    /// # Errors
    /// What the store says instead.
    pub async fn ask_the_store(&self) -> Result<(), Error> {
        match self.stores.values().next() {
            Some(store) => store.current_revision().await.map(drop),
            None => Ok(()),
        }
    }

    /// Whether requests can be served.
    ///
    /// # Errors
    /// [`Error::NotReady`] with the reason of the first store that is not.
    pub fn readiness(&self) -> Result<(), Error> {
        self.stores.values().try_for_each(|store| store.readiness())
    }
}
