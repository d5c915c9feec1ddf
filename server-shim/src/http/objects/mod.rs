//! Requests for objects: which handler, with which arguments, and what its result looks like.

mod body;
mod chunk;
mod create;
mod data;
mod delete;
mod encoded;
pub(crate) mod frames;
mod fresh;
mod get;
mod list_body;
pub(crate) mod messages;
mod names;
pub(crate) mod object;
mod patch;
mod scale;
mod settle;
mod strategy;
pub(crate) mod target;
mod update;
mod view;
mod watch;

use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Body as HttpBody;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use serde_json::{Value as Json, json};
use tokio::task::JoinHandle;
use watchkeep_storage::Record;

use self::body::Notation;
use self::create::Written;
use self::delete::{DeleteOptions, Deletion};
use self::strategy::Part;
use self::target::Target;
use self::view::{EventView, ListMetadata, View};
pub(crate) use self::watch::{HISTOGRAM_BUCKETS, send_histogram};
use super::error::ApiError;
use super::negotiate::{self, Format, Negotiated, PatchType, negotiate};
use super::params::{Query, ReadParams, WriteParams};
use super::response::{self, Body, BoxError};
use super::route::ObjectRoute;
use crate::app::App;
use crate::codec::FieldValidation;
use crate::codec::patch::{Patch, PatchFormat};
use crate::kinds::resource::Scope;
use crate::namespaces;

/// Answers a request for objects. Failures are Status objects in the answer.
pub async fn handle<B>(app: Arc<App>, route: ObjectRoute, request: Request<B>) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Send,
    B::Error: Into<BoxError>,
{
    let (parts, body) = request.into_parts();
    let query = Query::parse(parts.uri.query());
    let shown = negotiate::negotiate_status(&parts.headers, parts.uri.query());
    let call =
        Call { app, route, headers: parts.headers, query, raw_query: parts.uri.query().map(str::to_owned) };
    match call.answer(&parts.method, body).await {
        Ok(response) => response,
        Err(error) => response::error(&error, &shown),
    }
}

/// A request without its method and body.
struct Call {
    app: Arc<App>,
    route: ObjectRoute,
    headers: HeaderMap,
    query: Query,
    raw_query: Option<String>,
}

impl Call {
    /// Answers the request, in time unless it is a watch, which ends by itself.
    async fn answer<B>(self, method: &Method, body: B) -> Result<Response<Body>, ApiError>
    where
        B: HttpBody<Data = Bytes> + Send,
        B::Error: Into<BoxError>,
    {
        let timeout = self.query.request_timeout()?;
        if method == Method::GET && self.route.is_watch(&self.query) {
            return self.watch().await;
        }
        let answer = tokio::time::timeout(timeout, self.dispatch(method, body)).await;
        answer.unwrap_or_else(|_| {
            let message = "Timeout: request did not complete within the allotted timeout";
            Err(ApiError::new(504, "Timeout", message))
        })
    }

    async fn dispatch<B>(self, method: &Method, body: B) -> Result<Response<Body>, ApiError>
    where
        B: HttpBody<Data = Bytes> + Send,
        B::Error: Into<BoxError>,
    {
        let subresource = self.route.subresource.as_deref().unwrap_or_default();
        let is_collection = self.route.name.is_none();
        match (method, subresource) {
            (&Method::GET, "scale") => self.get_scale().await,
            (&Method::GET, "") if is_collection => self.list().await,
            (&Method::GET, _) => self.get().await,
            (&Method::POST, "") if is_collection => self.create(body::read(body).await?).await,
            (&Method::PUT, "scale") => self.put_scale(body::read(body).await?).await,
            (&Method::PUT, _) if !is_collection => self.put(body::read(body).await?).await,
            (&Method::PATCH, _) if !is_collection => self.patch(body::read(body).await?).await,
            (&Method::DELETE, "") if is_collection => self.delete_collection(body::read(body).await?).await,
            (&Method::DELETE, "") => self.delete(body::read(body).await?).await,
            _ => Err(ApiError::method_not_allowed()),
        }
    }

    fn target(&self) -> Result<Target, ApiError> {
        let ObjectRoute { resource, namespace, name, .. } = &self.route;
        Target::new(&self.app, resource, namespace.clone(), name.clone())
    }

    fn negotiated(&self, target: negotiate::Answer) -> Result<(Negotiated, View), ApiError> {
        let negotiated = negotiate(&self.headers, self.raw_query.as_deref(), target)?;
        Ok((negotiated, View::new(negotiated.transform, &self.query)?))
    }

    fn part(&self) -> Part {
        match self.route.subresource.as_deref() {
            Some("status") => Part::Status,
            Some("finalize") => Part::Finalizers,
            _ => Part::Main,
        }
    }

    async fn get(self) -> Result<Response<Body>, ApiError> {
        let (negotiated, view) = self.negotiated(negotiate::Answer::Object)?;
        let target = self.target()?;
        let record = get::object(&target, &self.query).await?;
        respond_object(StatusCode::OK, &target, &record, view, negotiated)
    }

