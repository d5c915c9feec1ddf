//! The tables of volumes and claims, and of the group `storage.k8s.io`.

use super::Table;
use super::age;
use super::column::{AGE, Column, NAME};
use super::fields::Fields;
use super::format::{UNSET, count};

/// How an earlier API named the class of a volume or claim.
const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";

/// The annotations by which a class is the default one.
const DEFAULT_ANNOTATIONS: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];

/// The access modes in the order of the output, with their abbreviations.
const ACCESS_MODES: [(&str, &str); 4] = [
    ("ReadWriteOnce", "RWO"),
    ("ReadOnlyMany", "ROX"),
    ("ReadWriteMany", "RWX"),
    ("ReadWriteOncePod", "RWOP"),
];

pub(super) fn table(plural: &str) -> Option<&'static Table> {
    Some(match plural {
        "csidrivers" => &DRIVERS,
        "csinodes" => &DRIVER_NODES,
        "storageclasses" => &CLASSES,
        "volumeattachments" => &ATTACHMENTS,
        "volumeattributesclasses" => &ATTRIBUTES_CLASSES,
        _ => return None,
    })
}

const CAPACITY: Column = Column::text("Capacity", "Size.");
const ACCESS: Column = Column::text("Access Modes", "Who may mount it, abbreviated.");
const CLASS: Column = Column::text("StorageClass", "Storage class.");
const ATTRIBUTES_CLASS: Column =
    Column::text("VolumeAttributesClass", "Class of attributes that can change.");
const VOLUME_MODE: Column =
    Column::text("VolumeMode", "Whether it is a file system or a block device.").wide();

pub(super) static CLAIMS: Table = Table {
    columns: &[
        NAME,
        Column::text("Status", "Whether it has a volume."),
        Column::text("Volume", "Volume that it has."),
        CAPACITY,
        ACCESS,
        CLASS,
        ATTRIBUTES_CLASS,
        AGE,
        VOLUME_MODE,
    ],
    cells: |claim, now| {
        let volume = claim.at("spec.volumeName").text();
        let status = claim.get("status");
        // What a claim asks for is not what it has got.
        let [capacity, modes] = if volume.is_empty() {
            [String::new(), String::new()]
        } else {
            [size(status), access_modes(status)]
        };
        cells![
            claim.name(),
            phase(claim),
            volume,
            capacity,
            modes,
            class(claim),
            claim.at("spec.volumeAttributesClassName").text_or(UNSET),
            age::since(claim.created(), now),
            claim.at("spec.volumeMode").text_or(UNSET),
        ]
    },
};

pub(super) static VOLUMES: Table = Table {
    columns: &[
        NAME,
        CAPACITY,
        ACCESS,
        Column::text("Reclaim Policy", "What happens when its claim goes."),
        Column::text("Status", "Whether it has a claim."),
        Column::text("Claim", "Claim that has it."),
        CLASS,
        ATTRIBUTES_CLASS,
        Column::text("Reason", "Why it is in that status."),
        AGE,
        VOLUME_MODE,
    ],
    cells: |volume, now| {
        let spec = volume.get("spec");
        cells![
            volume.name(),
            size(spec),
            access_modes(spec),
            spec.get("persistentVolumeReclaimPolicy").text(),
            phase(volume),
            claim(spec.get("claimRef")),
            class(volume),
            spec.get("volumeAttributesClassName").text_or(UNSET),
            volume.at("status.reason").text(),
            age::since(volume.created(), now),
            spec.get("volumeMode").text_or(UNSET),
        ]
    },
};

static CLASSES: Table = Table {
    columns: &[
        NAME,
        Column::text("Provisioner", "Who makes the volumes."),
        Column::text("ReclaimPolicy", "What happens to a volume when its claim goes."),
        Column::text("VolumeBindingMode", "When volumes are made and bound."),
        Column::text("AllowVolumeExpansion", "Whether volumes can grow."),
        AGE,
    ],
    cells: |class, now| {
        cells![
            class_name(class),
            class.get("provisioner").text(),
            class.get("reclaimPolicy").text_or("Delete"),
            class.get("volumeBindingMode").text_or("Immediate"),
            class.get("allowVolumeExpansion").flag().unwrap_or(false),
            age::since(class.created(), now),
        ]
    },
};

