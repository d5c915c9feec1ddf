//! Reading with real kubectls: one object, lists in all formats, selectors, pages, and what the server
//! tells about itself.

use watchkeep_tests::fixture::{config_map, config_map_with, deployment, namespace, together};
use watchkeep_tests::scope::Scope;

/// The cells of a table's lines.
fn cells(table: &str) -> Vec<Vec<&str>> {
    table.lines().map(|line| line.split_whitespace().collect()).collect()
}

#[test]
fn one_object_is_read_in_every_format() {
    for kubectl in Scope::of_each("formats") {
        kubectl.ok_with("create -f -", &config_map_with("name: one, labels: {app: a}", &[("k", "v")]));

        let table = kubectl.ok("get configmap one");
        let [header, row] = &cells(&table)[..] else { panic!("{table}") };
        assert_eq!(header[..], ["NAME", "DATA", "AGE"]);
        assert_eq!(row[..2], ["one", "1"]);

        assert_eq!(kubectl.ok("get cm one -o name"), "configmap/one");
        assert_eq!(kubectl.ok("get cm one -o jsonpath='{.data.k} {.metadata.labels.app}'"), "v a");
        let json = kubectl.ok("get cm one -o json");
        assert!(json.contains("\"kind\": \"ConfigMap\"") && json.contains("\"k\": \"v\""), "{json}");
        let yaml = kubectl.ok("get cm one -o yaml");
        assert!(yaml.starts_with("apiVersion: v1\ndata:\n  k: v\nkind: ConfigMap\n"), "{yaml}");
        let raw = kubectl.ok(&format!("get --raw /api/v1/namespaces/{}/configmaps/one", kubectl.namespace()));
        assert!(raw.starts_with("{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\","), "{raw}");
    }
}

#[test]
fn a_list_has_what_the_selectors_select_in_the_order_of_names() {
    for kubectl in Scope::of_each("selectors") {
        let maps = [
            config_map_with("name: c, labels: {app: web, tier: front}", &[]),
            config_map_with("name: a, labels: {app: web}", &[]),
            config_map_with("name: b, labels: {app: db}", &[]),
            config_map("d", &[]),
        ];
        kubectl.ok_with("create -f -", &together(&maps));
        let names = |selector: &str| {
            kubectl.ok(&format!("get cm {selector} -o jsonpath='{{.items[*].metadata.name}}'"))
        };
        for (selector, expected) in [
            ("", "a b c d"),
            ("-l app=web", "a c"),
            ("-l app!=web", "b d"),
            ("-l app=web,tier", "c"),
            ("-l '!app'", "d"),
            ("-l 'app in (db, other)'", "b"),
            ("-l 'app notin (web)'", "b d"),
            ("-l app=nothing", ""),
            ("--field-selector metadata.name=b", "b"),
            ("--field-selector metadata.name!=b", "a c d"),
            ("-l app=web --field-selector metadata.name=a", "a"),
        ] {
            assert_eq!(names(selector), expected, "{selector}, kubectl {}", kubectl.version());
        }
    }
}

#[test]
fn all_namespaces_are_listed_with_their_names() {
    let kubectl = Scope::of_newest("everywhere");
    kubectl.ok_with("create -f -", &config_map_with("name: here, labels: {test: everywhere}", &[]));
    kubectl.ok_with("create -f -", &namespace("everywhere-else"));
    let there = kubectl.kubectl().run_with_input(
        ["create", "-n", "everywhere-else", "-f", "-"],
        &config_map_with("name: there, labels: {test: everywhere}", &[]),
    );
    assert!(there.unwrap().status.success());

    let table = kubectl.ok("get cm -A -l test=everywhere");
    let rows = cells(&table);
    assert_eq!(rows[0], ["NAMESPACE", "NAME", "DATA", "AGE"]);
    let found: Vec<_> = rows[1..].iter().map(|row| (row[0], row[1])).collect();
    assert_eq!(found, [(kubectl.namespace(), "here"), ("everywhere-else", "there")]);
}

#[test]
fn a_list_in_pages_is_the_whole_list() {
    for kubectl in Scope::of_each("pages") {
        let maps: Vec<_> = ["a", "b", "c", "d", "e"].map(|name| config_map(name, &[])).into();
        kubectl.ok_with("create -f -", &together(&maps));
        let output = kubectl.run("get cm --chunk-size=2 -o name -v=6");
        assert_eq!(
            output.stdout, "configmap/a\nconfigmap/b\nconfigmap/c\nconfigmap/d\nconfigmap/e\n",
            "{output:?}"
        );
        let answered = |line: &&str| line.contains("limit=2") && line.contains("200 OK");
        let pages: Vec<_> = output.stderr.lines().filter(answered).collect();
        assert_eq!(pages.len(), 3, "kubectl {}: {pages:#?}", kubectl.version());
        assert!(pages[1].contains("continue="), "{pages:#?}");
    }
}

