//! POST to a collection.

use std::sync::Arc;

use watchkeep_storage::{Error, Freshness, Record, Revision, StatusFor, Value, create};

use super::body::Sent;
use super::object::Object;
use super::strategy;
use super::target::Target;
use crate::http::error::{ApiError, Cause};
use crate::http::params::WriteParams;
use crate::kinds::resource::Scope;

/// Where events are stored.
const EVENTS: &str = "/events/";

/// How often a generated name may be taken before the client is told.
const GENERATED_NAMES_MAX: usize = 8;

/// An object as a write left it.
pub(super) struct Written {
    /// The object. Of revision zero if nothing was stored, because it was a dry run.
    pub(super) record: Arc<Record>,
    /// Whether it is a new one.
    pub(super) created: bool,
    /// What the client is to be warned of.
    pub(super) warnings: Vec<String>,
}

/// Creates an object.
///
/// # Errors
/// As the wire protocol says for POST.
pub(super) async fn run(target: &Target, sent: Sent, params: WriteParams) -> Result<Written, ApiError> {
    let Sent { object, resource_version, warnings } = sent;
    if !resource_version.is_empty() {
        return Err(target.error(&Error::ResourceVersionOnCreate, StatusFor::Create));
    }
    let is_generated = object.meta_text("name").is_empty();
    let mut tries = if is_generated { GENERATED_NAMES_MAX } else { 1 };
    loop {
        tries -= 1;
        let mut object = object.clone();
        strategy::place(&target.resource, &mut object, target.namespace.as_deref(), &target.app.environment)?;
        let target = target.named(object.meta_text("name"));
        match store_new(&target, object, params.dry_run).await {
            Ok(record) => return Ok(Written { record, created: true, warnings }),
            Err(CreateError::Taken) if tries > 0 => {}
            Err(CreateError::Taken) => return Err(taken(&target, is_generated).await),
            Err(CreateError::Other(error)) => return Err(*error),
        }
    }
}

enum CreateError {
    Taken,
    Other(Box<ApiError>),
}

impl From<ApiError> for CreateError {
    fn from(error: ApiError) -> Self {
        Self::Other(Box::new(error))
    }
}

/// Stores an object under its own name, which must be free.
async fn store_new(target: &Target, mut object: Object, dry_run: bool) -> Result<Arc<Record>, CreateError> {
    strategy::prepare_create(&target.resource, &mut object, &target.app.environment)?;
    let key = target.key()?;
    let _creation = target.app.namespaces.creation().await;
    check_namespace_is_open(target).await?;
    let value = target.value(object)?;
    if dry_run {
        let found = target.store.get(&key, Freshness::Latest).await;
        return match found.map_err(|error| target.error(&error, StatusFor::Create))?.record {
            Some(_) => Err(CreateError::Taken),
            None => Ok(Arc::new(Record { key, value, revision: Revision::ZERO })),
        };
    }
    match create(&*target.store, key, value, ttl(target)).await {
        Ok(record) => Ok(record),
        Err(Error::Exists { .. }) => Err(CreateError::Taken),
        Err(error) => Err(target.error(&error, StatusFor::Create).into()),
    }
}

/// Creates an object for an update of a missing one, whose kind allows that.
///
/// # Errors
/// As for a POST of the same object.
pub(super) fn value_for_update(target: &Target, mut object: Object) -> Result<Value, ApiError> {
    strategy::prepare_create(&target.resource, &mut object, &target.app.environment)?;
    target.value(object)
}

/// For how long objects of the target's kind are kept: events, in either of their groups, are not for ever.
pub(super) fn ttl(target: &Target) -> Option<std::time::Duration> {
    let stored_as_event = target.resource.storage_prefix == EVENTS;
    stored_as_event.then_some(target.app.event_ttl)
}

/// Objects can only be created in a namespace that exists and is not being deleted.
///
/// # Errors
/// 404 and 403 with the reference's messages.
pub(super) async fn check_namespace_is_open(target: &Target) -> Result<(), ApiError> {
    if target.resource.scope == Scope::Cluster {
        return Ok(());
    }
    let name = target.namespace.clone().unwrap_or_default();
    let table = target.app.table.load_full();
    let Some(resource) = table.resource("", "v1", "namespaces") else { return Ok(()) };
    let namespace = Target::new(&target.app, resource, None, Some(name.clone()))?;
    let found = namespace.store.get(&namespace.key()?, Freshness::Latest).await;
    let found = found.map_err(|error| namespace.error(&error, StatusFor::Create))?;
    let Some(record) = found.record else {
        let message = format!("{} not found", namespace.qualified());
        return Err(ApiError::new(404, "NotFound", message).with(namespace.details()));
    };
    if record.value.attributes().field("status.phase") == Some("Terminating") {
        return Err(terminating(target, &name));
    }
    Ok(())
}

fn terminating(target: &Target, namespace: &str) -> ApiError {
    let cause = Cause {
        reason: "NamespaceTerminating".into(),
        message: format!("namespace {namespace} is being terminated"),
        field: "metadata.namespace".to_owned(),
    };
    let mut details = target.details();
    details.causes.push(cause);
    let message = format!(
        "{} is forbidden: unable to create new content in namespace {namespace} because it is being terminated",
        target.qualified()
    );
    ApiError::new(403, "Forbidden", message).with(details)
}

/// 409: the name is taken, and perhaps by an object that is about to go.
async fn taken(target: &Target, is_generated: bool) -> ApiError {
    let exists = match target.key() {
        Ok(key) => target.error(&Error::Exists { key }, StatusFor::Create),
        Err(error) => return error,
    };
    if is_generated {
        let message =
            format!("{}, the server was not able to generate a unique name for the object", exists.message);
        return ApiError { message, ..exists };
    }
    if is_stored_terminating(target).await {
        return ApiError { message: format!("object is being deleted: {}", exists.message), ..exists };
    }
    exists
}

async fn is_stored_terminating(target: &Target) -> bool {
    let Ok(key) = target.key() else { return false };
    let Ok(found) = target.store.get(&key, Freshness::Latest).await else { return false };
    found.record.is_some_and(|record| Object::of_record(&record).is_ok_and(|object| object.is_terminating()))
}
