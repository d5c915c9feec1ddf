//! The end of a namespace: its content is deleted, then the namespace itself.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value as Json;
use tokio::sync::{RwLock, RwLockReadGuard};
use watchkeep_storage::{Freshness, ListOptions, Record, StatusFor, collect, list};

use crate::app::App;
use crate::http::error::ApiError;
use crate::http::objects::{self, object::Object, target::Target};
use crate::kinds::resource::{Resource, Scope};

/// How long the first wait is before a namespace whose content is held is looked at again.
const RETRY_MIN: Duration = Duration::from_millis(100);

/// How long the waits get.
const RETRY_MAX: Duration = Duration::from_secs(10);

/// What creations and the ends of namespaces have to know of each other.
#[derive(Default)]
pub(crate) struct Namespaces {
    /// Held for reading from the look at a namespace to the commit of what is created in it; held for
    /// writing once between the mark on a namespace and the sweep of its content, so that nothing is
    /// created behind the sweep.
    creations: RwLock<()>,
    /// The uids of the namespaces that a task is ending.
    ending: Mutex<HashSet<String>>,
}

impl Namespaces {
    /// To be held while something is created in a namespace that was found open.
    pub(crate) async fn creation(&self) -> RwLockReadGuard<'_, ()> {
        self.creations.read().await
    }

    /// Waits for the creations that may not have seen a mark that is stored by now.
    async fn creations_done(&self) {
        drop(self.creations.write().await);
    }
}

/// Ends a namespace in a task of its own, if `record` is one that is being deleted and no task does so
/// already.
pub(crate) fn finalize_later(target: &Target, record: &Record) {
    let attributes = record.value.attributes();
    if !target.resource().is("", "Namespace") || attributes.field("status.phase") != Some("Terminating") {
        return;
    }
    let (app, uid) = (Arc::clone(target.app()), attributes.uid().to_owned());
    if app.namespaces.ending.lock().insert(uid.clone()) {
        let name = attributes.name().to_owned();
        target.app().environment.spawn(async move {
            finalize(&app, &name, &uid).await;
            app.namespaces.ending.lock().remove(&uid);
        });
    }
}

/// Goes on with the namespaces that were being deleted when the server stopped.
///
/// # Errors
/// Those of a list.
pub(crate) async fn resume(app: &Arc<App>) -> Result<(), ApiError> {
    let target = target(app, None)?;
    let failed = |error| target.error(&error, StatusFor::List);
    let page = list(&**target.store(), target.scope()?, &ListOptions::default()).await.map_err(failed)?;
    for record in collect(page.cursor).await.map_err(failed)? {
        finalize_later(&target, &record);
    }
    Ok(())
}

/// Deletes the content again and again until nothing is left: finalizers may hold it for any time.
async fn finalize(app: &Arc<App>, name: &str, uid: &str) {
    let mut wait = RETRY_MIN;
    app.namespaces.creations_done().await;
    while !app.draining.is_cancelled() {
        match round(app, name, uid).await {
            Ok(Round::Over) => return,
            Ok(Round::Held(held)) => tracing::debug!(namespace = name, held, "objects hold a namespace"),
            Err(error) => tracing::warn!(namespace = name, %error, "a namespace cannot be ended"),
        }
        app.environment.sleep(wait).await;
        wait = (wait * 2).min(RETRY_MAX);
    }
}

/// How a round ended.
enum Round {
    /// The namespace is gone, or another one has its name.
    Over,
    /// So many objects are still there.
    Held(usize),
}

async fn round(app: &Arc<App>, name: &str, uid: &str) -> Result<Round, ApiError> {
    let target = target(app, Some(name))?;
    let found = target.store().get(&target.key()?, Freshness::Latest).await;
    let found = found.map_err(|error| target.error(&error, StatusFor::Get))?;
    let is_ending = |record: &Arc<Record>| {
        let attributes = record.value.attributes();
        attributes.uid() == uid && attributes.field("status.phase") == Some("Terminating")
    };
    if !found.record.as_ref().is_some_and(is_ending) {
        return Ok(Round::Over);
    }
    let held = empty(app, name).await?;
    if held > 0 {
        return Ok(Round::Held(held));
    }
    match objects::release_namespace(&target, uid).await {
        Err(error) if error.code != 404 => Err(error),
        _ => Ok(Round::Over),
    }
}

/// Deletes what a namespace holds. Returns how many objects are still there.
async fn empty(app: &Arc<App>, name: &str) -> Result<usize, ApiError> {
    let table = app.table.load_full();
    let mut held = 0;
    let mut seen: Vec<&str> = Vec::new();
    for resource in table.resources().iter().filter(|resource| resource.scope == Scope::Namespaced) {
        if !seen.contains(&resource.storage_prefix) {
            seen.push(resource.storage_prefix);
            held += objects::delete_all(app, resource, name).await?;
        }
    }
    Ok(held)
}

fn target(app: &Arc<App>, name: Option<&str>) -> Result<Target, ApiError> {
    let table = app.table.load_full();
    let missing = || ApiError::internal("namespaces are not in the resource table");
    let resource = table.resource("", "v1", "namespaces").ok_or_else(missing)?;
    Target::new(app, resource, None, name.map(str::to_owned))
}

/// Makes a namespace what only the server makes it: its finalizers for a new one.
pub(crate) fn prepare_create(resource: &Resource, object: &mut Object) {
    if resource.is("", "Namespace") {
        object.set("spec", Some(serde_json::json!({ "finalizers": ["kubernetes"] })));
        set_own_label(object);
    }
}

/// Keeps of a namespace what only the server changes: its finalizers, its phase, and the label with its
/// name.
pub(crate) fn prepare_update(
    resource: &Resource,
    object: &mut Object,
    stored: &Object,
    may_change_finalizers: bool,
) {
    if !resource.is("", "Namespace") {
        return;
    }
    if !may_change_finalizers {
        object.set("spec", stored.get("spec").cloned());
    }
    set_phase(object);
    set_own_label(object);
}

/// The phase follows from whether the namespace is being deleted.
pub(crate) fn set_phase(object: &mut Object) {
    let phase = if object.is_terminating() { "Terminating" } else { "Active" };
    object.object_mut("status").insert("phase".to_owned(), Json::from(phase));
}

fn set_own_label(object: &mut Object) {
    let name = Json::from(object.meta_text("name"));
    let labels = objects::object::object_mut(object.metadata_mut(), "labels");
    labels.insert("kubernetes.io/metadata.name".to_owned(), name);
}

/// Removes the finalizer by which a namespace waits for its content.
pub(crate) fn without_finalizer(object: &mut Object) {
    if let Some(Json::Array(finalizers)) = object.object_mut("spec").get_mut("finalizers") {
        finalizers.retain(|finalizer| finalizer != "kubernetes");
    }
}
