//! Paths and what they ask for.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

/// A subresource of namespaces.
const FINALIZE: &[Subresource] =
    &[Subresource { name: "finalize", group: "", version: "", kind: "Namespace", verbs: &["update"] }];

/// A route in words: `RESOURCE namespace name subresource`, or the variant.
fn show(route: Route) -> String {
    match route {
        Route::Object(route) => {
            let part = |part: &Option<String>| part.clone().unwrap_or_else(|| "-".to_owned());
            let watch = if route.legacy_watch { "watch " } else { "" };
            let (namespace, name, sub) =
                (part(&route.namespace), part(&route.name), part(&route.subresource));
            format!("{watch}{} {namespace} {name} {sub}", route.resource.plural)
        }
        other => format!("{other:?}"),
    }
}

#[track_caller]
fn check(method: &str, cases: &[(&str, &str)]) {
    let table = ResourceTable::built_in();
    let method: Method = method.parse().unwrap();
    for (path, expected) in cases {
        let uri = Uri::try_from(*path).unwrap();
        assert_eq!(&show(parse(&table, &method, &uri)), expected, "{method} {path}");
    }
}

#[test]
fn paths_of_objects_name_resource_scope_and_object() {
    check(
        "GET",
        &[
            ("/api/v1/configmaps", "configmaps - - -"),
            ("/api/v1/namespaces/t1/configmaps", "configmaps t1 - -"),
            ("/api/v1/namespaces/t1/configmaps/a?limit=5", "configmaps t1 a -"),
            ("/apis/apps/v1/namespaces/t1/deployments/d/scale", "deployments t1 d scale"),
            ("/apis/apps/v1/deployments", "deployments - - -"),
            ("/api/v1/nodes/n1/status", "nodes - n1 status"),
        ],
    );
}

#[test]
fn a_namespace_is_an_object_and_a_scope() {
    check(
        "GET",
        &[
            ("/api/v1/namespaces", "namespaces - - -"),
            ("/api/v1/namespaces/x", "namespaces - x -"),
            ("/api/v1/namespaces/x/status", "namespaces - x status"),
            ("/api/v1/namespaces/x/pods", "pods x - -"),
            ("/api/v1/namespaces/status/pods", "pods status - -"),
            ("/api/v1/namespaces/x/nodes", "NotFoundStatus"),
            ("/api/v1/namespaces/x/namespaces/y", "NotFoundStatus"),
        ],
    );
    let built_in = ResourceTable::built_in();
    let namespaces = built_in.resource("", "v1", "namespaces").unwrap();
    let extended = Resource { subresources: FINALIZE, ..Resource::clone(namespaces) };
    let table = ResourceTable::new([Arc::new(extended)]);
    let uri = Uri::from_static("/api/v1/namespaces/x/finalize");
    assert_eq!(show(parse(&table, &Method::PUT, &uri)), "namespaces - x finalize");
}

#[test]
fn the_old_form_of_a_watch_is_read() {
    check(
        "GET",
        &[
            ("/api/v1/watch/configmaps", "watch configmaps - - -"),
            ("/api/v1/watch/namespaces/ns/configmaps/a", "watch configmaps ns a -"),
            ("/api/v1/watch/namespaces/ns", "watch namespaces - ns -"),
            ("/apis/apps/v1/watch/namespaces/ns/deployments", "watch deployments ns - -"),
            ("/apis/apps/v1/watch/namespaces/ns/deployments/d/scale", "NotFoundStatus"),
            ("/api/v1/watch", "NotFoundStatus"),
        ],
    );
    check("POST", &[("/api/v1/watch/namespaces/ns/configmaps", "MethodNotAllowed")]);
}