    async fn list(self) -> Result<Response<Body>, ApiError> {
        let (negotiated, view) = self.negotiated(negotiate::Answer::List)?;
        let target = self.target()?;
        let params = ReadParams::parse(&self.query, &target.resource, false)?;
        let page = get::collection(&target, &params).await?;
        list_body::respond(target, page, self.query.shard_selector(), view, &negotiated).await
    }

    async fn watch(self) -> Result<Response<Body>, ApiError> {
        let (negotiated, view) = self.negotiated(negotiate::Answer::Watch)?;
        let mut params = ReadParams::parse(&self.query, &self.route.resource, true)?;
        if let Some(name) = &self.route.name {
            params.pin_name(name)?;
        }
        let target = self.target()?;
        let body = watch::open(&target, &params, EventView::new(view, negotiated.format, &target)).await?;
        Ok(response::with_type(StatusCode::OK, negotiated.format.stream_type(), body))
    }

    async fn create(self, body: Bytes) -> Result<Response<Body>, ApiError> {
        let (negotiated, view) = self.negotiated(negotiate::Answer::Object)?;
        let target = self.target()?;
        if target.resource.scope == Scope::Namespaced && target.namespace.is_none() {
            return Err(ApiError::method_not_allowed());
        }
        let notation = self.notation()?;
        let params = WriteParams::parse(&self.query, "CreateOptions")?;
        let sent = body::decode(&target, notation, &body, params.field_validation)?;
        let job = target.clone();
        let written = self.finish(async move { create::run(&job, sent, params).await }).await?;
        respond_written(&target, &written, view, negotiated)
    }

    async fn put(self, body: Bytes) -> Result<Response<Body>, ApiError> {
        let (negotiated, view) = self.negotiated(negotiate::Answer::Object)?;
        let target = self.target()?;
        let notation = self.notation()?;
        let params = WriteParams::parse(&self.query, "UpdateOptions")?;
        let sent = body::decode(&target, notation, &body, params.field_validation)?;
        let (job, part) = (target.clone(), self.part());
        let written = self.finish(async move { update::run(&job, sent, part, params).await }).await?;
        respond_written(&target, &written, view, negotiated)
    }

    async fn patch(self, body: Bytes) -> Result<Response<Body>, ApiError> {
        let (negotiated, view) = self.negotiated(negotiate::Answer::Object)?;
        let target = self.target()?;
        let format = match negotiate::patch_type(&self.headers)? {
            PatchType::Json => PatchFormat::Json,
            PatchType::Merge => PatchFormat::Merge,
            PatchType::StrategicMerge => PatchFormat::Strategic,
        };
        let params = WriteParams::parse(&self.query, "PatchOptions")?;
        let patch = Patch::parse(format, &body).map_err(|error| patch::patch_error(&error))?;
        let job = target.clone();
        if self.route.subresource.as_deref() == Some("scale") {
            let change = async move { scale::change(&job, &scale::Change::Patch(&patch), params).await };
            return respond_json(StatusCode::OK, &self.finish(change).await?, negotiated);
        }
        let part = self.part();
        let written = self.finish(async move { patch::run(&job, &patch, part, params).await }).await?;
        respond_written(&target, &written, view, negotiated)
    }

    async fn delete(self, body: Bytes) -> Result<Response<Body>, ApiError> {
        let (negotiated, view) = self.negotiated(negotiate::Answer::Object)?;
        let target = self.target()?;
        let options = DeleteOptions::parse(&self.query, self.notation()?, &body)?;
        let job = target.clone();
        let deletion = self.finish(async move { delete::run(&job, &options).await }).await?;
        match deletion {
            Deletion::Gone(record) if target.resource.kind != "Pod" => {
                respond_json(StatusCode::OK, &success(&target, &record), negotiated)
            }
            Deletion::Gone(record) | Deletion::Held(record) => {
                namespaces::finalize_later(&target, &record);
                respond_object(StatusCode::OK, &target, &record, view, negotiated)
            }
        }
    }

    async fn delete_collection(self, body: Bytes) -> Result<Response<Body>, ApiError> {
        let (negotiated, view) = self.negotiated(negotiate::Answer::List)?;
        let target = self.target()?;
        let params = ReadParams::parse(&self.query, &target.resource, false)?;
        let options = DeleteOptions::parse(&self.query, self.notation()?, &body)?;
        let job = target.clone();
        let deletion = async move { delete::collection(&job, &params, &options).await };
        let (revision, deleted) = self.finish(deletion).await?;
        let shard_selector = self.query.shard_selector().map(str::to_owned);
        let metadata = ListMetadata { revision, continue_token: None, remaining: None, shard_selector };
        let list = view::list(view, &target, &metadata, &deleted)?;
        Ok(response::rendered(StatusCode::OK, list.into(), &negotiated))
    }

    async fn get_scale(self) -> Result<Response<Body>, ApiError> {
        let (negotiated, _) = self.negotiated(negotiate::Answer::Object)?;
        respond_json(StatusCode::OK, &scale::get(&self.target()?).await?, negotiated)
    }

