//! The tables of kinds that show little more than name and age.

use super::Table;
use super::age;
use super::column::{AGE, Column, NAME};
use super::fields::Fields;
use super::format::{NONE, count};

pub(super) static NAME_AND_AGE: Table = Table {
    columns: &[NAME, AGE],
    cells: |object, now| cells![object.name(), age::since(object.created(), now)],
};

pub(super) static NAMESPACES: Table = Table {
    columns: &[NAME, Column::text("Status", "Whether it is in use or being deleted."), AGE],
    cells: |namespace, now| {
        cells![namespace.name(), namespace.at("status.phase").text(), age::since(namespace.created(), now)]
    },
};

pub(super) static CONFIG_MAPS: Table = Table {
    columns: &[NAME, Column::text("Data", "How many entries it has."), AGE],
    cells: |map, now| {
        let entries = map.get("data").len() + map.get("binaryData").len();
        cells![map.name(), count(entries), age::since(map.created(), now)]
    },
};

pub(super) static SECRETS: Table = Table {
    columns: &[
        NAME,
        Column::text("Type", "What it is meant for."),
        Column::text("Data", "How many entries it has."),
        AGE,
    ],
    cells: |secret, now| {
        cells![
            secret.name(),
            secret.get("type").text_or("Opaque"),
            count(secret.get("data").len()),
            age::since(secret.created(), now),
        ]
    },
};

pub(super) static LEASES: Table = Table {
    columns: &[NAME, Column::text("Holder", "Who has it."), AGE],
    cells: |lease, now| {
        cells![lease.name(), lease.at("spec.holderIdentity").text(), age::since(lease.created(), now)]
    },
};

pub(super) static RESOURCE_CLAIMS: Table = Table {
    columns: &[NAME, Column::text("State", "How far its devices are on their way to pods."), AGE],
    cells: |claim, now| cells![claim.name(), claim_state(claim), age::since(claim.created(), now)],
};

pub(super) static SIGNING_REQUESTS: Table = Table {
    columns: &[
        NAME,
        AGE,
        Column::text("SignerName", "Who is asked to sign."),
        Column::text("Requestor", "Who asks."),
        Column::text("RequestedDuration", "For how long the certificate should be valid."),
        Column::text("Condition", "What has been decided."),
    ],
    cells: |request, now| {
        let duration = request.at("spec.expirationSeconds").present();
        cells![
            request.name(),
            age::since(request.created(), now),
            request.at("spec.signerName").text_or(NONE),
            request.at("spec.username").text(),
            duration.map_or_else(|| NONE.to_owned(), |seconds| age::human(seconds.number())),
            decision(request),
        ]
    },
};

fn claim_state(claim: Fields<'_>) -> String {
    let is_allocated = claim.at("status.allocation").is_present();
    let is_deleted = claim.is_terminating();
    let states = [
        (is_deleted, "deleted"),
        (is_allocated, "allocated"),
        (is_allocated && claim.at("status.reservedFor").len() > 0, "reserved"),
        (!is_allocated && !is_deleted, "pending"),
    ];
    let states: Vec<_> = states.into_iter().filter_map(|(applies, state)| applies.then_some(state)).collect();
    states.join(",")
}

fn decision(request: Fields<'_>) -> String {
    let has = |kind: &&str| request.condition(kind).is_some();
    let decided = ["Denied", "Approved"].into_iter().find(has).unwrap_or("Pending");
    let failed = if has(&"Failed") { ",Failed" } else { "" };
    let issued = if request.at("status.certificate").text().is_empty() { "" } else { ",Issued" };
    format!("{decided}{failed}{issued}")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::{CREATED, row};
    use super::*;

    #[test]
    fn a_namespace_shows_its_phase() {
        assert_eq!(row(&NAMESPACES, json!({"status": {"phase": "Active"}})), json!(["a", "Active", "42m"]));
    }

    #[test]
    fn entries_are_counted() {
        let map = json!({"data": {"x": "1", "y": "2"}, "binaryData": {"z": "AA=="}});
        assert_eq!(row(&CONFIG_MAPS, map), json!(["a", 3, "42m"]));
        assert_eq!(row(&CONFIG_MAPS, json!({})), json!(["a", 0, "42m"]));
        let secret = json!({"type": "kubernetes.io/tls", "data": {"k": "AA=="}});
        assert_eq!(row(&SECRETS, secret), json!(["a", "kubernetes.io/tls", 1, "42m"]));
        assert_eq!(row(&SECRETS, json!({})), json!(["a", "Opaque", 0, "42m"]));
    }

    #[test]
    fn the_plainest_show_name_and_age() {
        assert_eq!(row(&NAME_AND_AGE, json!({})), json!(["a", "42m"]));
        assert_eq!(row(&LEASES, json!({"spec": {"holderIdentity": "h"}})), json!(["a", "h", "42m"]));
    }

    #[test]
    fn a_claim_tells_how_far_it_is() {
        let reserved = json!({"allocation": {}, "reservedFor": [{}]});
        for (deletion, status, shown) in [
            (Value::Null, json!({}), "pending"),
            (Value::Null, json!({"allocation": {}}), "allocated"),
            (Value::Null, reserved.clone(), "allocated,reserved"),
            (json!(CREATED), json!({}), "deleted"),
            (json!(CREATED), reserved, "deleted,allocated,reserved"),
        ] {
            let claim = json!({"metadata": {"name": "a", "deletionTimestamp": deletion}, "status": status});
            assert_eq!(row(&RESOURCE_CLAIMS, claim)[1], shown);
        }
    }

    #[test]
    fn a_request_shows_what_was_decided() {
        let request = |conditions: &[&str], certificate: &str| {
            let conditions: Vec<_> = conditions.iter().map(|kind| json!({"type": kind})).collect();
            json!({
                "spec": {"signerName": "s", "username": "u", "expirationSeconds": 3600},
                "status": {"conditions": conditions, "certificate": certificate},
            })
        };
        assert_eq!(
            row(&SIGNING_REQUESTS, request(&["Approved"], "AA==")),
            json!(["a", "42m", "s", "u", "60m", "Approved,Issued"])
        );
        assert_eq!(row(&SIGNING_REQUESTS, request(&["Approved", "Denied"], ""))[5], "Denied");
        assert_eq!(row(&SIGNING_REQUESTS, request(&["Approved", "Failed"], ""))[5], "Approved,Failed");
        assert_eq!(row(&SIGNING_REQUESTS, json!({})), json!(["a", "42m", "<none>", "", "<none>", "Pending"]));
    }
}
