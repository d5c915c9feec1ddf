//! Discovery over HTTP: which form of a document a client gets, and whether it has it already.

use hyper::header::{CACHE_CONTROL, ETAG, HeaderValue, IF_NONE_MATCH, VARY};
use hyper::{HeaderMap, Response, StatusCode};

use super::accept;
use super::negotiate::{Answer, negotiate, negotiate_status};
use super::response::{self, Body};
use crate::discovery::{AggregatedVersion, Document, Documents, Half};

/// The kind by which clients ask for the aggregated documents.
const AGGREGATED_KIND: &str = "APIGroupDiscoveryList";
const AGGREGATED_GROUP: &str = "apidiscovery.k8s.io";

/// `/api` or `/apis`, as one aggregated document for clients that want that.
pub fn half(documents: &Documents, half: Half, headers: &HeaderMap, query: Option<&str>) -> Response<Body> {
    let plain = match half {
        Half::Core => &documents.api,
        Half::Named => &documents.apis,
    };
    let mut answer = match wanted_version(headers) {
        Some(version) => {
            cacheable(documents.aggregated(version, half), version.content_type(), "public", headers)
        }
        None => document(plain, headers, query),
    };
    answer.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    answer
}

/// Any other document.
pub fn document(document: &Document, headers: &HeaderMap, query: Option<&str>) -> Response<Body> {
    match negotiate(headers, query, Answer::Document) {
        Ok(negotiated) => response::rendered(StatusCode::OK, document.json.clone(), &negotiated),
        Err(refusal) => response::error(&refusal, &negotiate_status(headers, query)),
    }
}

/// The document with its `ETag`; without a body if the client has it already.
pub fn cacheable(
    document: &Document,
    content_type: &'static str,
    cache_control: &'static str,
    headers: &HeaderMap,
) -> Response<Body> {
    let etag = document.etag();
    let mut answer = if is_known(&etag, headers) {
        response::bare(StatusCode::NOT_MODIFIED)
    } else {
        response::with_type(StatusCode::OK, content_type, response::full(document.json.clone()))
    };
    response::set(&mut answer, CACHE_CONTROL, cache_control);
    if let Ok(etag) = HeaderValue::try_from(etag) {
        answer.headers_mut().insert(ETAG, etag);
    }
    answer
}

/// Whether the client has the document with this `ETag` already.
fn is_known(etag: &str, headers: &HeaderMap) -> bool {
    let values = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|known| known.trim() == etag)
}

/// The version of the aggregated documents that the client wants before any other form.
fn wanted_version(headers: &HeaderMap) -> Option<AggregatedVersion> {
    let header = accept::header(headers);
    let clauses = accept::clauses(&header);
    let first =
        clauses.iter().filter(|clause| clause.accepts("application/json")).find_map(|clause| {
            match (clause.parameter("as"), clause.parameter("g")) {
                ("", _) => Some(None),
                (AGGREGATED_KIND, AGGREGATED_GROUP) => {
                    AggregatedVersion::from_name(clause.parameter("v")).map(Some)
                }
                _ => None,
            }
        });
    first.flatten()
}
