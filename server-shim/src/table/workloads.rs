//! The tables of the group `apps`, and of replication controllers.

use super::Table;
use super::age;
use super::column::{AGE, CONTAINERS, Column, IMAGES, NAME, SELECTOR};
use super::fields::Fields;
use super::format::{NONE, containers, labels, selector};

const TEMPLATE_CONTAINERS: &str = "spec.template.spec.containers";

pub(super) static DEPLOYMENTS: Table = Table {
    columns: &[
        NAME,
        Column::text("Ready", "Pods that are ready, of those desired."),
        Column::text("Up-to-date", "Pods of the current template."),
        Column::text("Available", "Pods that have been ready for long enough."),
        AGE,
        CONTAINERS.wide(),
        IMAGES.wide(),
        SELECTOR.wide(),
    ],
    cells: |deployment, now| {
        let status = deployment.get("status");
        let [names, images] = containers(deployment.at(TEMPLATE_CONTAINERS));
        cells![
            deployment.name(),
            format!("{}/{}", status.get("readyReplicas").number(), desired(deployment)),
            status.get("updatedReplicas").number(),
            status.get("availableReplicas").number(),
            age::since(deployment.created(), now),
            names,
            images,
            selector(deployment.at("spec.selector")),
        ]
    },
};

pub(super) static REPLICA_SETS: Table = Table {
    columns: REPLICA_COLUMNS,
    cells: |set, now| replica_cells(set, selector(set.at("spec.selector")), now),
};

pub(super) static REPLICATION_CONTROLLERS: Table = Table {
    columns: REPLICA_COLUMNS,
    cells: |controller, now| replica_cells(controller, labels(controller.at("spec.selector")), now),
};

/// The columns of what keeps a number of equal pods.
const REPLICA_COLUMNS: &[Column] = &[
    NAME,
    Column::integer("Desired", "Pods that should exist."),
    Column::integer("Current", "Pods that exist."),
    Column::integer("Ready", "Pods that are ready."),
    AGE,
    CONTAINERS.wide(),
    IMAGES.wide(),
    SELECTOR.wide(),
];

pub(super) static DAEMON_SETS: Table = Table {
    columns: &[
        NAME,
        Column::integer("Desired", "Nodes that should run the pod."),
        Column::integer("Current", "Nodes that run it."),
        Column::integer("Ready", "Nodes where it is ready."),
        Column::integer("Up-to-date", "Nodes where it is of the current template."),
        Column::integer("Available", "Nodes where it has been ready for long enough."),
        Column::text("Node Selector", "Labels of the nodes that run it."),
        AGE,
        CONTAINERS.wide(),
        IMAGES.wide(),
        SELECTOR.wide(),
    ],
    cells: |set, now| {
        let status = set.get("status");
        let [names, images] = containers(set.at(TEMPLATE_CONTAINERS));
        cells![
            set.name(),
            status.get("desiredNumberScheduled").number(),
            status.get("currentNumberScheduled").number(),
            status.get("numberReady").number(),
            status.get("updatedNumberScheduled").number(),
            status.get("numberAvailable").number(),
            labels(set.at("spec.template.spec.nodeSelector")),
            age::since(set.created(), now),
            names,
            images,
            selector(set.at("spec.selector")),
        ]
    },
};

pub(super) static STATEFUL_SETS: Table = Table {
    columns: &[
        NAME,
        Column::text("Ready", "Pods that are ready, of those desired."),
        AGE,
        CONTAINERS.wide(),
        IMAGES.wide(),
    ],
    cells: |set, now| {
        let [names, images] = containers(set.at(TEMPLATE_CONTAINERS));
        cells![
            set.name(),
            format!("{}/{}", set.at("status.readyReplicas").number(), desired(set)),
            age::since(set.created(), now),
            names,
            images,
        ]
    },
};

pub(super) static CONTROLLER_REVISIONS: Table = Table {
    columns: &[
        NAME,
        Column::text("Controller", "Object whose history this is."),
        Column::text("Revision", "Number in that history."),
        AGE,
    ],
    cells: |revision, now| {
        cells![
            revision.name(),
            controller(revision),
            revision.get("revision").number(),
            age::since(revision.created(), now),
        ]
    },
};

fn replica_cells(object: Fields<'_>, selector: String, now: jiff::Timestamp) -> Vec<serde_json::Value> {
    let status = object.get("status");
    let [names, images] = containers(object.at(TEMPLATE_CONTAINERS));
    cells![
        object.name(),
        desired(object),
        status.get("replicas").number(),
        status.get("readyReplicas").number(),
        age::since(object.created(), now),
        names,
        images,
        selector,
    ]
}

