//! PUT to an object, and the loop that PATCH shares with it.

use std::sync::Arc;

use watchkeep_storage::{Error, Preconditions, Record, StatusFor};

use super::body::Sent;
use super::create::{self, Written};
use super::object::Object;
use super::settle::{Decision, Settled, Terms, settle};
use super::strategy::{self, Part};
use super::target::{Failure, Target};
use crate::convert;
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
    part: Part,
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
        create_missing: rules.create_on_update && part == Part::Main,
        revision_required: !rules.unconditional_update,
        part,
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
    /// The part that may change.
    pub(super) part: Part,
    /// Whether nothing is to be stored.
    pub(super) dry_run: bool,
}

impl Demands {
    /// Any existing object, in any state.
    pub(super) fn none(part: Part, dry_run: bool) -> Self {
        Self {
            preconditions: Preconditions::NONE,
            create_missing: false,
            revision_required: false,
            part,
            dry_run,
        }
    }
}

/// The state that a request wants, given the stored one.
pub(super) struct Wanted {
    /// The object, in its stored version.
    pub(super) object: Object,
    /// The resourceVersion that the client has seen; empty if it does not care.
    pub(super) resource_version: String,
}

/// Brings an object into a wanted state: for PUT and PATCH. Returns the object, and
/// whether it is a new one.
///
/// # Errors
/// Those of `wanted`, and the conflicts of the wire protocol.
pub(super) async fn modify(
    target: &Target,
    demands: Demands,
    wanted: impl Fn(Option<&Record>) -> Result<Wanted, ApiError>,
) -> Result<(Arc<Record>, bool), ApiError> {
    let _creation = if demands.create_missing {
        let creation = target.app.namespaces.creation().await;
        create::check_namespace_is_open(target).await?;
        Some(creation)
    } else {
        None
    };
    let decide = |stored: Option<&Record>| next_state(target, &demands, wanted(stored)?, stored);
    let terms = Terms {
        preconditions: demands.preconditions.clone(),
        create_missing: demands.create_missing,
        dry_run: demands.dry_run,
    };
    match settle(target, terms, decide).await {
        Ok(Settled::Stored { record, created }) => Ok((record, created)),
        // The last finalizer is gone, and with it the object: the client sees what it made of it.
        Ok(Settled::Gone { last, .. }) => Ok((Arc::new(last), false)),
        Err(failure) => Err(target.failure(failure, StatusFor::Update)),
    }
}

fn next_state(
    target: &Target,
    demands: &Demands,
    wanted: Wanted,
    stored: Option<&Record>,
) -> Result<Decision, Failure> {
    let Wanted { mut object, resource_version } = wanted;
    let Some(record) = stored else {
        if !resource_version.is_empty() {
            return Err(Error::NotFound { key: target.key()? }.into());
        }
        object.set_meta("name", Some(target.name.as_str().into()));
        object.set_meta("namespace", target.namespace.as_deref().map(Into::into));
        let value = create::value_for_update(target, object)?;
        return Ok(Decision { value, is_gone: false });
    };
    if demands.revision_required && resource_version.is_empty() {
        return Err(revision_required(target).into());
    }
    if !resource_version.is_empty() && resource_version != record.revision.to_string() {
        let text =
            "the object has been modified; please apply your changes to the latest version and try again";
        return Err(target.conflict(text).into());
    }
    let stored = Object::of_record(record)?;
    convert::keep_order(&target.resource, &mut object, &stored);
    strategy::prepare_update(&target.resource, &mut object, &stored, demands.part)?;
    let is_gone = strategy::is_finished(&target.resource, &object);
    Ok(Decision { value: target.value(object)?, is_gone })
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
