//! DELETE of an object and of a collection.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value as Json;
use watchkeep_storage::{Error, ListOptions, Preconditions, Record, Revision, StatusFor, collect, list};

use super::body::{self, Notation};
use super::object::Object;
use super::settle::{Decision, Settled, Terms, settle};
use super::strategy;
use super::target::{Failure, Target};
use crate::codec::{self, Identity};
use crate::http::error::{ApiError, Details};
use crate::http::invalid::{FieldError, invalid_options};
use crate::http::params::{Query, ReadParams};
use crate::kinds::generated::fields::META_V1_DELETE_OPTIONS;

/// Namespaces without which a cluster does not work.
const PROTECTED_NAMESPACES: [&str; 3] = ["default", "kube-system", "kube-public"];

/// For how long a scheduled pod may go on by default, in seconds.
const POD_GRACE_SECONDS: i64 = 30;

/// How many objects of a collection are looked at before the first of them are deleted.
const COLLECTION_PAGE: i64 = 500;

/// How to delete.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct DeleteOptions {
    grace_period_seconds: Option<i64>,
    preconditions: Option<SentPreconditions>,
    orphan_dependents: Option<bool>,
    propagation_policy: Option<String>,
    dry_run: Option<Vec<String>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SentPreconditions {
    uid: Option<String>,
    resource_version: Option<String>,
}

/// How a deletion ended.
pub(super) enum Deletion {
    /// The object is gone; this is its last state.
    Gone(Arc<Record>),
    /// Something holds the object; this is what is stored.
    Held(Arc<Record>),
}

impl DeleteOptions {
    /// The options of a request: those of the body, completed by the query.
    ///
    /// # Errors
    /// 400 and 422 as the wire protocol says.
    pub(super) fn parse(query: &Query, notation: Notation, bytes: &[u8]) -> Result<Self, ApiError> {
        let mut options = Self::of_body(notation, bytes)?;
        let number = query.number("gracePeriodSeconds")?;
        options.grace_period_seconds = options.grace_period_seconds.or(number);
        let policy = query.get("propagationPolicy").map(str::to_owned);
        options.propagation_policy = options.propagation_policy.or(policy);
        let orphan = query.get("orphanDependents").map(|_| query.flag("orphanDependents"));
        options.orphan_dependents = options.orphan_dependents.or(orphan);
        if options.dry_run.is_none() {
            options.dry_run = query.get("dryRun").map(|value| vec![value.to_owned()]);
        }
        options.check()?;
        Ok(options)
    }

    /// Options that leave no time to anything.
    pub(super) fn at_once() -> Self {
        Self { grace_period_seconds: Some(0), ..Self::default() }
    }

    fn of_body(notation: Notation, bytes: &[u8]) -> Result<Self, ApiError> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let document = body::parse("DeleteOptions", &META_V1_DELETE_OPTIONS, notation, bytes)?;
        match &document.value {
            Json::Object(_) => {}
            Json::Null => return Ok(Self::default()),
            other => {
                return Err(ApiError::bad_request(format!(
                    "unable to decode DeleteOptions: {other} is no object"
                )));
            }
        }
        let kind = document.value.get("kind").and_then(Json::as_str).unwrap_or_default().to_owned();
        if !matches!(kind.as_str(), "" | "DeleteOptions") {
            let version = document.value.get("apiVersion").and_then(Json::as_str).unwrap_or_default();
            return Err(ApiError::bad_request(format!(
                "no kind {kind:?} is registered for version {version:?} in scheme \"k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27\""
            )));
        }
        let identity = Identity { api_version: "v1", kind: "DeleteOptions" };
        let (tree, _) = codec::decode(&META_V1_DELETE_OPTIONS, identity, document.value)
            .map_err(|error| ApiError::bad_request(format!("unable to decode DeleteOptions: {error}")))?;
        serde_json::from_value(tree).map_err(ApiError::internal)
    }

    fn check(&self) -> Result<(), ApiError> {
        const POLICY: &str = "propagationPolicy";
        let mut errors = Vec::new();
        let policy = self.propagation_policy.as_deref();
        if policy.is_some() && self.orphan_dependents.is_some() {
            let detail = "orphanDependents and deletionPropagation cannot be both set";
            errors.push(FieldError::invalid(POLICY, policy, detail));
        }
        if let Some(policy) = policy
            && !matches!(policy, "Foreground" | "Background" | "Orphan")
        {
            let supported = ["Foreground", "Background", "Orphan", "nil"];
            errors.push(FieldError::not_supported(POLICY, &format!("{policy:?}"), &supported));
        }
        let dry_run = self.dry_run.iter().flatten().filter(|value| *value != "All");
        let odd: Vec<_> = dry_run.map(|value| format!("{value:?}")).collect();
        if !odd.is_empty() {
            errors.push(FieldError::not_supported("dryRun", &format!("[{}]", odd.join(" ")), &["All"]));
        }
        if errors.is_empty() { Ok(()) } else { Err(invalid_options("DeleteOptions", errors)) }
    }

    fn is_dry_run(&self) -> bool {
        self.dry_run.as_ref().is_some_and(|values| !values.is_empty())
    }

    /// The finalizer that carries the policy to the garbage collector.
    fn finalizer(&self) -> Option<&'static str> {
        match self.propagation_policy.as_deref() {
            Some("Foreground") => Some("foregroundDeletion"),
            Some("Orphan") => Some("orphan"),
            Some(_) => None,
            None => (self.orphan_dependents == Some(true)).then_some("orphan"),
        }
    }
}

