//! What a request is about: a resource, its store, and an object or a collection in it.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value as Json;
use watchkeep_storage::{Error, Interface, Key, ObjectName, Record, Scope, StatusFor, Value};

use super::object::Object;
use crate::app::App;
use crate::codec;
use crate::convert;
use crate::http::error::ApiError;
use crate::kinds::field::Type;
use crate::kinds::resource::{self, Resource};

/// What a request is about.
#[derive(Clone)]
pub(crate) struct Target {
    /// The server.
    pub(super) app: Arc<App>,
    /// The resource, in the version of the request.
    pub(super) resource: Arc<Resource>,
    /// The schema of the version in which it is stored.
    pub(super) storage_schema: &'static Type,
    /// Its store.
    pub(super) store: Arc<dyn Interface>,
    /// The namespace of the path.
    pub(super) namespace: Option<String>,
    /// The name of the path; for a collection, and until it is known, empty.
    pub(super) name: String,
}

/// A failure on the way through a storage loop: the store's, or the request's.
#[derive(Debug)]
pub(super) enum Failure {
    Storage(Error),
    Api(Box<ApiError>),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Storage(error)
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Api(Box::new(error))
    }
}

impl Target {
    /// The target of a path.
    ///
    /// # Errors
    /// 429 while the resource has no store; 500 if nothing is known of its stored version.
    pub(crate) fn new(
        app: &Arc<App>,
        resource: &Arc<Resource>,
        namespace: Option<String>,
        name: Option<String>,
    ) -> Result<Self, ApiError> {
        let name = name.unwrap_or_default();
        let store =
            app.store(resource).map_err(|error| storage_error(resource, &name, &error, StatusFor::Get))?;
        Ok(Self {
            app: Arc::clone(app),
            resource: Arc::clone(resource),
            storage_schema: storage_schema(app, resource)?,
            store: Arc::clone(store),
            namespace,
            name,
        })
    }

    /// The server.
    pub(crate) fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// The store of the resource.
    pub(crate) fn store(&self) -> &Arc<dyn Interface> {
        &self.store
    }

    /// The resource, in the version of the request.
    pub(crate) fn resource(&self) -> &Resource {
        &self.resource
    }

