//! From a method and a path to what is asked for. A pure function of the resource table that answers
//! every input and never panics.
//!
//! Promises: one slash at the end changes nothing; segments are percent-decoded one by one, so that an
//! escaped slash never becomes a separator; an [`ObjectRoute`] names a served resource in the right
//! scope, and a method that the resource has.

use std::borrow::Cow;
use std::sync::Arc;

use hyper::{Method, Uri};
use percent_encoding::percent_decode_str;

use super::params::Query;
use crate::kinds::resource::{Resource, Scope, Subresource};
use crate::kinds::table::ResourceTable;

/// What a request asks for.
#[derive(Clone, Debug)]
pub enum Route {
    /// `/`: the paths that are served.
    Root,
    /// `/api`: the versions of the core group.
    Api,
    /// `/apis`: the named groups.
    Apis,
    /// `/apis/GROUP`: the versions of a group.
    Group(String),
    /// `/api/v1` or `/apis/GROUP/VERSION`, as its `apiVersion`: the resources of a version.
    GroupVersion(String),
    /// `/version`.
    Version,
    /// `/livez`, `/readyz`, `/healthz`, or one check of them.
    Health(HealthRoute),
    /// `/metrics`.
    Metrics,
    /// `/checkpoints`, to make one.
    Checkpoints,
    /// `/openapi/v2`.
    OpenApiV2,
    /// `/openapi/v3`: the index of the documents.
    OpenApiV3Index,
    /// `/openapi/v3/PATH`: the document of this path, such as `apis/apps/v1`.
    OpenApiV3(String),
    /// Objects of a resource.
    Object(ObjectRoute),
    /// Nothing that the server knows.
    NotFoundText,
    /// A resource that a known version does not have.
    NotFoundStatus,
    /// A path that is served, with a method that is not.
    MethodNotAllowed,
}

/// A request for objects.
#[derive(Clone, Debug)]
pub struct ObjectRoute {
    /// The resource.
    pub resource: Arc<Resource>,
    /// The namespace; `None` for cluster-scoped resources and for reads across all namespaces.
    pub namespace: Option<String>,
    /// The object's name; `None` for the collection.
    pub name: Option<String>,
    /// The subresource of the object.
    pub subresource: Option<String>,
    /// The old form of a watch, with `watch` in the path instead of the query.
    pub legacy_watch: bool,
}

impl ObjectRoute {
    /// Whether a GET of this route is a watch: one is asked for on a collection, or by the old form of the
    /// path.
    pub fn is_watch(&self, query: &Query) -> bool {
        self.legacy_watch || (self.name.is_none() && query.flag("watch"))
    }
}

/// A request for the server's health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthRoute {
    /// Which question.
    pub endpoint: Endpoint,
    /// The one check that is asked for; `None` asks for all.
    pub check: Option<String>,
}

/// The questions about health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Whether the server is well: the oldest form.
    Healthz,
    /// Whether the process lives. A restart would help if not.
    Livez,
    /// Whether requests should be sent here.
    Readyz,
}

impl Endpoint {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Healthz, Self::Livez, Self::Readyz];

    /// The first segment of its path.
    pub fn name(self) -> &'static str {
        match self {
            Self::Healthz => "healthz",
            Self::Livez => "livez",
            Self::Readyz => "readyz",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|endpoint| endpoint.name() == name)
    }
}

/// Reads a method and a path.
pub fn parse(table: &ResourceTable, method: &Method, uri: &Uri) -> Route {
    let Some(decoded) = decode_segments(uri.path()) else { return Route::NotFoundText };
    let segments: Vec<&str> = decoded.iter().map(AsRef::as_ref).collect();
    if let [first, rest @ ..] = segments.as_slice()
        && let Some(endpoint) = Endpoint::from_name(first)
    {
        return health(endpoint, rest);
    }
    match segments.as_slice() {
        [] => read_only(method, Route::Root),
        ["version"] => read_only(method, Route::Version),
        ["metrics"] => read_only(method, Route::Metrics),
        ["checkpoints"] if method == Method::POST => Route::Checkpoints,
        ["checkpoints"] => Route::MethodNotAllowed,
        ["openapi", "v2"] => read_only(method, Route::OpenApiV2),
        ["openapi", "v3"] => read_only(method, Route::OpenApiV3Index),
        ["openapi", "v3", rest @ ..] => read_only(method, Route::OpenApiV3(rest.join("/"))),
        ["api"] => read_only(method, Route::Api),
        ["api", version, rest @ ..] => below_version(table, method, ("", version), rest),
        ["apis"] => read_only(method, Route::Apis),
        ["apis", "", ..] => Route::NotFoundText,
        ["apis", group] if table.group(group).is_some() => {
            read_only(method, Route::Group((*group).to_owned()))
        }
        ["apis", group, version, rest @ ..] => below_version(table, method, (group, version), rest),
        _ => Route::NotFoundText,
    }
}