static ATTRIBUTES_CLASSES: Table = Table {
    columns: &[NAME, Column::text("DriverName", "Driver that applies the class."), AGE],
    cells: |class, now| {
        cells![class_name(class), class.get("driverName").text(), age::since(class.created(), now)]
    },
};

static DRIVERS: Table = Table {
    columns: &[
        NAME,
        Column::boolean("AttachRequired", "Whether volumes are attached to nodes."),
        Column::boolean("PodInfoOnMount", "Whether it is told of the pod."),
        Column::boolean("StorageCapacity", "Whether it reports its capacity."),
        Column::text("TokenRequests", "Audiences of the tokens that it gets."),
        Column::boolean("RequiresRepublish", "Whether it is called again and again."),
        Column::text("Modes", "Lifetimes of its volumes."),
        AGE,
    ],
    cells: |driver, now| {
        let spec = driver.get("spec");
        let flag = |field: &str, otherwise| spec.get(field).flag().unwrap_or(otherwise);
        let modes: Vec<_> = spec.get("volumeLifecycleModes").texts().collect();
        cells![
            driver.name(),
            flag("attachRequired", true),
            flag("podInfoOnMount", false),
            flag("storageCapacity", false),
            audiences(spec),
            flag("requiresRepublish", false),
            if modes.is_empty() { "Persistent".to_owned() } else { modes.join(",") },
            age::since(driver.created(), now),
        ]
    },
};

static DRIVER_NODES: Table = Table {
    columns: &[NAME, Column::integer("Drivers", "Drivers on the node."), AGE],
    cells: |node, now| {
        cells![node.name(), count(node.at("spec.drivers").len()), age::since(node.created(), now)]
    },
};

static ATTACHMENTS: Table = Table {
    columns: &[
        NAME,
        Column { name: "Attacher", description: "Who attaches the volume.", ..NAME },
        Column::text("PV", "Volume."),
        Column::text("Node", "Node."),
        Column::boolean("Attached", "Whether it is attached."),
        AGE,
    ],
    cells: |attachment, now| {
        let spec = attachment.get("spec");
        cells![
            attachment.name(),
            spec.get("attacher").text(),
            spec.at("source.persistentVolumeName").text(),
            spec.get("nodeName").text(),
            attachment.at("status.attached").flag().unwrap_or(false),
            age::since(attachment.created(), now),
        ]
    },
};

fn phase(object: Fields<'_>) -> &str {
    if object.is_terminating() { "Terminating" } else { object.at("status.phase").text() }
}

/// The capacity in the spec of a volume or in the status of a claim.
fn size(part: Fields<'_>) -> String {
    part.at("capacity.storage").present().map_or_else(|| "0".to_owned(), Fields::scalar)
}

fn access_modes(part: Fields<'_>) -> String {
    let modes: Vec<_> = part.get("accessModes").texts().collect();
    let known = ACCESS_MODES.into_iter().filter(|(mode, _)| modes.contains(mode));
    known.map(|(_, short)| short).collect::<Vec<_>>().join(",")
}

fn class(object: Fields<'_>) -> &str {
    let annotation = object.at("metadata.annotations").get(CLASS_ANNOTATION);
    annotation.present().unwrap_or_else(|| object.at("spec.storageClassName")).text()
}

fn claim(reference: Fields<'_>) -> String {
    match reference.present() {
        Some(claim) => format!("{}/{}", claim.get("namespace").text(), claim.get("name").text()),
        None => String::new(),
    }
}

fn class_name(class: Fields<'_>) -> String {
    let annotations = class.at("metadata.annotations");
    let is_default = DEFAULT_ANNOTATIONS.into_iter().any(|key| annotations.get(key).text() == "true");
    format!("{}{}", class.name(), if is_default { " (default)" } else { "" })
}