/// Deletes an object.
///
/// # Errors
/// As the wire protocol says for DELETE.
pub(super) async fn run(target: &Target, options: &DeleteOptions) -> Result<Deletion, ApiError> {
    let deletion = attempt(target, options, Preconditions::NONE).await;
    deletion.map_err(|failure| target.failure(failure, StatusFor::Delete))
}

/// Deletes an object that meets `preconditions`, beside those that a client may have sent.
async fn attempt(
    target: &Target,
    options: &DeleteOptions,
    preconditions: Preconditions,
) -> Result<Deletion, Failure> {
    let is_namespace = target.resource.kind == "Namespace";
    if is_namespace && PROTECTED_NAMESPACES.contains(&target.name.as_str()) {
        let message = format!("{} is forbidden: this namespace may not be deleted", target.qualified());
        return Err(ApiError::new(403, "Forbidden", message).with(target.details()).into());
    }
    let terms = Terms { preconditions, create_missing: false, dry_run: options.is_dry_run() };
    let decide = |stored: Option<&Record>| match stored {
        Some(stored) => next_state(target, options, stored),
        None => Err(Error::NotFound { key: target.key()? }.into()),
    };
    Ok(match settle(target, terms, decide).await? {
        Settled::Stored { record, .. } => Deletion::Held(record),
        Settled::Gone { last, deleted } => Deletion::Gone(Arc::new(Record { revision: deleted, ..last })),
    })
}

/// What becomes of a stored object: it goes at once, or is marked as going.
fn next_state(target: &Target, options: &DeleteOptions, stored: &Record) -> Result<Decision, Failure> {
    check_preconditions(target, options, stored)?;
    let mut object = Object::of_record(stored)?;
    if let Some(finalizer) = options.finalizer()
        && !object.meta_texts("finalizers").contains(&finalizer)
    {
        let mut finalizers: Vec<_> = object.meta_texts("finalizers").into_iter().map(Json::from).collect();
        finalizers.push(finalizer.into());
        object.set_meta("finalizers", Some(Json::Array(finalizers)));
    }
    let grace = grace_seconds(target, options, &object);
    strategy::mark_terminating(&target.resource, &mut object, grace, &target.app.environment);
    let is_gone = strategy::is_finished(&target.resource, &object);
    if target.resource.kind == "Namespace" {
        object.object_mut("status").insert("phase".to_owned(), Json::from("Terminating"));
    }
    Ok(Decision { value: target.value(object)?, is_gone })
}

/// For how long the object may go on, as it was sent. Only scheduled pods do.
fn grace_seconds(target: &Target, options: &DeleteOptions, object: &Object) -> i64 {
    let is_scheduled = |object: &Object| {
        object.pointer("/spec/nodeName").and_then(Json::as_str).is_some_and(|node| !node.is_empty())
    };
    if target.resource.kind != "Pod" || !is_scheduled(object) {
        return 0;
    }
    let own = object.pointer("/spec/terminationGracePeriodSeconds").and_then(Json::as_i64);
    options.grace_period_seconds.or(own).unwrap_or(POD_GRACE_SECONDS)
}