/// The pods that should exist: one, where the client has not said how many.
fn desired(object: Fields<'_>) -> i64 {
    object.at("spec.replicas").number_or(1)
}

/// The owner that controls the object, as `kind.group/name`.
fn controller(object: Fields<'_>) -> String {
    let mut owners = object.at("metadata.ownerReferences").items();
    let Some(owner) = owners.find(|owner| owner.get("controller").flag() == Some(true)) else {
        return NONE.to_owned();
    };
    let group = owner.get("apiVersion").text().rsplit_once('/').map(|(group, _)| format!(".{group}"));
    let kind = format!("{}{}", owner.get("kind").text(), group.unwrap_or_default());
    format!("{}/{}", kind.to_lowercase(), owner.get("name").text())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::row;
    use super::*;

    fn spec(replicas: &Value) -> Value {
        json!({
            "replicas": replicas,
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"spec": {"containers": [{"name": "c", "image": "i"}, {"name": "d", "image": "j"}]}},
        })
    }

    #[test]
    fn a_new_deployment_has_nothing_yet() {
        let deployment = json!({"spec": spec(&Value::Null), "status": {}});
        assert_eq!(row(&DEPLOYMENTS, deployment), json!(["a", "0/1", 0, 0, "42m", "c,d", "i,j", "a=b"]));
    }

    #[test]
    fn a_deployment_counts_its_pods() {
        let deployment = json!({
            "spec": spec(&json!(5)),
            "status": {"readyReplicas": 3, "updatedReplicas": 4, "availableReplicas": 2, "replicas": 6},
        });
        assert_eq!(row(&DEPLOYMENTS, deployment), json!(["a", "3/5", 4, 2, "42m", "c,d", "i,j", "a=b"]));
        assert_eq!(row(&DEPLOYMENTS, json!({"spec": {"replicas": 0}}))[1], "0/0");
    }

    #[test]
    fn sets_of_replicas_count_desired_current_and_ready() {
        let status = json!({"replicas": 2, "readyReplicas": 1});
        let set = json!({"spec": spec(&json!(3)), "status": status});
        assert_eq!(row(&REPLICA_SETS, set), json!(["a", 3, 2, 1, "42m", "c,d", "i,j", "a=b"]));
        let mut controller = json!({"spec": spec(&json!(3)), "status": status});
        controller["spec"]["selector"] = json!({"y": "2", "x": "1"});
        assert_eq!(
            row(&REPLICATION_CONTROLLERS, controller),
            json!(["a", 3, 2, 1, "42m", "c,d", "i,j", "x=1,y=2"])
        );
    }

    #[test]
    fn a_daemon_set_counts_nodes() {
        let mut set = json!({
            "spec": spec(&Value::Null),
            "status": {"desiredNumberScheduled": 5, "currentNumberScheduled": 4, "numberReady": 3,
                       "updatedNumberScheduled": 2, "numberAvailable": 1},
        });
        assert_eq!(
            row(&DAEMON_SETS, set.clone()),
            json!(["a", 5, 4, 3, 2, 1, "<none>", "42m", "c,d", "i,j", "a=b"])
        );
        set["spec"]["template"]["spec"]["nodeSelector"] = json!({"disk": "ssd"});
        assert_eq!(row(&DAEMON_SETS, set)[6], "disk=ssd");
    }

    #[test]
    fn a_stateful_set_counts_ready_pods() {
        let set = json!({"spec": spec(&json!(3)), "status": {"readyReplicas": 2}});
        assert_eq!(row(&STATEFUL_SETS, set), json!(["a", "2/3", "42m", "c,d", "i,j"]));
    }

    #[test]
    fn a_revision_names_its_controller() {
        let owners = json!([
            {"apiVersion": "v1", "kind": "Pod", "name": "p"},
            {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "ds", "controller": true},
        ]);
        let revision = json!({"metadata": {"name": "r", "ownerReferences": owners}, "revision": 7});
        assert_eq!(row(&CONTROLLER_REVISIONS, revision), json!(["r", "daemonset.apps/ds", 7, "<unknown>"]));
        assert_eq!(row(&CONTROLLER_REVISIONS, json!({})), json!(["a", "<none>", 0, "42m"]));
    }
}
