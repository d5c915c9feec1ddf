//! A typed view: Rust types in and out, for controllers and servers that embed a store.

use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use futures_util::stream;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

use crate::create::create;
use crate::delete::{Deleted, delete};
use crate::error::Error;
use crate::event::{Bookmark, EventType, WatchEvent};
use crate::interface::{Freshness, Interface};
use crate::key::{Key, Scope};
use crate::list::{ListOptions, ListPage, collect, list};
use crate::precondition::Preconditions;
use crate::record::{Record, Value};
use crate::revision::Revision;
use crate::update::{Update, UpdateOptions, Updated, guaranteed_update};
use crate::watch::WatchOptions;

/// A resource whose objects are of type `T`, which carries `kind`, `apiVersion` and `metadata` like every
/// Kubernetes object (the types of `k8s-openapi` do). Clause \[TYPED\].
pub struct Typed<T> {
    store: Arc<dyn Interface>,
    objects: PhantomData<fn() -> T>,
}

/// An object with its revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned<T> {
    /// The object, its `metadata.resourceVersion` set to the revision.
    pub object: T,
    /// The revision of the commit that made it.
    pub revision: Revision,
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct TypedPage<T> {
    /// The revision of the list.
    pub revision: Revision,
    /// The token of the next page; `None` on the last.
    pub continue_token: Option<String>,
    /// How many objects follow this page, where that is known.
    pub remaining: Option<u64>,
    /// The objects, in the order of their keys.
    pub objects: Vec<Versioned<T>>,
}

/// What a typed watch yields.
#[derive(Clone, Debug)]
pub enum TypedEvent<T> {
    /// An object changed: the type of the change, and the object, with the revision of the event. A deleted
    /// one is its last state.
    Change(EventType, Versioned<T>),
    /// Everything up to a revision has been delivered.
    Bookmark(Bookmark),
}

impl<T> Clone for Typed<T> {
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store), objects: PhantomData }
    }
}

impl<T: Serialize + DeserializeOwned> Typed<T> {
    /// The typed view of a resource.
    pub fn new(store: Arc<dyn Interface>) -> Self {
        Self { store, objects: PhantomData }
    }

    /// Stores an object under a free key.
    ///
    /// # Errors
    /// [`Error::ResourceVersionOnCreate`] if the object has a resourceVersion, and those of [`create`].
    pub async fn create(&self, key: Key, object: &T, ttl: Option<Duration>) -> Result<Versioned<T>, Error> {
        let (value, resource_version) = self.encode(&key, object)?;
        if resource_version.is_some() {
            return Err(Error::ResourceVersionOnCreate);
        }
        decode(&*create(&*self.store, key, value, ttl).await?)
    }

    /// Reads an object; `None` if there is none.
    ///
    /// # Errors
    /// Those of [`Interface::get`]; [`Error::Corrupt`] if the stored object is no `T`.
    pub async fn get(&self, key: &Key, freshness: Freshness) -> Result<Option<Versioned<T>>, Error> {
        let found = self.store.get(key, freshness).await?;
        found.record.as_deref().map(decode).transpose()
    }

    /// Reads a page of the objects of a scope: all of them without a limit, so set one where there may be
    /// many.
    ///
    /// # Errors
    /// Those of [`list`]; [`Error::Corrupt`] if a stored object is no `T`.
    pub async fn list(&self, scope: Scope, options: &ListOptions) -> Result<TypedPage<T>, Error> {
        let ListPage { revision, continue_token, remaining, cursor } =
            list(&*self.store, scope, options).await?;
        let records = collect(cursor).await?;
        let objects = records.iter().map(|record| decode(record)).collect::<Result<_, _>>()?;
        Ok(TypedPage { revision, continue_token, remaining, objects })
    }

    /// Watches a scope. The stream ends after its first error; an object that is no `T` is
    /// [`Error::Corrupt`] and ends it too.
    ///
    /// # Errors
    /// Those of [`WatchOptions::resolve`] and [`Interface::watch`].
    pub async fn watch(
        &self,
        scope: Scope,
        options: &WatchOptions,
    ) -> Result<impl Stream<Item = Result<TypedEvent<T>, Error>> + use<T>, Error> {
        let mut watcher = Some(self.store.watch(options.resolve(scope)?).await?);
        Ok(stream::poll_fn(move |context| {
            let Some(source) = &mut watcher else { return Poll::Ready(None) };
            let event = ready!(Pin::new(source).poll_next(context));
            let event = event.map(|event| event.and_then(typed_event));
            if !matches!(event, Some(Ok(_))) {
                watcher = None;
            }
            Poll::Ready(event)
        }))
    }

