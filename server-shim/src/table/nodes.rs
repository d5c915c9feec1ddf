//! The tables of nodes, of runtime classes, and of the devices that nodes offer.

use super::Table;
use super::age;
use super::column::{AGE, Column, NAME};
use super::fields::Fields;
use super::format::{NONE, UNKNOWN, UNSET, join_or};

/// Labels that give a node a role by their name.
const ROLE_PREFIX: &str = "node-role.kubernetes.io/";

/// The label that gives a node a role by its value.
const ROLE: &str = "kubernetes.io/role";

pub(super) static NODES: Table = Table {
    columns: &[
        NAME,
        Column::text("Status", "Whether it is ready, and open to new pods."),
        Column::text("Roles", "Roles, from labels."),
        AGE,
        Column::text("Version", "Version of the kubelet."),
        Column::text("Internal-IP", "First address within the cluster.").wide(),
        Column::text("External-IP", "First address from outside.").wide(),
        Column::text("OS-Image", "Operating system, as reported.").wide(),
        Column::text("Kernel-Version", "Kernel, as reported.").wide(),
        Column::text("Container-Runtime", "Container runtime, as reported.").wide(),
    ],
    cells: |node, now| {
        let info = node.at("status.nodeInfo");
        cells![
            node.name(),
            status(node),
            roles(node),
            age::since(node.created(), now),
            info.get("kubeletVersion").text(),
            address(node, "InternalIP"),
            address(node, "ExternalIP"),
            info.get("osImage").text_or(UNKNOWN),
            info.get("kernelVersion").text_or(UNKNOWN),
            info.get("containerRuntimeVersion").text_or(UNKNOWN),
        ]
    },
};

pub(super) static RUNTIME_CLASSES: Table = Table {
    columns: &[NAME, Column::text("Handler", "Configuration of the container runtime."), AGE],
    cells: |class, now| cells![class.name(), class.get("handler").text(), age::since(class.created(), now)],
};

pub(super) static RESOURCE_SLICES: Table = Table {
    columns: &[
        NAME,
        Column::text("Node", "Node that has the devices."),
        Column::text("Driver", "Driver of the devices."),
        Column::text("Pool", "Pool that the slice is a part of."),
        AGE,
    ],
    cells: |slice, now| {
        cells![
            slice.name(),
            slice.at("spec.nodeName").text_or(UNSET),
            slice.at("spec.driver").text(),
            slice.at("spec.pool.name").text(),
            age::since(slice.created(), now),
        ]
    },
};

fn status(node: Fields<'_>) -> String {
    let readiness = match node.condition("Ready") {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    let closed = node.at("spec.unschedulable").flag() == Some(true);
    format!("{readiness}{}", if closed { ",SchedulingDisabled" } else { "" })
}

fn roles(node: Fields<'_>) -> String {
    let labels = node.at("metadata.labels").entries();
    let mut roles: Vec<_> = labels
        .filter_map(
            |(key, value)| if key == ROLE { Some(value.text()) } else { key.strip_prefix(ROLE_PREFIX) },
        )
        .filter(|role| !role.is_empty())
        .map(str::to_owned)
        .collect();
    roles.sort_unstable();
    roles.dedup();
    join_or(&roles, ",", NONE)
}

fn address<'a>(node: Fields<'a>, kind: &str) -> &'a str {
    let address = node.at("status.addresses").item_with("type", kind);
    address.map_or(NONE, |address| address.get("address").text())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::row;
    use super::*;

    #[test]
    fn a_node_that_has_not_reported_is_unknown() {
        let node = json!({
            "metadata": {"name": "n1", "creationTimestamp": "2026-11-21T22:50:29Z",
                         "labels": {"node-role.kubernetes.io/control-plane": ""}},
        });
        assert_eq!(
            row(&NODES, node),
            json!([
                "n1",
                "Unknown",
                "control-plane",
                "0s",
                "",
                "<none>",
                "<none>",
                "<unknown>",
                "<unknown>",
                "<unknown>"
            ])
        );
    }

    #[test]
    fn a_node_shows_what_it_has_reported() {
        let node = json!({
            "metadata": {"name": "n1", "labels": {
                "node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/": "", "kubernetes.io/role": "edge",
            }},
            "spec": {"unschedulable": true},
            "status": {
                "conditions": [{"type": "DiskPressure", "status": "False"}, {"type": "Ready", "status": "True"}],
                "addresses": [
                    {"type": "Hostname", "address": "h"},
                    {"type": "InternalIP", "address": "10.0.0.1"},
                    {"type": "InternalIP", "address": "fd00::1"},
                    {"type": "ExternalIP", "address": "192.0.2.1"},
                ],
                "nodeInfo": {"kubeletVersion": "v1.36.0", "osImage": "Linux", "kernelVersion": "6.1",
                             "containerRuntimeVersion": "containerd://2.0"},
            },
        });
        assert_eq!(
            row(&NODES, node),
            json!([
                "n1",
                "Ready,SchedulingDisabled",
                "edge,worker",
                "<unknown>",
                "v1.36.0",
                "10.0.0.1",
                "192.0.2.1",
                "Linux",
                "6.1",
                "containerd://2.0"
            ])
        );
    }

    #[test]
    fn a_node_whose_readiness_is_not_true_is_not_ready() {
        for readiness in ["False", "Unknown", ""] {
            let node = json!({"status": {"conditions": [{"type": "Ready", "status": readiness}]}});
            assert_eq!(row(&NODES, node)[1], "NotReady", "{readiness}");
        }
    }

    #[test]
    fn classes_and_slices_show_their_main_fields() {
        assert_eq!(row(&RUNTIME_CLASSES, json!({"handler": "runc"})), json!(["a", "runc", "42m"]));
        let slice = json!({"spec": {"nodeName": "n", "driver": "d.example.com", "pool": {"name": "p"}}});
        assert_eq!(row(&RESOURCE_SLICES, slice), json!(["a", "n", "d.example.com", "p", "42m"]));
        assert_eq!(row(&RESOURCE_SLICES, json!({})), json!(["a", "<unset>", "", "", "42m"]));
    }
}
