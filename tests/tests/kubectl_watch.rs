//! `kubectl get --watch` and `kubectl wait`: every change is seen once, in order.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::time::Duration;

use watchkeep_tests::fixture::{config_map, config_map_with, deployment};
use watchkeep_tests::kubectl::Watch;
use watchkeep_tests::scope::Scope;

/// How long a watch is listened to that must not say anything: only a later line could be missed.
const SILENCE: Duration = Duration::from_millis(300);

/// The options that print `TYPE NAME VALUE` for each event, VALUE being the datum `n`.
const EVENTS: &str =
    r#"--watch --output-watch-events -o jsonpath='{.type} {.object.metadata.name} {.object.data.n}{"\n"}'"#;

/// Starts a watch, and returns once it has listed: an object that is there is then its first line.
fn watch(kubectl: &Scope, line: &str, first: &str) -> Watch {
    let watch = kubectl.start(line);
    assert_eq!(watch.next_line().unwrap().trim_end(), first, "{line}");
    watch
}

fn expect(watch: &Watch, lines: &[&str]) {
    for line in lines {
        assert_eq!(watch.next_line().unwrap().trim_end(), *line);
    }
}

#[test]
fn a_watch_sees_added_modified_and_deleted_in_order() {
    for kubectl in Scope::of_each("order") {
        kubectl.ok_with("create -f -", &config_map("marker", &[]));
        let watch = watch(&kubectl, &format!("get cm {EVENTS}"), "ADDED marker");

        kubectl.ok_with("create -f -", &config_map("one", &[("n", "1")]));
        kubectl.ok(r#"patch cm one -p '{"data":{"n":"2"}}'"#);
        kubectl.ok("label cm one a=b");
        kubectl.ok("delete cm one");
        kubectl.ok_with("create -f -", &config_map("one", &[("n", "3")]));
        expect(&watch, &["ADDED one 1", "MODIFIED one 2", "MODIFIED one 2", "DELETED one 2", "ADDED one 3"]);
    }
}

#[test]
fn a_watch_as_a_table_has_one_header_and_a_row_for_each_event() {
    for kubectl in Scope::of_each("table") {
        kubectl.ok_with("create -f -", &config_map("marker", &[]));
        let watch = kubectl.start("get cm --watch --output-watch-events");
        let row = || watch.next_line().unwrap().split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(row(), ["EVENT", "NAME", "DATA", "AGE"]);
        assert_eq!(row().get(..3).unwrap(), ["ADDED", "marker", "0"]);
        kubectl.ok_with("create -f -", &config_map("one", &[("a", "1")]));
        assert_eq!(row().get(..3).unwrap(), ["ADDED", "one", "1"]);
        kubectl.ok(r#"patch cm one -p '{"data":{"b":"2"}}'"#);
        assert_eq!(row().get(..3).unwrap(), ["MODIFIED", "one", "2"]);
        kubectl.ok("delete cm one");
        assert_eq!(row().get(..3).unwrap(), ["DELETED", "one", "2"]);
    }
}

#[test]
fn an_object_that_begins_to_match_is_added_and_one_that_ends_to_match_is_deleted() {
    let kubectl = Scope::of_newest("matching");
    kubectl.ok_with("create -f -", &config_map_with("name: marker, labels: {app: web}", &[]));
    let watch = watch(&kubectl, &format!("get cm -l app=web {EVENTS}"), "ADDED marker");

    kubectl.ok_with("create -f -", &config_map_with("name: one, labels: {app: db}", &[("n", "1")]));
    assert!(watch.is_silent(SILENCE));
    kubectl.ok("label cm one app=web --overwrite");
    kubectl.ok(r#"patch cm one -p '{"data":{"n":"2"}}'"#);
    // The object as it was when it still matched.
    kubectl.ok(r#"patch cm one -p '{"data":{"n":"3"},"metadata":{"labels":{"app":"db"}}}'"#);
    kubectl.ok("delete cm one");
    kubectl.ok("delete cm marker");
    expect(&watch, &["ADDED one 1", "MODIFIED one 2", "DELETED one 2", "DELETED marker"]);
}

#[test]
fn a_watch_of_one_object_is_silent_about_others() {
    let kubectl = Scope::of_newest("single");
    kubectl.ok_with("create -f -", &config_map("one", &[("n", "1")]));
    let by_name = watch(&kubectl, &format!("get cm one {EVENTS}"), "ADDED one 1");
    let by_field =
        watch(&kubectl, &format!("get cm --field-selector metadata.name=one {EVENTS}"), "ADDED one 1");

    kubectl.ok_with("create -f -", &config_map("other", &[("n", "1")]));
    kubectl.ok(r#"patch cm one -p '{"data":{"n":"2"}}'"#);
    kubectl.ok("delete cm one");
    for watch in [by_name, by_field] {
        expect(&watch, &["MODIFIED one 2", "DELETED one 2"]);
        assert!(watch.is_silent(SILENCE));
    }
}

#[test]
fn a_watch_over_all_namespaces_sees_this_one() {
    let kubectl = Scope::of_newest("across");
    kubectl.ok_with("create -f -", &config_map_with("name: marker, labels: {test: across}", &[]));
    let watch = watch(&kubectl, &format!("get cm -A -l test=across {EVENTS}"), "ADDED marker");
    kubectl.ok_with("create -f -", &config_map_with("name: one, labels: {test: across}", &[("n", "1")]));
    expect(&watch, &["ADDED one 1"]);
}

#[test]
fn a_write_that_changes_nothing_is_no_event() {
    let kubectl = Scope::of_newest("nothing");
    kubectl.ok_with("create -f -", &config_map("one", &[("n", "1")]));
    let watch = watch(&kubectl, &format!("get cm {EVENTS}"), "ADDED one 1");
    kubectl.ok(r#"patch cm one -p '{"data":{"n":"1"}}'"#);
    kubectl.ok_with("replace -f -", &config_map("one", &[("n", "1")]));
    kubectl.ok(r#"patch cm one --dry-run=server -p '{"data":{"n":"7"}}'"#);
    kubectl.ok(r#"patch cm one -p '{"data":{"n":"2"}}'"#);
    expect(&watch, &["MODIFIED one 2"]);
}

#[test]
fn wait_ends_when_the_condition_is_met() {
    for kubectl in Scope::of_each("wait") {
        kubectl.ok_with("create -f -", &config_map("one", &[("n", "1")]));
        let met = "configmap/one condition met";
        assert_eq!(kubectl.ok("wait cm/one --for=jsonpath='{.data.n}'=1 --timeout=30s"), met);

        let waiting = kubectl.start("wait cm/one --for=jsonpath='{.data.n}'=2 --timeout=60s");
        assert!(waiting.is_silent(SILENCE));
        kubectl.ok(r#"patch cm one -p '{"data":{"n":"2"}}'"#);
        assert_eq!(waiting.next_line().unwrap(), met);
        assert!(waiting.finish().unwrap().status.success());

        let late = kubectl.fails("wait cm/one --for=jsonpath='{.data.n}'=3 --timeout=1s");
        assert_eq!(late, "error: timed out waiting for the condition on configmaps/one");
    }
}

#[test]
fn rollout_status_gives_up_after_its_time_without_a_controller() {
    for kubectl in Scope::of_each("rollout") {
        kubectl.ok_with("create -f -", &deployment("web", 1, "i:1"));
        let error = kubectl.fails("rollout status deployment/web --timeout=1s");
        assert!(error.contains("timed out waiting for the condition"), "{error}");
    }
}

#[test]
fn rollout_status_ends_when_the_status_says_so() {
    let kubectl = Scope::of_newest("rolled-out");
    kubectl.ok_with("create -f -", &deployment("web", 1, "i:1"));
    let waiting = kubectl.start("rollout status deployment/web --timeout=60s");
    assert!(waiting.next_line().unwrap().starts_with("Waiting for deployment"));
    kubectl.ok(
        r#"patch deployment web --subresource=status --type=merge -p '{"status":{"observedGeneration":1,"replicas":1,"updatedReplicas":1,"readyReplicas":1,"availableReplicas":1}}'"#,
    );
    assert_eq!(waiting.next_line().unwrap(), "deployment \"web\" successfully rolled out");
    assert!(waiting.finish().unwrap().status.success());
}
