//! One request from its arrival to its answer: admission, dispatch, and what all answers have in common.
//!
//! Promises: every request gets an answer, also when its handler panics, and when there are too many; every
//! answer has an `Audit-Id` and says whether it may be cached; one log event per request, without query and
//! bodies.

mod fence;
mod inflight;

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use hyper::body::{Body as _, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_LENGTH, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use tokio::time::Instant;
use uuid::Builder as UuidBuilder;
use watchkeep_storage::Environment;

use self::fence::Fence;
use self::inflight::{Places, too_many};
use super::error::ApiError;
use super::negotiate::{Negotiated, negotiate_status};
use super::params::Query;
use super::response::{self, Body};
use super::route::{self, ObjectRoute, Route};
use super::{checkpoints, discovery, exposition, gzip, health, openapi, version};
use crate::app::App;
use crate::discovery::{Discovery, Half};
use crate::kinds::table::ResourceTable;
use crate::telemetry::Metrics;

const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");
/// The longest id that is taken over from a request, in bytes.
const AUDIT_ID_BYTES_MAX: usize = 64;

/// Whom to answer.
#[derive(Clone, Copy, Debug)]
pub struct ServiceOptions {
    /// How many requests other than watches may be under way at once.
    pub max_requests_inflight: u32,
    /// How many watches may be open at once.
    pub max_watches: u32,
    /// Whether to refuse requests that are not addressed to this machine, or that a web page of others
    /// sent.
    pub this_machine_only: bool,
}

impl ServiceOptions {
    /// As many requests as the reference answers at once.
    pub const REQUESTS_INFLIGHT: u32 = 400;
    /// A few hundred controllers with their dozens of watches each.
    pub const WATCHES: u32 = 20_000;
}

impl Default for ServiceOptions {
    /// The usual bounds; for this machine only.
    fn default() -> Self {
        Self {
            max_requests_inflight: Self::REQUESTS_INFLIGHT,
            max_watches: Self::WATCHES,
            this_machine_only: true,
        }
    }
}

/// Answers requests.
pub struct Service {
    app: Arc<App>,
    discovery: Discovery,
    metrics: Metrics,
    fence: Option<Fence>,
    requests: Places,
    watches: Places,
}

impl Service {
    /// The service of a server at this address, which shows these metrics.
    pub fn new(app: Arc<App>, address: SocketAddr, options: ServiceOptions, metrics: Metrics) -> Self {
        Self {
            app,
            discovery: Discovery::new(address),
            metrics,
            fence: options.this_machine_only.then(|| Fence::new(address.ip())),
            requests: Places::new(options.max_requests_inflight),
            watches: Places::new(options.max_watches),
        }
    }

    /// Answers one request.
    pub async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let begin = Instant::now();
        let context = Context::of(&request, &self.app.environment);
        let response = context.complete(context.guard(self.admit(request)).await);
        context.log(response.status(), begin);
        response
    }

    /// Answers a request that may be asked and finds a place.
    async fn admit(&self, request: Request<Incoming>) -> Response<Body> {
        let (headers, uri) = (request.headers(), request.uri());
        if let Some(Err(refusal)) = self.fence.as_ref().map(|fence| fence.check(headers, uri)) {
            return response::error(&refusal, &negotiate_status(headers, uri.query()));
        }
        let table = self.app.table.load_full();
        let route = route::parse(&table, request.method(), uri);
        let places = match &route {
            // Who asks for health wants to know just now, and who measures when there is too much to do.
            Route::Health(_) | Route::Metrics => return self.dispatch(route, &table, request).await,
            Route::Object(route) if is_watch(route, request.method(), uri.query()) => &self.watches,
            _ => &self.requests,
        };
        match places.take() {
            Some(place) => place.held_by(self.dispatch(route, &table, request).await),
            None => too_many(),
        }
    }

    async fn dispatch(
        &self,
        route: Route,
        table: &Arc<ResourceTable>,
        request: Request<Incoming>,
    ) -> Response<Body> {
        let (headers, query) = (request.headers(), request.uri().query());
        let documents = || self.discovery.documents(table);
        let document = |found: Option<_>| {
            found.map_or_else(response::page_not_found, |found| discovery::document(found, headers, query))
        };
        let failure = |failure: ApiError| response::error(&failure, &negotiate_status(headers, query));
        match route {
            Route::Object(route) => super::objects::handle(Arc::clone(&self.app), route, request).await,
            Route::Health(route) => health::answer(&self.app, &route, query),
            Route::Metrics => exposition::answer(&self.metrics),
            Route::Checkpoints => {
                let negotiated = negotiate_status(headers, query);
                checkpoints::answer(&self.app, request.into_body(), &negotiated).await
            }
            Route::Version => indented(version::document().into()),
            Route::Root => indented(documents().root.json.clone()),
            Route::Api => discovery::half(&documents(), Half::Core, headers, query),
            Route::Apis => discovery::half(&documents(), Half::Named, headers, query),
            Route::Group(name) => document(documents().groups.get(name.as_str())),
            Route::GroupVersion(api_version) => document(documents().versions.get(api_version.as_str())),
            Route::OpenApiV2 => openapi::v2(&documents(), headers, query),
            Route::OpenApiV3Index => openapi::v3_index(&documents()),
            Route::OpenApiV3(path) => openapi::v3(&documents(), &path, headers, query),
            Route::MethodNotAllowed => failure(ApiError::method_not_allowed()),
            Route::NotFoundStatus => failure(ApiError::unknown_resource()),
            Route::NotFoundText => response::page_not_found(),
        }
    }
}