#[test]
fn a_deployment_has_the_columns_of_its_kind() {
    let kubectl = Scope::of_newest("columns");
    kubectl.ok_with("create -f -", &deployment("web", 2, "example.com/web:1"));

    let narrow = kubectl.ok("get deployments");
    let rows = cells(&narrow);
    assert_eq!(rows[0], ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]);
    assert_eq!(rows[1][..4], ["web", "0/2", "0", "0"]);
    let wide = kubectl.ok("get deployments -o wide");
    let rows = cells(&wide);
    assert_eq!(rows[0][5..], ["CONTAINERS", "IMAGES", "SELECTOR"]);
    assert_eq!(rows[1][5..], ["main", "example.com/web:1", "app=web"]);
    let labelled = kubectl.ok("get deploy web --show-labels -L app --no-headers");
    assert_eq!(cells(&labelled)[0][5..], ["web", "app=web"]);

    // The category `all`: ten lists, one of which has something.
    assert_eq!(kubectl.ok("get all -o name"), "deployment.apps/web");
}

#[test]
fn several_kinds_are_read_at_once_and_sorted_by_kubectl() {
    let kubectl = Scope::of_newest("several");
    let objects =
        [config_map("b", &[("n", "1")]), config_map("a", &[("n", "2")]), deployment("web", 1, "i:1")];
    kubectl.ok_with("create -f -", &together(&objects));
    assert_eq!(kubectl.ok("get cm,deploy -o name"), "configmap/a\nconfigmap/b\ndeployment.apps/web");
    assert_eq!(kubectl.ok("get cm/b deploy/web -o name"), "configmap/b\ndeployment.apps/web");
    assert_eq!(kubectl.ok("get cm --sort-by='{.data.n}' -o name"), "configmap/b\nconfigmap/a");
}

#[test]
fn an_empty_list_says_so_and_succeeds() {
    let kubectl = Scope::of_newest("empty");
    let output = kubectl.run("get pods");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stderr.trim_end(), format!("No resources found in {} namespace.", kubectl.namespace()));
}

#[test]
fn describe_shows_an_object_and_that_it_has_no_events() {
    for kubectl in Scope::of_each("describe") {
        kubectl.ok_with("create -f -", &deployment("web", 2, "example.com/web:1"));
        let text = kubectl.ok("describe deployment web");
        for expected in ["Name:", "Replicas:", "2 desired", "example.com/web:1", "Events:"] {
            assert!(text.contains(expected), "{expected} is not in {text}");
        }
        let events = text.lines().find(|line| line.starts_with("Events:")).unwrap();
        assert!(events.ends_with("<none>"), "{events}");
    }
}

#[test]
fn the_server_tells_its_version_and_what_it_serves() {
    for kubectl in Scope::of_each("discovery") {
        let version = kubectl.ok("version -o json");
        assert!(version.contains("\"serverVersion\"") && version.contains("+watchkeep."), "{version}");

        let versions = kubectl.ok("api-versions");
        let versions: Vec<_> = versions.lines().collect();
        for expected in ["v1", "apps/v1", "autoscaling/v2", "coordination.k8s.io/v1", "events.k8s.io/v1"] {
            assert!(versions.contains(&expected), "{expected} is not in {versions:?}");
        }

        let table = kubectl.ok("api-resources --no-headers --sort-by=name");
        let rows = cells(&table);
        assert!(rows.contains(&vec!["configmaps", "cm", "v1", "true", "ConfigMap"]), "{table}");
        assert!(rows.contains(&vec!["deployments", "deploy", "apps/v1", "true", "Deployment"]), "{table}");
        assert!(rows.contains(&vec!["namespaces", "ns", "v1", "false", "Namespace"]), "{table}");
    }
}

#[test]
fn the_server_has_the_namespaces_and_the_service_of_every_cluster() {
    let kubectl = Scope::of_newest("bootstrap");
    let names = kubectl.ok("get namespaces default kube-system kube-public kube-node-lease -o name");
    assert_eq!(names.lines().count(), 4, "{names}");
    let service = kubectl.ok("get --raw /api/v1/namespaces/default/services/kubernetes");
    assert!(service.contains("\"clusterIP\":\"10.96.0.1\""), "{service}");
    for path in ["/healthz", "/livez", "/readyz"] {
        assert_eq!(kubectl.ok(&format!("get --raw {path}")), "ok");
    }
}
