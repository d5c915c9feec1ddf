//! Changing objects with real kubectls: create, the patches, label, annotate, scale, replace, edit.

use std::collections::HashSet;

use watchkeep_tests::fixture::{config_map, config_map_with, deployment};
use watchkeep_tests::scope::Scope;

/// The label of the oldest kubectls' success of `annotate`, and that of the others.
const ANNOTATED: [&str; 2] = ["configmap/one annotate", "configmap/one annotated"];

#[test]
fn the_three_types_of_patch_change_a_deployment() {
    for kubectl in Scope::of_each("patch") {
        kubectl.ok_with("create -f -", &deployment("web", 1, "i:1"));

        // Strategic: containers are merged by name, the new one comes first.
        let added = r#"{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"s:1"}]}}}}"#;
        assert_eq!(kubectl.ok(&format!("patch deploy web -p '{added}'")), "deployment.apps/web patched");
        let names = "{.spec.template.spec.containers[*].name}";
        assert_eq!(kubectl.field("deploy/web", names), "side main");

        // Merge: a list is replaced as a whole.
        let replaced = r#"{"spec":{"template":{"spec":{"containers":[{"name":"only","image":"o:1"}]}}}}"#;
        kubectl.ok(&format!("patch deploy web --type=merge -p '{replaced}'"));
        assert_eq!(kubectl.field("deploy/web", names), "only");

        let operations = r#"[{"op":"test","path":"/spec/replicas","value":1},{"op":"replace","path":"/spec/replicas","value":4}]"#;
        kubectl.ok(&format!("patch deploy web --type=json -p '{operations}'"));
        assert_eq!(kubectl.field("deploy/web", "{.spec.replicas} {.metadata.generation}"), "4 4");

        let again = kubectl.ok(r#"patch deploy web --type=merge -p '{"spec":{"replicas":4}}'"#);
        assert_eq!(again, "deployment.apps/web patched (no change)");
        assert_eq!(kubectl.field("deploy/web", "{.metadata.generation}"), "4");

        let failed = kubectl.fails(&format!("patch deploy web --type=json -p '{operations}'"));
        assert!(
            failed.contains("the server rejected our request due to an error in our request"),
            "{failed}"
        );
    }
}

#[test]
fn labels_and_annotations_are_set_and_removed() {
    for kubectl in Scope::of_each("label") {
        kubectl.ok_with("create -f -", &config_map("one", &[]));
        assert_eq!(kubectl.ok("label cm one a=b c=d"), "configmap/one labeled");
        assert!(kubectl.fails("label cm one a=z").contains("--overwrite is false"));
        kubectl.ok("label cm one a=z --overwrite");
        assert_eq!(kubectl.ok("label cm one c-"), "configmap/one unlabeled");
        assert_eq!(kubectl.field("cm/one", "{.metadata.labels}"), r#"{"a":"z"}"#);

        let said = kubectl.ok("annotate cm one example.com/note='two words'");
        assert!(ANNOTATED.contains(&said.as_str()), "{said}");
        assert_eq!(kubectl.field("cm/one", r"{.metadata.annotations.example\.com/note}"), "two words");

        let refused = kubectl.fails("label cm one a='no value'");
        assert!(refused.contains("a valid label must be"), "{refused}");
    }
}

#[test]
fn scale_changes_the_replicas_and_nothing_else() {
    for kubectl in Scope::of_each("scale") {
        kubectl.ok_with("create -f -", &deployment("web", 1, "i:1"));
        assert_eq!(kubectl.ok("scale deployment web --replicas=3"), "deployment.apps/web scaled");
        assert_eq!(
            kubectl.ok("scale deployment web --current-replicas=3 --replicas=5"),
            "deployment.apps/web scaled"
        );
        let error = kubectl.fails("scale deployment web --current-replicas=3 --replicas=7");
        assert_eq!(error, "error: Expected replicas to be 3, was 5");
        assert_eq!(
            kubectl.field(
                "deploy/web",
                "{.spec.replicas} {.spec.template.spec.containers[0].image} {.metadata.generation}"
            ),
            "5 i:1 3"
        );
        let raw = format!("/apis/apps/v1/namespaces/{}/deployments/web/scale", kubectl.namespace());
        let scale = kubectl.ok(&format!("get --raw {raw}"));
        assert!(scale.contains(r#""kind":"Scale","apiVersion":"autoscaling/v1""#), "{scale}");
        assert!(scale.contains(r#""spec":{"replicas":5}"#), "{scale}");
    }
}

#[test]
fn generated_names_are_new_each_time() {
    let kubectl = Scope::of_newest("generated");
    let manifest = config_map_with("generateName: gen-", &[]);
    let names: HashSet<_> = (0..3).map(|_| kubectl.ok_with("create -f - -o name", &manifest)).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    for name in &names {
        let suffix = name.strip_prefix("configmap/gen-").unwrap();
        assert!(suffix.len() == 5 && suffix.chars().all(|c| c.is_ascii_alphanumeric()), "{name}");
    }
    assert_eq!(kubectl.ok("get cm -o name").lines().count(), 3);
}

#[test]
fn a_dry_run_on_the_server_changes_nothing() {
    let kubectl = Scope::of_newest("dry-run");
    let created = kubectl.ok_with("create -f - --dry-run=server", &config_map("one", &[("n", "1")]));
    assert_eq!(created, "configmap/one created (server dry run)");
    assert_eq!(kubectl.ok("get cm -o name"), "");

    kubectl.ok_with("create -f -", &config_map("one", &[("n", "1")]));
    let version = kubectl.field("cm/one", "{.metadata.resourceVersion}");
    let patched =
        kubectl.ok(r#"patch cm one --dry-run=server -p '{"data":{"n":"2"}}' -o jsonpath='{.data.n}'"#);
    assert_eq!(patched, "2");
    assert_eq!(kubectl.ok("label cm one a=b --dry-run=server"), "configmap/one labeled (server dry run)");
    assert!(kubectl.ok("delete cm one --dry-run=server").contains("(server dry run)"));
    assert_eq!(kubectl.field("cm/one", "{.data.n} {.metadata.resourceVersion}"), format!("1 {version}"));
}

#[test]
fn replace_puts_the_whole_object() {
    for kubectl in Scope::of_each("replace") {
        kubectl.ok_with("create -f -", &config_map("one", &[("a", "1"), ("b", "2")]));
        let before = kubectl.field("cm/one", "{.metadata.uid} {.metadata.creationTimestamp}");
        let said = kubectl.ok_with("replace -f -", &config_map("one", &[("b", "3")]));
        assert_eq!(said, "configmap/one replaced");
        assert_eq!(kubectl.field("cm/one", "{.data}"), r#"{"b":"3"}"#);
        assert_eq!(kubectl.field("cm/one", "{.metadata.uid} {.metadata.creationTimestamp}"), before);

        kubectl.ok_with("replace --force -f -", &config_map("one", &[("c", "4")]));
        assert_eq!(kubectl.field("cm/one", "{.data}"), r#"{"c":"4"}"#);
        assert_ne!(kubectl.field("cm/one", "{.metadata.uid} {.metadata.creationTimestamp}"), before);
    }
}

#[test]
fn edit_saves_what_the_editor_made() {
    for mut kubectl in Scope::of_each("edit") {
        kubectl.ok_with("create -f -", &config_map("one", &[("k", "before")]));
        let version = kubectl.field("cm/one", "{.metadata.resourceVersion}");

        kubectl.kubectl_mut().set_variable("KUBE_EDITOR", "true");
        assert!(kubectl.run("edit cm one").stderr.contains("Edit cancelled, no changes made"));
        assert_eq!(kubectl.field("cm/one", "{.metadata.resourceVersion}"), version);

        kubectl.kubectl_mut().set_variable("KUBE_EDITOR", "sed -i s/before/after/");
        assert_eq!(kubectl.ok("edit cm one"), "configmap/one edited");
        assert_eq!(kubectl.field("cm/one", "{.data.k}"), "after");
    }
}

#[test]
fn set_image_and_rollout_restart_change_the_template() {
    let kubectl = Scope::of_newest("template");
    kubectl.ok_with("create -f -", &deployment("web", 1, "i:1"));
    assert_eq!(kubectl.ok("set image deployment/web main=i:2"), "deployment.apps/web image updated");
    assert_eq!(kubectl.field("deploy/web", "{.spec.template.spec.containers[*].image}"), "i:2");
    assert_eq!(kubectl.ok("rollout restart deployment/web"), "deployment.apps/web restarted");
    let restarted = r"{.spec.template.metadata.annotations.kubectl\.kubernetes\.io/restartedAt}";
    assert!(!kubectl.field("deploy/web", restarted).is_empty());
    assert_eq!(kubectl.field("deploy/web", "{.metadata.generation}"), "3");
}

#[test]
fn a_status_changes_only_through_its_subresource() {
    let kubectl = Scope::of_newest("status");
    kubectl.ok_with("create -f -", &deployment("web", 1, "i:1"));
    kubectl.ok(r#"patch deploy web --type=merge -p '{"status":{"replicas":7}}'"#);
    assert_eq!(kubectl.field("deploy/web", "{.status.replicas}"), "");
    let both = r#"{"status":{"replicas":7},"spec":{"replicas":9}}"#;
    kubectl.ok(&format!("patch deploy web --subresource=status --type=merge -p '{both}'"));
    assert_eq!(
        kubectl.field("deploy/web", "{.status.replicas} {.spec.replicas} {.metadata.generation}"),
        "7 1 1"
    );
}

/// `stringData` is for writing only: what is stored and read is `data`.
#[test]
fn string_data_of_a_secret_becomes_data() {
    let kubectl = Scope::of_newest("string-data");
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: one}\n\
         data: {a: b2xk, b: b2xk}\nstringData: {b: new}\n";
    kubectl.ok_with("create -f -", secret);
    assert_eq!(kubectl.field("secret/one", "{.data} {.stringData}"), r#"{"a":"b2xk","b":"bmV3"}"#);
    kubectl.ok(r#"patch secret one -p '{"stringData":{"c":"more"}}'"#);
    assert_eq!(kubectl.field("secret/one", "{.data.c}{.stringData}"), "bW9yZQ==");
}
