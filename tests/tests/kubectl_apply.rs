//! `kubectl apply` and `kubectl diff`: what has not changed stays as it is, what was removed goes, and
//! what others have set stays.

use watchkeep_tests::fixture::{config_map, deployment, together};
use watchkeep_tests::scope::Scope;

/// Seven objects of five groups, two of them in no namespace.
const MANY_GROUPS: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: one}
spec: {containers: [{name: main, image: 'example.com/one:1'}]}
---
apiVersion: v1
kind: Service
metadata: {name: one}
spec: {selector: {app: one}, ports: [{port: 80}]}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: one}
spec: {maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: one}
spec:
  schedule: '* * * * *'
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: 'i:1'}]}}}}
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: one}
spec: {holderIdentity: me, leaseDurationSeconds: 15}
---
apiVersion: v1
kind: Node
metadata: {name: CLUSTER-WIDE}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: 'test:CLUSTER-WIDE'}
rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]
";

#[test]
fn a_second_apply_changes_nothing() {
    for kubectl in Scope::of_each("twice") {
        let manifest = together(&[deployment("web", 2, "i:1"), config_map("one", &[("k", "v")])]);
        assert_eq!(
            kubectl.ok_with("apply -f -", &manifest),
            "deployment.apps/web created\nconfigmap/one created"
        );
        let versions = || {
            let path = "{.metadata.resourceVersion} {.metadata.generation}";
            (kubectl.field("deploy/web", path), kubectl.field("cm/one", path))
        };
        let before = versions();
        assert_eq!(
            kubectl.ok_with("apply -f -", &manifest),
            "deployment.apps/web unchanged\nconfigmap/one unchanged"
        );
        assert_eq!(versions(), before, "kubectl {}", kubectl.version());
    }
}

