//! GET of an object and of a collection.

use std::sync::Arc;

use watchkeep_storage::{Error, Freshness, ListPage, Record, Revision, StatusFor, list};

use super::fresh::when_reached;
use super::target::Target;
use crate::http::error::ApiError;
use crate::http::params::{Query, ReadParams};

/// Reads an object.
///
/// # Errors
/// 404; 504 for a revision that is not reached in time; 500 for a resourceVersion that is no number, as the
/// reference answers it.
pub(super) async fn object(target: &Target, query: &Query) -> Result<Arc<Record>, ApiError> {
    let failed = |error: Error| target.error(&error, StatusFor::Get);
    let key = target.key()?;
    let freshness = match query.text("resourceVersion") {
        "" => Freshness::Latest,
        text => {
            let revision = Revision::parse_resource_version(text);
            Freshness::AtLeast(revision.map_err(|error| failed(error.into()))?)
        }
    };
    let environment = &target.app.environment;
    let begin = environment.uptime();
    let read = || target.store.get(&key, freshness);
    let found = when_reached(environment, begin, read).await.map_err(failed)?;
    found.record.ok_or_else(|| failed(Error::NotFound { key: key.clone() }))
}

/// Opens a list of a collection.
///
/// # Errors
/// As the wire protocol says for the parameters; 410 for a compacted revision; 504 for one that is not
/// reached in time.
pub(super) async fn collection(target: &Target, params: &ReadParams) -> Result<ListPage, ApiError> {
    let scope = target.scope()?;
    let options = params.list_options();
    let environment = &target.app.environment;
    let begin = environment.uptime();
    let read = || list(&*target.store, scope.clone(), &options);
    let page = when_reached(environment, begin, read).await;
    page.map_err(|error| target.error(&error, StatusFor::List))
}