    async fn put_scale(self, body: Bytes) -> Result<Response<Body>, ApiError> {
        let (negotiated, _) = self.negotiated(negotiate::Answer::Object)?;
        let target = self.target()?;
        let params = WriteParams::parse(&self.query, "UpdateOptions")?;
        let sent = scale::decode(&target, self.notation()?, &body)?;
        let change = async move { scale::change(&target, &scale::Change::Replace(&sent), params).await };
        respond_json(StatusCode::OK, &self.finish(change).await?, negotiated)
    }

    fn notation(&self) -> Result<Notation, ApiError> {
        Ok(match negotiate::request_format(&self.headers)? {
            Format::Json => Notation::Json,
            Format::Yaml => Notation::Yaml,
            Format::Protobuf => Notation::Protobuf,
        })
    }

    /// Runs a write to its end, also if the client goes away in the middle of it.
    async fn finish<T: Send + 'static>(
        &self,
        write: impl Future<Output = Result<T, ApiError>> + Send + 'static,
    ) -> Result<T, ApiError> {
        let task: JoinHandle<Result<T, ApiError>> = self.app.environment.spawn(write);
        task.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a write panicked");
            Err(ApiError::internal("the request could not be finished"))
        })
    }
}

fn respond_written(
    target: &Target,
    written: &Written,
    view: View,
    negotiated: Negotiated,
) -> Result<Response<Body>, ApiError> {
    let status = if written.created { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = respond_object(status, target, &written.record, view, negotiated)?;
    response::warn(&mut response, &written.warnings);
    Ok(response)
}

fn respond_object(
    status: StatusCode,
    target: &Target,
    record: &Record,
    view: View,
    negotiated: Negotiated,
) -> Result<Response<Body>, ApiError> {
    if negotiated.format == Format::Protobuf {
        let object = view.envelope(target, record, record.revision)?;
        return Ok(response::with_type(status, Format::Protobuf.media_type(), response::full(object)));
    }
    Ok(response::rendered(status, view.object(target, record)?.into(), &negotiated))
}

fn respond_json(status: StatusCode, json: &Json, negotiated: Negotiated) -> Result<Response<Body>, ApiError> {
    let mut bytes = serde_json::to_vec(json).map_err(ApiError::internal)?;
    bytes.push(b'\n');
    Ok(response::rendered(status, bytes.into(), &negotiated))
}

/// The Status that tells of a deletion.
fn success(target: &Target, record: &Record) -> Json {
    let mut details = target.details();
    record.value.attributes().uid().clone_into(&mut details.uid);
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    })
}

/// Creates an object as a client would: for what the server makes itself.
///
/// # Errors
/// As for a POST.
pub(crate) async fn create_object(
    app: &Arc<App>,
    resource: &Arc<crate::kinds::resource::Resource>,
    namespace: Option<&str>,
    object: Json,
) -> Result<(), ApiError> {
    let target = Target::new(app, resource, namespace.map(str::to_owned), None)?;
    let bytes = serde_json::to_vec(&object).map_err(ApiError::internal)?;
    let strict = FieldValidation::Strict;
    let sent = body::decode(&target, Notation::Json, &bytes, strict)?;
    let params = WriteParams { dry_run: false, field_validation: strict };
    create::run(&target, sent, params).await.map(|_| ())
}

/// Deletes all objects of a resource in a namespace. Returns how many are held by finalizers.
///
/// # Errors
/// Those of the store.
pub(crate) async fn delete_all(
    app: &Arc<App>,
    resource: &Arc<crate::kinds::resource::Resource>,
    namespace: &str,
) -> Result<usize, ApiError> {
    let target = Target::new(app, resource, Some(namespace.to_owned()), None)?;
    let params = ReadParams::parse(&Query::default(), resource, false)?;
    let mut cursor = get::collection(&target, &params).await?.cursor;
    let mut held = 0;
    loop {
        let batch = cursor.next().await;
        let batch = batch.map_err(|error| target.error(&error, watchkeep_storage::StatusFor::List))?;
        if batch.is_empty() {
            return Ok(held);
        }
        for record in batch {
            let is_held = object::Object::of_record(&record)?.is_terminating() || {
                let deletion = delete::listed(&target, &record, &DeleteOptions::at_once()).await?;
                matches!(deletion, Some(Deletion::Held(_)))
            };
            held += usize::from(is_held);
        }
    }
}

/// Removes the finalizer by which the namespace of this uid waits for its content; that is its end,
/// unless other finalizers hold it.
///
/// # Errors
/// Those of an update; 404 if it is gone already; 409 if another one has its name.
pub(crate) async fn release_namespace(target: &Target, uid: &str) -> Result<(), ApiError> {
    let mut demands = update::Demands::none(Part::Finalizers, false);
    demands.preconditions = watchkeep_storage::Preconditions::uid(uid);
    let released = |stored: Option<&Record>| {
        let stored = stored.ok_or_else(|| ApiError::internal("a missing namespace was updated"))?;
        let mut object = object::Object::of_record(stored)?;
        namespaces::without_finalizer(&mut object);
        Ok(update::Wanted { object, resource_version: String::new() })
    };
    update::modify(target, demands, released).await.map(|_| ())
}