/// The decoded segments of a path; `None` for what no path of this server can be.
fn decode_segments(path: &str) -> Option<Vec<Cow<'_, str>>> {
    let path = path.strip_prefix('/')?;
    if path.is_empty() {
        return Some(Vec::new());
    }
    path.strip_suffix('/').unwrap_or(path).split('/').map(decode_segment).collect()
}

fn decode_segment(segment: &str) -> Option<Cow<'_, str>> {
    let text = percent_decode_str(segment).decode_utf8().ok()?;
    let separates = text.contains(|c: char| c == '/' || c.is_control()) || matches!(&*text, "." | "..");
    (!separates).then_some(text)
}

fn read_only(method: &Method, route: Route) -> Route {
    if matches!(*method, Method::GET | Method::HEAD) { route } else { Route::MethodNotAllowed }
}

fn health(endpoint: Endpoint, rest: &[&str]) -> Route {
    match rest {
        [] => Route::Health(HealthRoute { endpoint, check: None }),
        [check] => Route::Health(HealthRoute { endpoint, check: Some((*check).to_owned()) }),
        _ => Route::NotFoundText,
    }
}

fn below_version(
    table: &ResourceTable,
    method: &Method,
    (group, version): (&str, &str),
    rest: &[&str],
) -> Route {
    let Some(known) = table.group(group).and_then(|group| group.version(version)) else {
        return Route::NotFoundText;
    };
    if rest.is_empty() {
        return read_only(method, Route::GroupVersion(known.api_version.to_owned()));
    }
    let find = |plural: &str| table.resource(group, version, plural).cloned();
    match object(find, rest) {
        Some(route) if allows(&route, method) => Route::Object(route),
        Some(_) => Route::MethodNotAllowed,
        None => Route::NotFoundStatus,
    }
}

/// The objects that a path below a version names; `None` if there is no such resource.
fn object(find: impl Fn(&str) -> Option<Arc<Resource>>, path: &[&str]) -> Option<ObjectRoute> {
    if path.contains(&"") {
        return None;
    }
    let (legacy_watch, path) = match path {
        ["watch", rest @ ..] => (true, rest),
        _ => (false, path),
    };
    let (namespace, path) = match path {
        // A namespace's own subresources; anything else below it is a scope.
        ["namespaces", _, "status" | "finalize"] => (None, path),
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some(*namespace), rest),
        _ => (None, path),
    };
    let (plural, name, subresource) = match path {
        [plural] => (plural, None, None),
        [plural, name] => (plural, Some(*name), None),
        [plural, name, subresource] => (plural, Some(*name), Some(*subresource)),
        _ => return None,
    };
    let resource = find(plural)?;
    let scope_fits = match resource.scope {
        Scope::Cluster => namespace.is_none(),
        Scope::Namespaced => namespace.is_some() || name.is_none(),
    };
    let subresource_fits = subresource.is_none_or(|name| !legacy_watch && known(&resource, name).is_some());
    (scope_fits && subresource_fits).then(|| ObjectRoute {
        namespace: namespace.map(str::to_owned),
        name: name.map(str::to_owned),
        subresource: subresource.map(str::to_owned),
        legacy_watch,
        resource,
    })
}

fn known<'a>(resource: &'a Resource, subresource: &str) -> Option<&'a Subresource> {
    resource.subresources.iter().find(|known| known.name == subresource)
}

/// Whether the resource has the verb that this method stands for.
fn allows(route: &ObjectRoute, method: &Method) -> bool {
    let resource = &route.resource;
    let across_namespaces = resource.scope == Scope::Namespaced && route.namespace.is_none();
    let verbs = match &route.subresource {
        Some(name) => known(resource, name).map_or(&[] as &[_], |known| known.verbs),
        None => resource.verbs,
    };
    let verb = match (method, route.name.is_some()) {
        (&Method::GET, _) if route.legacy_watch => "watch",
        _ if route.legacy_watch => return false,
        (&Method::GET, false) => "list",
        _ if across_namespaces => return false,
        (&Method::GET, true) => "get",
        (&Method::POST, named) if named == route.subresource.is_some() => "create",
        (&Method::PUT, true) => "update",
        (&Method::PATCH, true) => "patch",
        (&Method::DELETE, true) => "delete",
        (&Method::DELETE, false) => "deletecollection",
        _ => return false,
    };
    verbs.contains(&verb)
}

/// Parses arbitrary bytes as a method and a path: the entry of a fuzzer, and of the seeded test here.
#[doc(hidden)]
pub fn fuzz(input: &[u8]) {
    const METHODS: [Method; 6] =
        [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::HEAD];
    static TABLE: std::sync::LazyLock<ResourceTable> = std::sync::LazyLock::new(ResourceTable::built_in);
    let Some((first, path)) = input.split_first() else { return };
    let Some(method) = METHODS.get(usize::from(*first) % METHODS.len()) else { return };
    let Ok(uri) = Uri::try_from(path) else { return };
    if let Route::Object(route) = parse(&TABLE, method, &uri) {
        let segments = [&route.namespace, &route.name, &route.subresource];
        assert!(segments.into_iter().flatten().all(|segment| !segment.is_empty() && !segment.contains('/')));
    }
}

#[cfg(test)]
mod tests;
