//! The end of a namespace: its content is deleted, then the namespace itself.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;
use watchkeep_storage::Record;

use crate::app::App;
use crate::http::error::ApiError;
use crate::http::objects::{self, target::Target};
use crate::kinds::resource::Scope;

/// How long the first wait is before a namespace whose content is held is looked at again.
const RETRY_MIN: Duration = Duration::from_millis(100);

/// How long the waits get.
const RETRY_MAX: Duration = Duration::from_secs(10);

/// Ends a namespace in a task of its own, if `record` is one that is being deleted.
pub(crate) fn finalize_later(target: &Target, record: &Record) {
    let attributes = record.value.attributes();
    let is_namespace = target.resource().kind == "Namespace";
    if !is_namespace || attributes.field("status.phase") != Some("Terminating") {
        return;
    }
    let (app, name) = (Arc::clone(target.app()), attributes.name.to_string());
    target.app().environment.spawn(finalize(app, name));
}

/// Deletes the content again and again until nothing is left: finalizers may hold it for any time.
async fn finalize(app: Arc<App>, name: String) {
    let mut wait = RETRY_MIN;
    while !app.draining.is_cancelled() {
        match empty(&app, &name).await {
            Ok(0) => match objects::release_namespace(&app, &name).await {
                Ok(()) => return,
                Err(error) if error.code == 404 => return,
                Err(error) => tracing::warn!(namespace = name, %error, "a namespace cannot be released"),
            },
            Ok(held) => tracing::debug!(namespace = name, held, "objects hold a namespace"),
            Err(error) => tracing::warn!(namespace = name, %error, "a namespace cannot be emptied"),
        }
        app.environment.sleep(wait).await;
        wait = (wait * 2).min(RETRY_MAX);
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

/// Removes the finalizer by which a namespace waits for its content.
pub(crate) fn without_finalizer(object: &mut objects::object::Object) {
    if let Some(Json::Array(finalizers)) = object.object_mut("spec").get_mut("finalizers") {
        finalizers.retain(|finalizer| finalizer != "kubernetes");
    }
}