fn audiences(spec: Fields<'_>) -> String {
    let audiences: Vec<_> =
        spec.get("tokenRequests").items().map(|request| request.get("audience").text()).collect();
    if audiences.is_empty() { UNSET.to_owned() } else { audiences.join(",") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{CREATED, row};
    use super::*;

    #[test]
    fn a_claim_shows_what_it_has_got() {
        let mut claim = json!({
            "spec": {"volumeMode": "Filesystem", "accessModes": ["ReadWriteOnce"],
                     "resources": {"requests": {"storage": "1Gi"}}},
            "status": {"phase": "Pending"},
        });
        assert_eq!(
            row(&CLAIMS, claim.clone()),
            json!(["a", "Pending", "", "", "", "", "<unset>", "42m", "Filesystem"])
        );
        claim["spec"]["volumeName"] = json!("v");
        claim["spec"]["storageClassName"] = json!("fast");
        claim["spec"]["volumeAttributesClassName"] = json!("gold");
        claim["status"] = json!({
            "phase": "Bound", "accessModes": ["ReadWriteMany", "ReadWriteOnce"], "capacity": {"storage": "2Gi"},
        });
        assert_eq!(
            row(&CLAIMS, claim.clone()),
            json!(["a", "Bound", "v", "2Gi", "RWO,RWX", "fast", "gold", "42m", "Filesystem"])
        );
        claim["metadata"] =
            json!({"name": "a", "deletionTimestamp": CREATED, "annotations": {CLASS_ANNOTATION: "old"}});
        let terminating = row(&CLAIMS, claim);
        assert_eq!((&terminating[1], &terminating[5]), (&json!("Terminating"), &json!("old")));
    }

    #[test]
    fn a_volume_shows_its_claim() {
        let volume = json!({
            "spec": {"capacity": {"storage": "5Gi"}, "accessModes": ["ReadOnlyMany", "ReadWriteOncePod"],
                     "persistentVolumeReclaimPolicy": "Retain", "storageClassName": "slow", "volumeMode": "Block",
                     "claimRef": {"namespace": "n", "name": "c"}},
            "status": {"phase": "Failed", "reason": "gone"},
        });
        assert_eq!(
            row(&VOLUMES, volume),
            json!([
                "a", "5Gi", "ROX,RWOP", "Retain", "Failed", "n/c", "slow", "<unset>", "gone", "42m", "Block"
            ])
        );
        assert_eq!(
            row(&VOLUMES, json!({})),
            json!(["a", "0", "", "", "", "", "", "<unset>", "", "42m", "<unset>"])
        );
    }

    #[test]
    fn the_default_class_says_so() {
        let class = json!({
            "metadata": {"name": "c", "creationTimestamp": CREATED, "annotations": {DEFAULT_ANNOTATIONS[1]: "true"}},
            "provisioner": "p", "reclaimPolicy": "Retain", "volumeBindingMode": "WaitForFirstConsumer",
            "allowVolumeExpansion": true,
        });
        assert_eq!(
            row(&CLASSES, class),
            json!(["c (default)", "p", "Retain", "WaitForFirstConsumer", true, "42m"])
        );
        assert_eq!(
            row(&CLASSES, json!({"provisioner": "p"})),
            json!(["a", "p", "Delete", "Immediate", false, "42m"])
        );
        assert_eq!(row(&ATTRIBUTES_CLASSES, json!({"driverName": "d"})), json!(["a", "d", "42m"]));
    }

    #[test]
    fn a_driver_shows_what_it_needs() {
        let driver = json!({"spec": {
            "attachRequired": false, "podInfoOnMount": true, "storageCapacity": true, "requiresRepublish": true,
            "tokenRequests": [{"audience": "x"}, {"audience": "y"}], "volumeLifecycleModes": ["Persistent", "Ephemeral"],
        }});
        assert_eq!(
            row(&DRIVERS, driver),
            json!(["a", false, true, true, "x,y", true, "Persistent,Ephemeral", "42m"])
        );
        assert_eq!(
            row(&DRIVERS, json!({})),
            json!(["a", true, false, false, "<unset>", false, "Persistent", "42m"])
        );
        assert_eq!(row(&DRIVER_NODES, json!({"spec": {"drivers": [{}, {}]}})), json!(["a", 2, "42m"]));
    }

    #[test]
    fn an_attachment_joins_a_volume_and_a_node() {
        let attachment = json!({
            "spec": {"attacher": "d", "nodeName": "n", "source": {"persistentVolumeName": "v"}},
            "status": {"attached": true},
        });
        assert_eq!(row(&ATTACHMENTS, attachment), json!(["a", "d", "v", "n", true, "42m"]));
    }
}
