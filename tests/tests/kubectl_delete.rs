//! Deleting with real kubectls: one object, many, held objects, and namespaces with all they hold.

use watchkeep_tests::fixture::{config_map, config_map_with, deployment, namespace, together};
use watchkeep_tests::scope::Scope;

#[test]
fn a_deleted_object_is_gone() {
    for kubectl in Scope::of_each("delete") {
        let manifest = together(&[config_map("one", &[]), deployment("web", 1, "i:1")]);
        kubectl.ok_with("create -f -", &manifest);
        // Newer kubectls add the namespace.
        assert!(kubectl.ok("delete cm one").starts_with("configmap \"one\" deleted"));
        assert!(kubectl.fails("get cm one").contains("(NotFound)"));
        assert!(kubectl.fails("delete cm one").contains("(NotFound)"));
        assert_eq!(kubectl.ok("delete cm one --ignore-not-found"), "");

        kubectl.ok_with("delete --ignore-not-found -f -", &manifest);
        assert_eq!(kubectl.ok("get cm,deploy -o name"), "");
    }
}

#[test]
fn many_are_deleted_by_label_and_all_at_once() {
    for kubectl in Scope::of_each("many") {
        let maps = [
            config_map_with("name: a, labels: {app: web}", &[]),
            config_map_with("name: b, labels: {app: web}", &[]),
            config_map_with("name: c, labels: {app: db}", &[]),
            config_map("d", &[]),
        ];
        kubectl.ok_with("create -f -", &together(&maps));
        assert_eq!(kubectl.ok("delete cm -l app=web").lines().count(), 2);
        assert_eq!(kubectl.ok("get cm -o name"), "configmap/c\nconfigmap/d");
        assert_eq!(kubectl.ok("delete cm --field-selector metadata.name=c -o name"), "configmap/c");
        kubectl.ok_with("create -f -", &config_map("e", &[]));
        assert_eq!(kubectl.ok("delete cm --all").lines().count(), 2);
        assert_eq!(kubectl.ok("get cm -o name"), "");
    }
}