/// Whether a request stays until its client has enough.
fn is_watch(route: &ObjectRoute, method: &Method, query: Option<&str>) -> bool {
    method == Method::GET && route.is_watch(&Query::parse(query))
}

/// What is read by people only is indented for everybody.
fn indented(json: bytes::Bytes) -> Response<Body> {
    response::rendered(StatusCode::OK, json, &Negotiated { pretty: true, ..Negotiated::default() })
}

/// What is needed of a request after its handler took it.
struct Context {
    method: Method,
    path: String,
    reads_gzip: bool,
    audit_id: HeaderValue,
}

impl Context {
    fn of<B>(request: &Request<B>, environment: &Environment) -> Self {
        let headers = request.headers();
        Self {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            audit_id: audit_id(headers, environment),
            reads_gzip: gzip::is_read(headers),
        }
    }

    /// The response of a handler, also if it panics.
    async fn guard(&self, handler: impl Future<Output = Response<Body>>) -> Response<Body> {
        AssertUnwindSafe(handler).catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!(method = %self.method, path = self.path, "the handler of a request panicked");
            let failure = ApiError::internal("the server failed to handle the request");
            response::error(&failure, &Negotiated::default())
        })
    }

    /// The response with what all responses have.
    fn complete(&self, mut response: Response<Body>) -> Response<Body> {
        if self.reads_gzip {
            response = gzip::compress(response);
        }
        let length = response.body().size_hint().exact();
        let headers = response.headers_mut();
        headers.insert(AUDIT_ID, self.audit_id.clone());
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache, private"));
        if self.method != Method::HEAD {
            return response;
        }
        if let Some(length) = length {
            headers.entry(CONTENT_LENGTH).or_insert(length.into());
        }
        response.map(|_| response::empty())
    }

    /// The path shows in the log, the query does not: its selectors may hold what is nobody's business.
    fn log(&self, status: StatusCode, begin: Instant) {
        let (method, path, status) = (&self.method, &self.path, status.as_u16());
        let micros = u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX);
        if status >= 500 {
            tracing::warn!(%method, path, status, micros, "request");
        } else {
            tracing::debug!(%method, path, status, micros, "request");
        }
    }
}

/// The request's id if it has a usable one, or a new one.
fn audit_id(headers: &HeaderMap, environment: &Environment) -> HeaderValue {
    let given = headers.get(AUDIT_ID).filter(|id| (1..=AUDIT_ID_BYTES_MAX).contains(&id.len()));
    given.cloned().unwrap_or_else(|| {
        let (high, low) = (u128::from(environment.random()), u128::from(environment.random()));
        let id = UuidBuilder::from_random_bytes((high << 64 | low).to_be_bytes()).into_uuid();
        HeaderValue::try_from(id.to_string()).unwrap_or(HeaderValue::from_static("unknown"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(method: Method) -> Context {
        let request = Request::builder().method(method).uri("/api/v1/pods?labelSelector=a").body(()).unwrap();
        Context::of(&request, &Environment::system())
    }

    #[tokio::test]
    async fn a_handler_that_panics_is_answered_with_a_status() {
        let context = context(Method::GET);
        let response = context.guard(async { panic!("as the test wants it") }).await;
        let response = context.complete(response);
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(response.headers().contains_key(AUDIT_ID));
        let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
        let status: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(status["reason"], "InternalError");
    }

    #[test]
    fn ids_are_random_uuids_and_the_log_has_no_query() {
        let (one, other) = (context(Method::GET), context(Method::GET));
        assert_ne!(one.audit_id, other.audit_id);
        assert_eq!(one.audit_id.to_str().unwrap().as_bytes()[14], b'4');
        assert_eq!(one.path, "/api/v1/pods");
    }

    #[test]
    fn what_a_handler_says_about_caching_stays() {
        let context = context(Method::GET);
        let mut response = response::json(StatusCode::OK, "{}\n");
        response::set(&mut response, CACHE_CONTROL, "public");
        assert_eq!(context.complete(response).headers()[CACHE_CONTROL], "public");
    }
}
