//! PUT to an object, and the loop that PATCH shares with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use watchkeep_storage::{
    Error, Freshness, Preconditions, Record, Revision, StatusFor, Update, UpdateOptions, Updated,
    guaranteed_update,
};

use super::body::Sent;
use super::create::{self, Written};
use super::object::Object;
use super::strategy::{self, Half};
use super::target::{Failure, Target};
use crate::http::error::ApiError;
use crate::http::invalid::{FieldError, invalid};
use crate::http::params::WriteParams;

/// Replaces an object.
///
/// # Errors
/// As the wire protocol says for PUT.
pub(super) async fn run(
    target: &Target,
    sent: Sent,
    half: Half,
    params: WriteParams,
) -> Result<Written, ApiError> {
    check_name(target, &sent.object)?;
    strategy::check_namespace(&target.resource, &sent.object, target.namespace.as_deref())?;
    let rules = target.resource.writes;
    let uid = sent.object.meta_text("uid");
    let demands = Demands {
        preconditions: Preconditions {
            uid: (!uid.is_empty()).then(|| uid.to_owned()),
            resource_version: None,
        },
        create_missing: rules.create_on_update && half == Half::Main,
        revision_required: !rules.unconditional_update,
        half,
        dry_run: params.dry_run,
    };
    let warnings = sent.warnings.clone();
    let wanted = |_: Option<&Record>| {
        Ok(Wanted { object: sent.object.clone(), resource_version: sent.resource_version.clone() })
    };
    let (record, created) = modify(target, demands, wanted).await?;
    Ok(Written { record, created, warnings })
}

/// What holds for all rounds of an update.
pub(super) struct Demands {
    /// Demands of the client on the stored object.
    pub(super) preconditions: Preconditions,
    /// Whether a missing object is created.
    pub(super) create_missing: bool,
    /// Whether an existing object can only be changed by a client that says which revision it has seen.
    pub(super) revision_required: bool,
    /// The half that may change.
    pub(super) half: Half,
    /// Whether nothing is to be stored.
    pub(super) dry_run: bool,
}

impl Demands {
    /// Any existing object, in any state.
    pub(super) fn none(half: Half, dry_run: bool) -> Self {
        Self {
            preconditions: Preconditions::NONE,
            create_missing: false,
            revision_required: false,
            half,
            dry_run,
        }
    }
}

/// The state that a request wants, given the stored one.
pub(super) struct Wanted {
    /// The object.
    pub(super) object: Object,
    /// The resourceVersion that the client has seen; empty if it does not care.
    pub(super) resource_version: String,
}

/// Brings an object into a wanted state: the one loop behind PUT and PATCH. Returns the object, and
/// whether it is a new one.
///
/// # Errors
/// Those of `wanted`, and the conflicts of the wire protocol.
pub(super) async fn modify(
    target: &Target,
    demands: Demands,
    wanted: impl Fn(Option<&Record>) -> Result<Wanted, ApiError>,
) -> Result<(Arc<Record>, bool), ApiError> {
    let key = target.key()?;
    if demands.create_missing {
        create::check_namespace_is_open(target).await?;
    }
    // What the last round found. Relaxed: the rounds follow each other.
    let was_missing = AtomicBool::new(false);
    let decide = |stored: Option<Arc<Record>>| {
        was_missing.store(stored.is_none(), Ordering::Relaxed);
        let update = wanted(stored.as_deref())
            .map_err(Failure::from)
            .and_then(|wanted| next_state(target, &demands, wanted, stored.as_deref()));
        std::future::ready(update)
    };
    let failed = |failure| target.failure(failure, StatusFor::Update);
    if demands.dry_run {
        return dry_run(target, &demands, decide).await.map_err(failed);
    }
    let options = UpdateOptions {
        create_missing: demands.create_missing,
        preconditions: demands.preconditions.clone(),
        suggestion: None,
    };
    match guaranteed_update(&*target.store, &key, options, decide).await.map_err(failed)? {
        Updated::Stored(record) => Ok((record, was_missing.load(Ordering::Relaxed))),
        Updated::Deleted { previous: Some(previous), revision } => {
            // The last finalizer is gone, and with it the object: the client sees its last state.
            let record = Record { revision, ..Arc::unwrap_or_clone(previous) };
            Ok((Arc::new(record), false))
        }
        Updated::Deleted { previous: None, .. } => {
            Err(target.error(&Error::NotFound { key }, StatusFor::Update))
        }
    }
}

fn next_state(
    target: &Target,
    demands: &Demands,
    wanted: Wanted,
    stored: Option<&Record>,
) -> Result<Update, Failure> {
    let Wanted { mut object, resource_version } = wanted;
    let Some(record) = stored else {
        if !resource_version.is_empty() {
            return Err(Error::NotFound { key: target.key()? }.into());
        }
        object.set_meta("name", Some(target.name.as_str().into()));
        object.set_meta("namespace", target.namespace.as_deref().map(Into::into));
        let value = create::value_for_update(target, object)?;
        return Ok(Update::Put { value, ttl: create::ttl(target) });
    };
    if demands.revision_required && resource_version.is_empty() {
        return Err(revision_required(target).into());
    }
    if !resource_version.is_empty() && resource_version != record.revision.to_string() {
        let text =
            "the object has been modified; please apply your changes to the latest version and try again";
        return Err(target.conflict(text).into());
    }
    let stored = target.tree(record)?;
    strategy::prepare_update(&target.resource, &mut object, &stored, demands.half)?;
    if strategy::is_finished(&target.resource, &object) {
        return Ok(Update::Delete);
    }
    Ok(Update::Put { value: target.value(object)?, ttl: create::ttl(target) })
}

/// One round of the loop without the commit.
async fn dry_run<R>(
    target: &Target,
    demands: &Demands,
    decide: impl FnOnce(Option<Arc<Record>>) -> R,
) -> Result<(Arc<Record>, bool), Failure>
where
    R: Future<Output = Result<Update, Failure>>,
{
    let key = target.key()?;
    let stored = target.store.get(&key, Freshness::Latest).await?.record;
    match &stored {
        None if !demands.create_missing => return Err(Error::NotFound { key }.into()),
        None => {}
        Some(record) => demands.preconditions.check(&key, record)?,
    }
    let created = stored.is_none();
    let record = match (decide(stored.clone()).await?, stored) {
        (Update::Put { value, .. }, Some(stored)) => {
            Arc::new(Record { key, value, revision: stored.revision })
        }
        (Update::Put { value, .. }, None) => Arc::new(Record { key, value, revision: Revision::ZERO }),
        (Update::Delete, Some(stored)) => stored,
        (Update::Delete, None) => return Err(Error::NotFound { key }.into()),
    };
    Ok((record, created))
}

/// The name of the object must be that of the path.
///
/// # Errors
/// 400.
pub(super) fn check_name(target: &Target, object: &Object) -> Result<(), ApiError> {
    let (own, path) = (object.meta_text("name"), &target.name);
    if own.is_empty() || own == path {
        return Ok(());
    }
    let message = format!("the name of the object ({own}) does not match the name on the URL ({path})");
    Err(ApiError::bad_request(message))
}

fn revision_required(target: &Target) -> ApiError {
    let resource = &target.resource;
    let error = FieldError::invalid("metadata.resourceVersion", 0, "must be specified for an update");
    invalid(resource.plural, resource.group, &target.name, vec![error])
}
