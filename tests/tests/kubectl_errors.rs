//! What kubectl shows when the server refuses: the reason, and words that say what to do.

use watchkeep_tests::fixture::{config_map, config_map_with, deployment};
use watchkeep_tests::kubectl::{Version, installed};
use watchkeep_tests::scope::Scope;

/// The first kubectl that sends what its generators make as protobuf.
const FIRST_WITH_PROTOBUF: Version = Version { major: 1, minor: 32, patch: 0 };

#[test]
fn a_missing_object_is_not_found() {
    for kubectl in Scope::of_each("missing") {
        for (line, what) in [
            ("get cm nope", r#"configmaps "nope""#),
            ("get deploy nope", r#"deployments.apps "nope""#),
            ("describe cm nope", r#"configmaps "nope""#),
            ("delete cm nope", r#"configmaps "nope""#),
            ("label cm nope a=b", r#"configmaps "nope""#),
        ] {
            let expected = format!("Error from server (NotFound): {what} not found");
            assert_eq!(kubectl.fails(line), expected, "{line}, kubectl {}", kubectl.version());
        }
        // Older kubectls keep the reason to themselves.
        let scaled = kubectl.fails("scale deploy nope --replicas=1");
        let reason = r#"Error from server (NotFound): deployments.apps "nope" not found"#;
        assert!([reason, "error: no objects passed to scale"].contains(&scaled.as_str()), "{scaled}");
    }
}

#[test]
fn an_object_that_is_there_is_not_created_again() {
    for kubectl in Scope::of_each("existing") {
        kubectl.ok_with("create -f -", &config_map("one", &[("k", "1")]));
        let error = kubectl.fails_with("create -f -", &config_map("one", &[("k", "2")]));
        assert!(error.starts_with("Error from server (AlreadyExists): "), "{error}");
        assert!(error.ends_with(r#"configmaps "one" already exists"#), "{error}");
        assert_eq!(kubectl.field("cm/one", "{.data.k}"), "1");
    }
}

#[test]
fn a_stale_replace_is_a_conflict_and_changes_nothing() {
    for kubectl in Scope::of_each("stale") {
        kubectl.ok_with("create -f -", &config_map("one", &[("k", "1")]));
        let version = kubectl.field("cm/one", "{.metadata.resourceVersion}");
        kubectl.ok("label cm one a=b");
        let stale = format!("name: one, resourceVersion: '{version}'");
        let error = kubectl.fails_with("replace -f -", &config_map_with(&stale, &[("k", "2")]));
        assert!(error.starts_with("Error from server (Conflict): "), "{error}");
        assert!(
            error.ends_with(
                r#"Operation cannot be fulfilled on configmaps "one": the object has been modified; please apply your changes to the latest version and try again"#
            ),
            "{error}"
        );
        assert_eq!(kubectl.field("cm/one", "{.data.k}"), "1");

        let current = kubectl.field("cm/one", "{.metadata.resourceVersion}");
        let fresh = format!("name: one, resourceVersion: '{current}'");
        kubectl.ok_with("replace -f -", &config_map_with(&fresh, &[("k", "3")]));
        assert_eq!(kubectl.field("cm/one", "{.data.k}"), "3");
    }
}

#[test]
fn a_kind_that_is_not_served_is_told_as_such() {
    for kubectl in Scope::of_each("unknown-kind") {
        let widget = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: one}\n";
        let error = kubectl.fails_with("apply -f -", widget);
        assert!(error.contains(r#"no matches for kind "Widget" in version "example.com/v1""#), "{error}");
        assert!(
            kubectl.fails("get widgets").contains(r#"the server doesn't have a resource type "widgets""#)
        );

        let definition = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n\
             metadata: {name: widgets.example.com}\nspec: {group: example.com}\n";
        let error = kubectl.fails_with("apply -f -", definition);
        assert!(error.contains(r#"no matches for kind "CustomResourceDefinition""#), "{error}");
    }
}

#[test]
fn names_that_are_not_allowed_are_refused_with_the_rule() {
    let kubectl = Scope::of_newest("names");
    for name in ["Upper", "under_score", "-dash", "dot."] {
        let error = kubectl.fails_with("create -f -", &config_map_with(&format!("name: '{name}'"), &[]));
        let expected = format!(
            r#"The ConfigMap "{name}" is invalid: metadata.name: Invalid value: "{name}": a lowercase RFC 1123 subdomain must consist of"#
        );
        assert!(error.starts_with(&expected), "{error}");
    }
    let long = "a".repeat(254);
    let error = kubectl.fails_with("create -f -", &config_map(&long, &[]));
    assert!(error.contains("must be no more than 253"), "{error}");
    let namespace =
        kubectl.fails_with("create -f -", "apiVersion: v1\nkind: Namespace\nmetadata: {name: a.b}\n");
    assert!(namespace.contains("a lowercase RFC 1123 label must consist of"), "{namespace}");
    let label = kubectl.fails_with("create -f -", &config_map_with("name: one, labels: {a: 'b c'}", &[]));
    assert!(label.contains("metadata.labels: Invalid value: \"b c\""), "{label}");
}

#[test]
fn a_namespace_that_is_not_there_is_not_found() {
    let kubectl = Scope::of_newest("homeless");
    let words = ["create", "-n", "nowhere", "-f", "-"];
    let output = kubectl.kubectl().run_with_input(words, &config_map("one", &[]));
    let error = output.unwrap_or_else(|error| panic!("{error}")).stderr;
    assert!(error.contains(r#"namespaces "nowhere" not found"#), "{error}");
}

#[test]
fn an_unknown_field_is_refused_or_warned_about_as_asked() {
    for kubectl in Scope::of_each("unknown-field") {
        let manifest = format!("{}bogus: 1\n", config_map("one", &[]));
        let error = kubectl.fails_with("create -f -", &manifest);
        assert!(error.contains(r#"strict decoding error: unknown field "bogus""#), "{error}");

        let words = ["create", "--validate=warn", "-n", kubectl.namespace(), "-f", "-"];
        let warned = kubectl.kubectl().run_with_input(words, &manifest);
        let warned = warned.unwrap_or_else(|error| panic!("{error}"));
        assert!(warned.status.success(), "{warned:#?}");
        assert_eq!(warned.stderr.trim_end(), r#"Warning: unknown field "bogus""#);

        let nested = deployment("web", 1, "i:1").replace("replicas:", "replicants:");
        let error = kubectl.fails_with("create -f -", &nested);
        assert!(error.contains(r#"unknown field "spec.replicants""#), "{error}");
    }
}

#[test]
fn a_value_of_the_wrong_type_is_told_with_its_place() {
    let kubectl = Scope::of_newest("wrong-type");
    let manifest = deployment("web", 1, "i:1").replace("replicas: 1", "replicas: many");
    let error = kubectl.fails_with("create --validate=false -f -", &manifest);
    assert!(error.starts_with("Error from server (BadRequest): "), "{error}");
    assert!(
        error.contains("cannot be handled as a Deployment") && error.contains("spec.replicas"),
        "{error}"
    );
}

#[test]
fn parameters_that_mean_nothing_are_bad_requests() {
    let kubectl = Scope::of_newest("parameters");
    let error = kubectl.fails("get pods --field-selector spec.color=red");
    assert!(error.ends_with("field label not supported: spec.color"), "{error}");
    let error = kubectl.fails("get cm --field-selector spec.color=red");
    assert!(error.contains(r#""spec.color" is not a known field selector"#), "{error}");
    let path = format!("/api/v1/namespaces/{}/configmaps", kubectl.namespace());
    let error = kubectl.fails(&format!("get --raw {path}?labelSelector=a+b"));
    assert!(error.contains("found 'b', expected: in, notin, =, ==, !=, gt, lt"), "{error}");
    let error = kubectl.fails(&format!("get --raw {path}?timeout=long"));
    assert!(error.contains("invalid timeout specified in the request URL"), "{error}");
    let error = kubectl.fails(&format!("get --raw {path}?continue=nonsense"));
    assert!(error.contains("continue key is not valid"), "{error}");
}

#[test]
fn a_fixed_part_of_an_object_cannot_be_changed() {
    let kubectl = Scope::of_newest("fixed");
    kubectl.ok_with("create -f -", &config_map("one", &[]));
    let error = kubectl.fails(r#"patch cm one --type=merge -p '{"metadata":{"uid":"other"}}'"#);
    assert!(error.contains("metadata.uid") && error.contains("field is immutable"), "{error}");
    let error = kubectl.fails(r#"patch cm one --type=merge -p '{"metadata":{"name":"other"}}'"#);
    assert!(
        error.contains("the name of the object (other) does not match the name on the URL (one)"),
        "{error}"
    );
}

/// kubectl from 1.32 on sends what its generators make as protobuf, and cannot be told otherwise.
#[test]
fn a_body_in_protobuf_is_taken() {
    let scopes = Scope::of_each("generators");
    for kubectl in &scopes {
        assert_eq!(kubectl.ok("create configmap one --from-literal=k=v"), "configmap/one created");
        assert_eq!(kubectl.field("cm/one", "{.data.k}"), "v");
        assert_eq!(kubectl.ok("create serviceaccount one"), "serviceaccount/one created");
        let deployment = "create deployment web --image=nginx:1 --replicas=2 --port=8080";
        assert_eq!(kubectl.ok(deployment), "deployment.apps/web created");
        let container = "{.spec.replicas} {.spec.template.spec.containers[0].image} \
                         {.spec.template.spec.containers[0].ports[0].containerPort}";
        assert_eq!(kubectl.field("deployment/web", container), "2 nginx:1 8080");
        let secret = "create secret generic s --from-literal=password=hunter2";
        assert_eq!(kubectl.ok(secret), "secret/s created");
        assert_eq!(kubectl.field("secret/s", "{.data.password}"), "aHVudGVyMg==");
        let more = format!("{}-more", kubectl.namespace());
        assert_eq!(kubectl.ok(&format!("create namespace {more}")), format!("namespace/{more} created"));
        let error = kubectl.fails("create configmap one --from-literal=k=v");
        assert_eq!(error, "error: failed to create configmap: configmaps \"one\" already exists");
    }
    let newest = installed().unwrap_or_else(|error| panic!("{error}")).pop();
    assert!(newest.is_some_and(|newest| newest.version >= FIRST_WITH_PROTOBUF), "no kubectl sends protobuf");
}