    /// The same target with another name.
    pub(super) fn named(&self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self.clone() }
    }

    /// The key of the object.
    ///
    /// # Errors
    /// 400 for a name or a namespace that cannot be in a path, and for a missing namespace.
    pub(crate) fn key(&self) -> Result<Key, ApiError> {
        if self.resource.scope == resource::Scope::Namespaced && self.namespace.is_none() {
            return Err(ApiError::bad_request("namespace is required on namespaced resources"));
        }
        let key = self.store.prefix().object(self.namespace.as_deref(), &self.name);
        key.map_err(|error| ApiError::bad_request(error.to_string()))
    }

    /// What a list or a watch of the collection covers.
    ///
    /// # Errors
    /// 400 for a namespace that cannot be in a path.
    pub(crate) fn scope(&self) -> Result<Scope, ApiError> {
        let scope = self.store.prefix().under(self.namespace.as_deref());
        scope.map_err(|error| ApiError::bad_request(error.to_string()))
    }

    /// What a client is told of a storage error.
    pub(crate) fn error(&self, error: &Error, during: StatusFor) -> ApiError {
        storage_error(&self.resource, &self.name, error, during)
    }

    /// What a client is told of a failure.
    pub(super) fn failure(&self, failure: Failure, during: StatusFor) -> ApiError {
        match failure {
            Failure::Storage(error) => self.error(&error, during),
            Failure::Api(error) => *error,
        }
    }

    /// The tree of a record in the version of the request, in which clients see it. What becomes of an
    /// object is decided in its stored version, on [`Object::of_record`].
    ///
    /// # Errors
    /// 500 if what is stored is no JSON.
    pub(super) fn shown_tree(&self, record: &Record) -> Result<Object, ApiError> {
        let stored = Object::of_record(record)?;
        if !convert::is_needed(&self.resource) {
            return Ok(stored);
        }
        Ok(Object::new(convert::from_storage(&self.resource, stored.into_tree())))
    }

    /// From the version of the request to the stored one; `tree` is in canonical form.
    ///
    /// # Errors
    /// 500 if it cannot be stored, which no tree in canonical form leads to.
    pub(super) fn to_storage(&self, tree: Json) -> Result<Json, ApiError> {
        if !convert::is_needed(&self.resource) {
            return Ok(tree);
        }
        convert::to_storage(&self.resource, self.storage_schema, tree).map_err(ApiError::internal)
    }

    /// A record as the request's version shows it: itself, unless it is stored in another version.
    ///
    /// # Errors
    /// 500 if what is stored cannot be converted.
    pub(super) fn shown<'r>(&self, record: &'r Record) -> Result<Cow<'r, Record>, ApiError> {
        if !convert::is_needed(&self.resource) {
            return Ok(Cow::Borrowed(record));
        }
        let bytes = codec::encode(self.resource.schema, &self.shown_tree(record)?.into_tree());
        let value = Value::new(bytes.into_boxed_slice(), self.store.schema()).map_err(ApiError::internal)?;
        Ok(Cow::Owned(Record { key: record.key.clone(), value, revision: record.revision }))
    }

    /// The canonical value of a tree in the stored version.
    ///
    /// # Errors
    /// 500 if the canonical form has no layout, which no tree of this server leads to.
    pub(super) fn value(&self, object: Object) -> Result<Value, ApiError> {
        let bytes = codec::encode(self.storage_schema, &object.into_tree());
        Value::new(bytes.into_boxed_slice(), self.store.schema()).map_err(ApiError::internal)
    }

    /// The object's name in messages.
    pub(super) fn qualified(&self) -> String {
        let Resource { plural, group, .. } = &*self.resource;
        let dot = if group.is_empty() { "" } else { "." };
        format!("{plural}{dot}{group} {:?}", self.name)
    }

    /// 409: the object is not what the client thought it was.
    pub(super) fn conflict(&self, text: &str) -> ApiError {
        let message = format!("Operation cannot be fulfilled on {}: {text}", self.qualified());
        ApiError::new(409, "Conflict", message).with(self.details())
    }

    /// The details that name the object.
    pub(super) fn details(&self) -> crate::http::error::Details {
        crate::http::error::Details {
            name: self.name.clone(),
            group: self.resource.group.to_owned(),
            kind: self.resource.plural.to_owned(),
            ..Default::default()
        }
    }
}

/// The schema of the version in which a resource is stored.
fn storage_schema(app: &App, resource: &Resource) -> Result<&'static Type, ApiError> {
    if !convert::is_needed(resource) {
        return Ok(resource.schema);
    }
    let stored = resource.storage_api_version;
    let (group, version) = stored.split_once('/').unwrap_or(("", stored));
    let table = app.table.load();
    let missing = || ApiError::internal(format!("{stored} is not in the resource table"));
    table.resource(group, version, resource.plural).map(|stored| stored.schema).ok_or_else(missing)
}

fn storage_error(resource: &Resource, name: &str, error: &Error, during: StatusFor) -> ApiError {
    let object = ObjectName { resource: resource.plural, group: resource.group, name };
    if let Error::Corrupt { .. } | Error::Internal { .. } | Error::Unreachable { .. } = error {
        tracing::error!(resource = resource.plural, name, %error, "storage failed");
    }
    ApiError::from_storage(error.status(during, object), object)
}

/// A collection of a server of its own, in the namespace `n`, which does not exist.
#[cfg(test)]
#[cfg(feature = "memory")]
pub(super) async fn test_target(group: &str, plural: &str) -> Target {
    use watchkeep_storage::Environment;
    use watchkeep_storage::memory::{MemoryBackend, MemoryOptions};

    let environment = Environment::system();
    let backend = MemoryBackend::new(MemoryOptions::default(), environment.clone());
    let app = App::new(&backend, environment, std::time::Duration::from_hours(1)).await.unwrap();
    let resource = Arc::clone(app.table.load().resource(group, "v1", plural).unwrap());
    Target::new(&Arc::new(app), &resource, Some("n".to_owned()), None).unwrap()
}
