//! The documents of `OpenAPI` over HTTP.

use hyper::header::{HeaderValue, LOCATION, VARY};
use hyper::{HeaderMap, Response, StatusCode};

use super::accept::{self, Clause};
use super::discovery::cacheable;
use super::negotiate::{JSON, negotiate_status, not_acceptable};
use super::response::{self, Body};
use crate::discovery::{Documents, v3_url};

/// What clients accept the protobuf document as, and the only form that they can read back: with a dot.
const V2_PROTOBUF_ACCEPTED: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
const V2_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// `/openapi/v2`. The protobuf document of no bytes is a valid one, without definitions.
pub fn v2(documents: &Documents, headers: &HeaderMap, query: Option<&str>) -> Response<Body> {
    let wants_protobuf = |clause: &Clause<'_>| {
        clause.media_type.eq_ignore_ascii_case(V2_PROTOBUF_ACCEPTED)
            || clause.media_type.eq_ignore_ascii_case(V2_PROTOBUF)
    };
    let header = accept::header(headers);
    let clauses = accept::clauses(&header);
    match clauses.iter().find(|clause| wants_protobuf(clause) || clause.accepts(JSON)) {
        Some(clause) if wants_protobuf(clause) => {
            varied(response::with_type(StatusCode::OK, V2_PROTOBUF, response::empty()))
        }
        Some(_) => varied(cacheable(&documents.openapi_v2, JSON, "no-cache, private", headers)),
        None => refused(&format!("{JSON}, {V2_PROTOBUF}"), headers, query),
    }
}

/// `/openapi/v3`. Its answer is JSON to whoever asks.
pub fn v3_index(documents: &Documents) -> Response<Body> {
    response::json(StatusCode::OK, documents.openapi_v3_index.json.clone())
}

/// `/openapi/v3/PATH`. With its digest in the query a document may be kept for ever; with another one the
/// client is sent to the right one.
pub fn v3(documents: &Documents, path: &str, headers: &HeaderMap, query: Option<&str>) -> Response<Body> {
    let Some(document) = documents.openapi_v3.get(path) else { return response::page_not_found() };
    if !accept::clauses(&accept::header(headers)).iter().any(|clause| clause.accepts(JSON)) {
        return refused(JSON, headers, query);
    }
    let hash = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).find(|(name, _)| name == "hash");
    match hash {
        None => cacheable(document, JSON, "no-cache, private", headers),
        Some((_, hash)) if hash == document.digest => {
            cacheable(document, JSON, "public, max-age=31536000, immutable", headers)
        }
        Some(_) => moved(&v3_url(path, document)),
    }
}

fn moved(url: &str) -> Response<Body> {
    let mut answer = response::bare(StatusCode::MOVED_PERMANENTLY);
    if let Ok(location) = HeaderValue::from_str(url) {
        answer.headers_mut().insert(LOCATION, location);
    }
    answer
}

fn varied(mut answer: Response<Body>) -> Response<Body> {
    response::set(&mut answer, VARY, "Accept");
    answer
}

fn refused(served: &str, headers: &HeaderMap, query: Option<&str>) -> Response<Body> {
    response::error(&not_acceptable(served), &negotiate_status(headers, query))
}
