//! The tables of pods and pod templates.

use super::Table;
use super::age;
use super::column::{AGE, CONTAINERS, Column, IMAGES, NAME};
use super::fields::Fields;
use super::format::{NONE, containers, labels};
use super::pod_status::PodStatus;

pub(super) static PODS: Table = Table {
    columns: &[
        NAME,
        Column::text("Ready", "Containers that are ready, of all."),
        Column::text("Status", "What the pod does, or what holds it up."),
        Column::text("Restarts", "Restarts of containers, and the age of the last one."),
        AGE,
        Column::text("IP", "First address.").wide(),
        Column::text("Node", "Node that runs the pod.").wide(),
        Column::text("Nominated Node", "Node that is being cleared for the pod.").wide(),
        Column::text("Readiness Gates", "Gates that are passed, of all.").wide(),
    ],
    cells: |pod, now| {
        let status = PodStatus::of(pod);
        cells![
            pod.name(),
            format!("{}/{}", status.ready, status.total),
            status.text,
            restarts(status.restarts, status.last_restart, now),
            age::since(pod.created(), now),
            address(pod),
            pod.at("spec.nodeName").text_or(NONE),
            pod.at("status.nominatedNodeName").text_or(NONE),
            readiness_gates(pod),
        ]
    },
};

pub(super) static POD_TEMPLATES: Table = Table {
    columns: &[NAME, CONTAINERS, IMAGES, Column::text("Pod Labels", "Labels of its pods.")],
    cells: |object, _| {
        let [names, images] = containers(object.at("template.spec.containers"));
        cells![object.name(), names, images, labels(object.at("template.metadata.labels"))]
    },
};

fn restarts(count: i64, last: Option<jiff::Timestamp>, now: jiff::Timestamp) -> String {
    match last {
        Some(last) if count != 0 => format!("{count} ({} ago)", age::between(last, now)),
        _ => count.to_string(),
    }
}

fn address(pod: Fields<'_>) -> &str {
    let first = pod.at("status.podIPs").items().next().map_or("", |address| address.get("ip").text());
    if first.is_empty() { pod.at("status.podIP").text_or(NONE) } else { first }
}

fn readiness_gates(pod: Fields<'_>) -> String {
    let gates = pod.at("spec.readinessGates").items();
    let total = gates.len();
    if total == 0 {
        return NONE.to_owned();
    }
    let passed = gates.filter(|gate| pod.condition(gate.get("conditionType").text()) == Some("True")).count();
    format!("{passed}/{total}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::row;
    use super::*;

    #[test]
    fn a_pod_that_crashes_tells_when_it_last_did() {
        let pod = json!({
            "metadata": {"name": "pp", "creationTimestamp": "2026-11-21T22:50:29Z"},
            "spec": {"containers": [{"name": "a"}, {"name": "b"}]},
            "status": {"phase": "Running", "podIP": "10.1.1.1", "podIPs": [{"ip": "10.1.1.1"}], "containerStatuses": [
                {"name": "a", "ready": true, "state": {"running": {}}},
                {"name": "b", "restartCount": 2, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                 "lastState": {"terminated": {"exitCode": 1, "finishedAt": "2026-11-21T22:08:29Z"}}},
            ]},
        });
        assert_eq!(
            row(&PODS, pod),
            json!([
                "pp",
                "1/2",
                "CrashLoopBackOff",
                "2 (42m ago)",
                "0s",
                "10.1.1.1",
                "<none>",
                "<none>",
                "<none>"
            ])
        );
    }

    #[test]
    fn a_pod_that_nobody_has_seen_shows_what_its_spec_says() {
        let pod = json!({
            "spec": {"containers": [{"name": "a"}], "nodeName": "n1", "readinessGates": [
                {"conditionType": "g1"}, {"conditionType": "g2"}, {"conditionType": "g3"},
            ]},
            "status": {"phase": "Pending", "nominatedNodeName": "n2", "podIP": "10.1.1.2", "conditions": [
                {"type": "g1", "status": "True"}, {"type": "g2", "status": "False"},
            ]},
        });
        assert_eq!(
            row(&PODS, pod),
            json!(["a", "0/1", "Pending", "0", "42m", "10.1.1.2", "n1", "n2", "1/3"])
        );
    }

    #[test]
    fn a_template_shows_the_pods_that_it_makes() {
        let template = json!({"template": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "c", "image": "i"}, {"name": "d", "image": "j:2"}]},
        }});
        assert_eq!(row(&POD_TEMPLATES, template), json!(["a", "c,d", "i,j:2", "a=b"]));
    }
}