fn check_preconditions(target: &Target, options: &DeleteOptions, stored: &Record) -> Result<(), ApiError> {
    let Some(preconditions) = &options.preconditions else { return Ok(()) };
    let kind = target.resource.kind;
    let failed = |text: String| {
        let message = format!("Operation cannot be fulfilled on {kind} {:?}: {text}", target.name);
        let details = Details { name: target.name.clone(), kind: kind.to_owned(), ..Details::default() };
        ApiError::new(409, "Conflict", message).with(details)
    };
    let found = stored.value.attributes().uid();
    if let Some(uid) = &preconditions.uid
        && uid != found
    {
        return Err(failed(format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({found}). The object might have been deleted and then recreated"
        )));
    }
    let found = stored.revision.to_string();
    if let Some(version) = &preconditions.resource_version
        && *version != found
    {
        return Err(failed(format!(
            "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({found}). The object might have been modified"
        )));
    }
    Ok(())
}

/// Deletes the objects of a collection that match the parameters. Returns them as they were, and the
/// revision at which they were listed.
///
/// # Errors
/// Those of a list and of the single deletions; objects that go in the meantime are no error.
pub(super) async fn collection(
    target: &Target,
    params: &ReadParams,
    options: &DeleteOptions,
) -> Result<(Revision, Vec<Arc<Record>>), ApiError> {
    let failed = |error: Error| target.error(&error, StatusFor::List);
    let mut page_options = params.list_options();
    let mut deleted = Vec::new();
    let mut first_revision = None;
    if page_options.limit <= 0 {
        page_options.limit = COLLECTION_PAGE;
    }
    loop {
        let page = list(&*target.store, target.scope()?, &page_options).await.map_err(failed)?;
        let revision = *first_revision.get_or_insert(page.revision);
        for record in collect(page.cursor).await.map_err(failed)? {
            if listed(target, &record, options).await?.is_some() {
                deleted.push(record);
            }
        }
        match page.continue_token {
            Some(continue_token) if params.list_options().limit <= 0 => {
                page_options = ListOptions {
                    continue_token,
                    resource_version: String::new(),
                    resource_version_match: String::new(),
                    ..page_options
                };
            }
            _ => return Ok((revision, deleted)),
        }
    }
}

/// Deletes an object that a list has shown; `None` if it went in the meantime, whatever has its name now.
///
/// # Errors
/// Those of a deletion, among them a conflict with what the client demands of every object.
pub(super) async fn listed(
    target: &Target,
    record: &Record,
    options: &DeleteOptions,
) -> Result<Option<Deletion>, ApiError> {
    let attributes = record.value.attributes();
    let namespace = (!attributes.namespace().is_empty()).then(|| attributes.namespace().to_owned());
    let single = Target { namespace, ..target.named(attributes.name()) };
    match attempt(&single, options, Preconditions::uid(attributes.uid())).await {
        Ok(deletion) => Ok(Some(deletion)),
        Err(Failure::Storage(Error::NotFound { .. } | Error::InvalidObject { .. })) => Ok(None),
        Err(failure) => Err(single.failure(failure, StatusFor::Delete)),
    }
}

#[cfg(test)]
#[cfg(feature = "memory")]
mod tests {
    use watchkeep_storage::{Freshness, Value, create};

    use super::super::target::test_target;
    use super::*;

    #[tokio::test]
    async fn what_has_the_name_of_a_listed_object_by_now_is_left_alone() {
        let maps = test_target("", "configmaps").await;
        let target = maps.named("a");
        let key = target.key().unwrap();
        let make = async |uid: &str| {
            let object = format!(
                r#"{{"kind":"ConfigMap","apiVersion":"v1","metadata":{{"name":"a","namespace":"n","uid":"{uid}"}}}}"#
            );
            let value = Value::new(object.into_bytes(), target.store.schema()).unwrap();
            create(&*target.store, key.clone(), value, None).await.unwrap()
        };
        let options = DeleteOptions::default();
        let first = make("1").await;
        assert!(matches!(listed(&maps, &first, &options).await, Ok(Some(Deletion::Gone(_)))));
        let second = make("2").await;
        assert!(matches!(listed(&maps, &first, &options).await, Ok(None)), "another one");
        let found = target.store.get(&key, Freshness::Latest).await.unwrap();
        assert_eq!(found.record, Some(Arc::clone(&second)));
        assert!(matches!(listed(&maps, &second, &options).await, Ok(Some(Deletion::Gone(_)))));
        assert!(matches!(listed(&maps, &second, &options).await, Ok(None)), "none");
    }
}