    /// Changes an object by a function of its stored state, which may be called several times.
    ///
    /// What `T` does not know of the stored object is lost, and so is its time-to-live. A resourceVersion
    /// that the changed object carries is dropped: the loop itself makes sure that nobody's change is
    /// overwritten.
    ///
    /// # Errors
    /// Those of [`guaranteed_update`].
    pub async fn update(&self, key: &Key, mut change: impl FnMut(&mut T)) -> Result<Versioned<T>, Error> {
        let changed = |record: Option<Arc<Record>>| {
            let update = record.as_deref().map(|record| {
                let mut versioned = decode::<T>(record)?;
                change(&mut versioned.object);
                let (value, _) = self.encode(key, &versioned.object)?;
                Ok(Update::Put { value, ttl: None })
            });
            std::future::ready(update.unwrap_or_else(|| Err(Error::NotFound { key: key.clone() })))
        };
        match guaranteed_update(&*self.store, key, UpdateOptions::default(), changed).await? {
            Updated::Stored(record) => decode(&record),
            Updated::Deleted { .. } => Err(Error::NotFound { key: key.clone() }),
        }
    }

    /// Deletes an object that meets the preconditions, and returns its last state with the revision of
    /// the deletion.
    ///
    /// # Errors
    /// Those of [`delete`].
    pub async fn delete(&self, key: &Key, preconditions: &Preconditions) -> Result<Versioned<T>, Error> {
        let accept = |_| std::future::ready(Ok::<_, Error>(()));
        let Deleted { record, revision } = delete(&*self.store, key, preconditions, None, accept).await?;
        decode_at(&record, revision)
    }

    /// The stored form of an object, and the resourceVersion that it carried.
    fn encode(&self, key: &Key, object: &T) -> Result<(Value, Option<String>), Error> {
        let invalid = |reason: String| Error::InvalidValue { key: key.clone(), reason };
        let json = serde_json::to_value(object).map_err(|error| invalid(error.to_string()))?;
        let Json::Object(object) = json else { return Err(invalid("not an object".to_owned())) };
        let (ordered, resource_version) = order(object);
        let bytes = serde_json::to_vec(&ordered).map_err(|error| invalid(error.to_string()))?;
        let value = Value::new(bytes.into_boxed_slice(), self.store.schema())
            .map_err(|error| invalid(error.to_string()))?;
        Ok((value, resource_version))
    }
}

fn typed_event<T: DeserializeOwned>(event: WatchEvent) -> Result<TypedEvent<T>, Error> {
    match event {
        WatchEvent::Bookmark(bookmark) => Ok(TypedEvent::Bookmark(bookmark)),
        WatchEvent::Change(change) => {
            let lost =
                || Error::Internal { reason: format!("{}: an event without an object", change.event.key) };
            let record = change.record().ok_or_else(lost)?;
            Ok(TypedEvent::Change(change.event_type, decode_at(record, change.revision())?))
        }
    }
}

fn decode<T: DeserializeOwned>(record: &Record) -> Result<Versioned<T>, Error> {
    decode_at(record, record.revision)
}

fn decode_at<T: DeserializeOwned>(record: &Record, revision: Revision) -> Result<Versioned<T>, Error> {
    let mut bytes = Vec::new();
    record.write_object_at(revision, &mut bytes);
    let object = serde_json::from_slice(&bytes).map_err(|error| Error::Corrupt {
        key: record.key.clone(),
        revision: Some(record.revision),
        reason: error.to_string(),
    })?;
    Ok(Versioned { object, revision })
}

/// The order of the canonical form: type, metadata with what stands before the resourceVersion first,
/// then the rest as `T` writes it.
fn order(mut object: Map<String, Json>) -> (Map<String, Json>, Option<String>) {
    let mut ordered = Map::new();
    for key in ["kind", "apiVersion", "metadata"] {
        if let Some(value) = object.shift_remove(key) {
            ordered.insert(key.to_owned(), value);
        }
    }
    ordered.extend(object);
    let Some(Json::Object(metadata)) = ordered.get_mut("metadata") else { return (ordered, None) };
    let resource_version = metadata.shift_remove("resourceVersion");
    let mut first = Map::new();
    for key in ["name", "generateName", "namespace", "uid"] {
        if let Some(value) = metadata.shift_remove(key) {
            first.insert(key.to_owned(), value);
        }
    }
    first.extend(std::mem::take(metadata));
    *metadata = first;
    (ordered, resource_version.and_then(|value| value.as_str().map(str::to_owned)))
}