#[test]
fn a_finalizer_holds_an_object_until_it_is_removed() {
    for kubectl in Scope::of_each("held") {
        let held = config_map_with("name: one, finalizers: [example.com/hold]", &[]);
        kubectl.ok_with("create -f -", &held);
        let deleting = kubectl.start("delete cm one --timeout=60s");
        let waiting = kubectl.start("wait --for=delete cm/one --timeout=60s");
        assert!(deleting.next_line().unwrap().starts_with("configmap \"one\" deleted"));
        assert_ne!(kubectl.field("cm/one", "{.metadata.deletionTimestamp}"), "");

        let more = kubectl
            .fails(r#"patch cm one --type=merge -p '{"metadata":{"finalizers":["example.com/hold","example.com/more"]}}'"#);
        assert!(more.contains("no new finalizers can be added if the object is being deleted"), "{more}");
        let again = kubectl.fails_with("create -f -", &held);
        assert!(again.contains(r#"object is being deleted: configmaps "one" already exists"#), "{again}");

        kubectl.ok(r#"patch cm one --type=merge -p '{"metadata":{"finalizers":null}}'"#);
        assert!(deleting.finish().unwrap().status.success());
        let waited = waiting.finish().unwrap();
        assert!(waited.status.success(), "{waited:#?}");
        assert!(kubectl.fails("get cm one").contains("(NotFound)"));
    }
}

#[test]
fn waiting_for_the_deletion_of_what_is_not_there_ends_at_once() {
    let kubectl = Scope::of_newest("absent");
    kubectl.ok("wait --for=delete cm/one --timeout=30s");
}

#[test]
fn a_namespace_goes_with_all_it_holds() {
    for kubectl in Scope::of_each("content") {
        let doomed = format!("doomed-{}", kubectl.version().minor);
        kubectl.ok_with("create -f -", &namespace(&doomed));
        let status = "jsonpath={.status.phase}{.spec.finalizers}{.metadata.labels}";
        assert_eq!(
            kubectl.ok(&format!("get ns {doomed} -o {status}")),
            format!(r#"Active["kubernetes"]{{"kubernetes.io/metadata.name":"{doomed}"}}"#)
        );
        let create = |manifest: &str| {
            let words = ["create", "-n", &doomed, "-f", "-"];
            kubectl.kubectl().run_with_input(words, manifest).unwrap()
        };
        let content = together(&[config_map("one", &[]), deployment("web", 1, "i:1")]);
        assert!(create(&content).status.success());

        kubectl.ok(&format!("delete ns {doomed} --timeout=60s"));
        assert!(kubectl.fails(&format!("get ns {doomed}")).contains("(NotFound)"));
        let path = format!("/api/v1/namespaces/{doomed}/configmaps");
        assert!(kubectl.ok(&format!("get --raw {path}")).contains(r#""items":[]"#));

        // A new one of that name is empty.
        kubectl.ok_with("create -f -", &namespace(&doomed));
        assert!(create(&config_map("two", &[])).status.success());
        assert!(kubectl.ok(&format!("get --raw {path}")).contains(r#""name":"two""#));
    }
}

#[test]
fn a_namespace_that_ends_takes_nothing_new_and_waits_for_what_is_held() {
    let kubectl = Scope::of_newest("ending");
    let kubectl_in = |line: &str, manifest: &str| {
        let words = line.split(' ').chain(["--namespace=ending", "-f", "-"]);
        kubectl.kubectl().run_with_input(words, manifest).unwrap()
    };
    kubectl.ok_with("create -f -", &namespace("ending"));
    let held = config_map_with("name: held, namespace: ending, finalizers: [example.com/hold]", &[]);
    assert!(kubectl_in("create", &held).status.success());
    assert!(kubectl_in("create", &config_map("free", &[])).status.success());

    kubectl.ok("delete ns ending --wait=false");
    assert_eq!(kubectl.ok("get ns ending -o jsonpath={.status.phase}"), "Terminating");
    let refused = kubectl_in("create", &config_map("late", &[])).stderr;
    assert!(
        refused.contains(
            r#"configmaps "late" is forbidden: unable to create new content in namespace ending because it is being terminated"#
        ),
        "{refused}"
    );

    let waiting = kubectl.start("wait --for=delete ns/ending --timeout=60s");
    let merge = r#"{"metadata":{"finalizers":null}}"#;
    let words = ["patch", "cm", "held", "--namespace=ending", "--type=merge", "-p", merge];
    assert!(kubectl.kubectl().run(words).unwrap().status.success());
    let waited = waiting.finish().unwrap();
    assert!(waited.status.success(), "{waited:#?}");
}

#[test]
fn the_namespaces_of_the_cluster_cannot_be_deleted() {
    let kubectl = Scope::of_newest("forbidden");
    for name in ["default", "kube-system", "kube-public"] {
        let error = kubectl.fails(&format!("delete ns {name}"));
        let expected = format!(
            "Error from server (Forbidden): namespaces \"{name}\" is forbidden: this namespace may not be deleted"
        );
        // A line before it says that a namespace is in no namespace.
        assert_eq!(error.lines().last(), Some(expected.as_str()));
        assert_eq!(kubectl.ok(&format!("get ns {name} -o jsonpath={{.status.phase}}")), "Active");
    }
}

#[test]
fn a_foreground_deletion_is_marked_for_a_collector() {
    let kubectl = Scope::of_newest("foreground");
    kubectl.ok_with("create -f -", &deployment("web", 1, "i:1"));
    kubectl.ok("delete deploy web --cascade=foreground --wait=false");
    assert_eq!(kubectl.field("deploy/web", "{.metadata.finalizers}"), r#"["foregroundDeletion"]"#);
    kubectl.ok(r#"patch deploy web --type=merge -p '{"metadata":{"finalizers":null}}'"#);
    assert!(kubectl.fails("get deploy web").contains("(NotFound)"));
}

#[test]
fn a_collection_is_deleted_with_one_request() {
    let kubectl = Scope::of_newest("collection");
    let maps = [config_map_with("name: a, labels: {app: web}", &[]), config_map("b", &[])];
    kubectl.ok_with("create -f -", &together(&maps));
    let path = format!("/api/v1/namespaces/{}/configmaps", kubectl.namespace());
    let deleted = kubectl.ok(&format!("delete --raw {path}?labelSelector=app%3Dweb"));
    assert!(deleted.contains(r#""kind":"ConfigMapList""#) && deleted.contains(r#""name":"a""#), "{deleted}");
    assert_eq!(kubectl.ok("get cm -o name"), "configmap/b");
}