#[test]
fn discovery_health_and_documents_have_their_paths() {
    check(
        "GET",
        &[
            ("/", "Root"),
            ("/api", "Api"),
            ("/api?timeout=32s", "Api"),
            ("/apis", "Apis"),
            ("/apis/apps", "Group(\"apps\")"),
            ("/api/v1", "GroupVersion(\"v1\")"),
            ("/apis/apps/v1", "GroupVersion(\"apps/v1\")"),
            ("/version", "Version"),
            ("/openapi/v2", "OpenApiV2"),
            ("/openapi/v3", "OpenApiV3Index"),
            ("/openapi/v3/apis/apps/v1?hash=A", "OpenApiV3(\"apis/apps/v1\")"),
            ("/readyz", "Health(HealthRoute { endpoint: Readyz, check: None })"),
            ("/metrics", "Metrics"),
            ("/metrics/", "Metrics"),
            ("/metrics/slis", "NotFoundText"),
            ("/livez/ping", "Health(HealthRoute { endpoint: Livez, check: Some(\"ping\") })"),
        ],
    );
    check("POST", &[("/healthz", "Health(HealthRoute { endpoint: Healthz, check: None })")]);
}

#[test]
fn a_slash_at_the_end_changes_nothing() {
    check(
        "GET",
        &[
            ("/version/", "Version"),
            ("/api/", "Api"),
            ("/apis/", "Apis"),
            ("/apis/apps/", "Group(\"apps\")"),
            ("/apis/apps/v1/", "GroupVersion(\"apps/v1\")"),
            ("/api/v1/namespaces/t1/configmaps/", "configmaps t1 - -"),
        ],
    );
}

#[test]
fn what_is_unknown_is_said_in_the_form_of_its_level() {
    check(
        "GET",
        &[
            ("//api/v1", "NotFoundText"),
            ("/api/v2", "NotFoundText"),
            ("/apis/nope.example.com", "NotFoundText"),
            ("/apis/apps/v9/deployments", "NotFoundText"),
            ("/apis//v1/configmaps", "NotFoundText"),
            ("/readyz/a/b", "NotFoundText"),
            ("/api/v1/nopes", "NotFoundStatus"),
            ("/apis/apps/v1/configmaps", "NotFoundStatus"),
            ("/api/v1/namespaces//configmaps", "NotFoundStatus"),
            ("/api/v1/configmaps/a", "NotFoundStatus"),
            ("/api/v1/namespaces/t1/configmaps/a/nope", "NotFoundStatus"),
            ("/api/v1/namespaces/t1/configmaps/a/b/c", "NotFoundStatus"),
        ],
    );
}

#[test]
fn segments_are_decoded_and_never_split() {
    check(
        "GET",
        &[
            ("/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode", "clusterroles - system:node -"),
            ("/api/v1/namespaces/t1/configmaps/a%2Fstatus", "NotFoundText"),
            ("/api/v1/namespaces/t1/configmaps/%2E%2E", "NotFoundText"),
            ("/api/v1/namespaces/../configmaps/a", "NotFoundText"),
            ("/api/v1/namespaces/t1/configmaps/a%00b", "NotFoundText"),
            ("/api/v1/namespaces/t1/configmaps/%ff", "NotFoundText"),
        ],
    );
}

#[test]
fn a_method_without_a_verb_is_not_allowed() {
    let path = "/api/v1/namespaces/t1/configmaps";
    for method in ["PUT", "PATCH", "HEAD", "OPTIONS", "TRACE"] {
        check(method, &[(path, "MethodNotAllowed")]);
    }
    check(
        "POST",
        &[
            (path, "configmaps t1 - -"),
            ("/api/v1/configmaps", "MethodNotAllowed"),
            ("/api/v1/namespaces/t1/configmaps/a", "MethodNotAllowed"),
            ("/apis/apps/v1/namespaces/t1/deployments/d/scale", "MethodNotAllowed"),
            ("/version", "MethodNotAllowed"),
        ],
    );
    check("DELETE", &[(path, "configmaps t1 - -"), ("/api/v1/namespaces", "MethodNotAllowed")]);
}

#[test]
fn no_bytes_make_the_parser_panic() {
    const PARTS: [&str; 12] =
        ["/", "api", "apis", "v1", "apps", "namespaces", "watch", "pods", "status", "%2F", "%", "?a=b"];
    let mut random = StdRng::seed_from_u64(17);
    for _ in 0..20_000 {
        let mut input = vec![random.random()];
        for _ in 0..random.random_range(0..12) {
            if random.random_ratio(1, 8) {
                input.push(random.random());
            } else {
                input.extend_from_slice(PARTS[random.random_range(0..PARTS.len())].as_bytes());
                input.push(b'/');
            }
        }
        fuzz(&input);
    }
}