#[test]
fn objects_of_many_groups_are_applied_listed_and_deleted() {
    for kubectl in Scope::of_each("groups") {
        let manifest = MANY_GROUPS.replace("CLUSTER-WIDE", kubectl.namespace());
        let created = kubectl.ok_with("apply -f -", &manifest);
        assert_eq!(created.matches(" created").count(), 7, "{created}");
        let again = kubectl.ok_with("apply -f -", &manifest);
        assert_eq!(again.matches(" unchanged").count(), 7, "{again}");

        let row = |line: &str| {
            let table = kubectl.ok(&format!("get {line} --no-headers"));
            table.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(row("pod one").get(..4), Some(&["one", "0/1", "Pending", "0"].map(String::from)[..]));
        assert_eq!(row("cj one").get(1..6).map(|cells| cells.join(" ")), Some("* * * * *".to_owned()));
        assert_eq!(row("hpa one").get(1).map(String::as_str), Some("Deployment/web"));
        // One object, two versions.
        let older = kubectl.ok(
            "get horizontalpodautoscalers.v1.autoscaling one -o jsonpath='{.apiVersion} {.spec.maxReplicas}'",
        );
        assert_eq!(older, "autoscaling/v1 3");
        let node = format!("node/{}", kubectl.namespace());
        assert_eq!(kubectl.field(&node, "{.metadata.name}{.metadata.namespace}"), kubectl.namespace());

        assert!(kubectl.ok("describe pod one").contains("example.com/one:1"));
        kubectl.ok_with("delete -f -", &manifest);
        assert_eq!(kubectl.ok("get pod,svc,hpa,cj,lease -o name"), "");
    }
}

#[test]
fn an_apply_removes_what_left_the_manifest_and_keeps_what_others_set() {
    for kubectl in Scope::of_each("three-way") {
        kubectl.ok_with("apply -f -", &config_map("one", &[("mine", "1"), ("gone", "2")]));
        kubectl.ok(r#"patch cm one -p '{"data":{"theirs":"3"}}'"#);
        let said = kubectl.ok_with("apply -f -", &config_map("one", &[("mine", "4")]));
        assert_eq!(said, "configmap/one configured");
        assert_eq!(kubectl.field("cm/one", "{.data}"), r#"{"mine":"4","theirs":"3"}"#);

        kubectl.ok_with("apply -f -", &deployment("web", 1, "i:1"));
        let side = r#"{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"s:1"}]}}}}"#;
        kubectl.ok(&format!("patch deploy web -p '{side}'"));
        kubectl.ok_with("apply -f -", &deployment("web", 1, "i:2"));
        let containers =
            kubectl.field("deploy/web", r"{range .spec.template.spec.containers[*]}{.name}={.image} {end}");
        let mut containers: Vec<_> = containers.split_whitespace().collect();
        containers.sort_unstable();
        assert_eq!(containers, ["main=i:2", "side=s:1"]);
    }
}

#[test]
fn an_apply_of_an_object_created_without_it_adds_the_annotation() {
    let kubectl = Scope::of_newest("adopted");
    kubectl.ok_with("create -f -", &config_map("one", &[("k", "1")]));
    let output = kubectl.ok_with("apply -f -", &config_map("one", &[("k", "2")]));
    assert_eq!(output, "configmap/one configured");
    let annotation = r"{.metadata.annotations.kubectl\.kubernetes\.io/last-applied-configuration}";
    assert!(kubectl.field("cm/one", annotation).contains(r#""data":{"k":"2"}"#));
    let last = kubectl.ok("apply view-last-applied cm/one -o json");
    assert!(last.contains("\"k\": \"2\""), "{last}");
}

#[test]
fn diff_tells_by_its_status_whether_there_is_a_difference() {
    for kubectl in Scope::of_each("diff") {
        let diff = |manifest: &str| {
            let words = ["diff", "-f", "-", "-n", kubectl.namespace()];
            kubectl.kubectl().run_with_input(words, manifest).unwrap_or_else(|error| panic!("{error}"))
        };
        let new = diff(&config_map("one", &[("k", "v")]));
        assert_eq!(new.status.code(), Some(1), "{new:#?}");

        kubectl.ok_with("apply -f -", &config_map("one", &[("k", "v")]));
        let version = kubectl.field("cm/one", "{.metadata.resourceVersion}");
        let same = diff(&config_map("one", &[("k", "v")]));
        assert_eq!((same.status.code(), same.stdout.as_str()), (Some(0), ""), "{same:#?}");

        let changed = diff(&config_map("one", &[("k", "w")]));
        assert_eq!(changed.status.code(), Some(1), "{changed:#?}");
        assert!(changed.stdout.contains("\n-  k: v\n+  k: w\n"), "{}", changed.stdout);
        assert_eq!(kubectl.field("cm/one", "{.metadata.resourceVersion}"), version, "diff is a dry run");
    }
}

#[test]
fn an_apply_of_a_dry_run_tells_what_would_happen() {
    let kubectl = Scope::of_newest("would");
    let manifest = config_map("one", &[("k", "v")]);
    assert_eq!(
        kubectl.ok_with("apply -f - --dry-run=server", &manifest),
        "configmap/one created (server dry run)"
    );
    kubectl.ok_with("apply -f -", &manifest);
    assert_eq!(
        kubectl.ok_with("apply -f - --dry-run=server", &manifest),
        "configmap/one unchanged (server dry run)"
    );
}

#[test]
fn an_apply_deletes_nothing_that_it_does_not_name() {
    let kubectl = Scope::of_newest("no-prune");
    kubectl.ok_with("apply -f -", &together(&[config_map("one", &[]), config_map("two", &[])]));
    kubectl.ok_with("apply -f -", &config_map("one", &[("k", "v")]));
    assert_eq!(kubectl.ok("get cm -o name"), "configmap/one\nconfigmap/two");
}

/// Until there is server-side apply, kubectl must say that it is this that is missing.
#[test]
fn server_side_apply_is_refused_by_name() {
    for kubectl in Scope::of_each("server-side") {
        let error = kubectl.fails_with("apply --server-side -f -", &config_map("one", &[]));
        assert!(error.starts_with("error: Server-side apply not available on the server"), "{error}");
        assert_eq!(kubectl.ok("get cm -o name"), "");
    }
}
