//! The tables of the group `admissionregistration.k8s.io`.

use super::Table;
use super::age;
use super::column::{AGE, Column, NAME};
use super::fields::Fields;
use super::format::{UNSET, count};

pub(super) fn table(plural: &str) -> Option<&'static Table> {
    Some(match plural {
        "mutatingadmissionpolicies" => &MUTATING_POLICIES,
        "mutatingadmissionpolicybindings" | "validatingadmissionpolicybindings" => &BINDINGS,
        "mutatingwebhookconfigurations" | "validatingwebhookconfigurations" => &WEBHOOKS,
        "validatingadmissionpolicies" => &VALIDATING_POLICIES,
        _ => return None,
    })
}

const PARAM_KIND: Column = Column::text("ParamKind", "Kind of the parameters.");

static WEBHOOKS: Table = Table {
    columns: &[NAME, Column::integer("Webhooks", "How many webhooks are called."), AGE],
    cells: |object, now| {
        cells![object.name(), count(object.get("webhooks").len()), age::since(object.created(), now)]
    },
};

static VALIDATING_POLICIES: Table = Table {
    columns: &[NAME, Column::integer("Validations", "How many rules are checked."), PARAM_KIND, AGE],
    cells: |policy, now| policy_cells(policy, "spec.validations", now),
};

static MUTATING_POLICIES: Table = Table {
    columns: &[NAME, Column::integer("Mutations", "How many changes are made."), PARAM_KIND, AGE],
    cells: |policy, now| policy_cells(policy, "spec.mutations", now),
};

static BINDINGS: Table = Table {
    columns: &[
        NAME,
        Column::text("PolicyName", "Policy that is bound."),
        Column::text("ParamRef", "Object with the parameters."),
        AGE,
    ],
    cells: |binding, now| {
        cells![
            binding.name(),
            binding.at("spec.policyName").text(),
            parameters(binding.at("spec.paramRef")),
            age::since(binding.created(), now),
        ]
    },
};

fn policy_cells(policy: Fields<'_>, rules: &str, now: jiff::Timestamp) -> Vec<serde_json::Value> {
    let kind = policy.at("spec.paramKind").present();
    let kind = kind.map(|kind| format!("{}/{}", kind.get("apiVersion").text(), kind.get("kind").text()));
    cells![
        policy.name(),
        count(policy.at(rules).len()),
        kind.unwrap_or_else(|| UNSET.to_owned()),
        age::since(policy.created(), now),
    ]
}

/// Without a namespace, the parameters are looked for in that of the request.
fn parameters(reference: Fields<'_>) -> String {
    match reference.present() {
        Some(object) => format!("{}/{}", object.get("namespace").text_or("*"), object.get("name").text()),
        None => UNSET.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::row;
    use super::*;

    #[test]
    fn webhooks_and_rules_are_counted() {
        assert_eq!(row(&WEBHOOKS, json!({"webhooks": [{}, {}]})), json!(["a", 2, "42m"]));
        let policy =
            json!({"spec": {"validations": [{}], "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}}});
        assert_eq!(row(&VALIDATING_POLICIES, policy), json!(["a", 1, "v1/ConfigMap", "42m"]));
        let policy = json!({"spec": {"mutations": [{}, {}, {}]}});
        assert_eq!(row(&MUTATING_POLICIES, policy), json!(["a", 3, "<unset>", "42m"]));
    }

    #[test]
    fn a_binding_joins_policy_and_parameters() {
        for (reference, shown) in [
            (json!(null), "<unset>"),
            (json!({"name": "p"}), "*/p"),
            (json!({"namespace": "n", "name": "p"}), "n/p"),
        ] {
            let binding = json!({"spec": {"policyName": "x", "paramRef": reference}});
            assert_eq!(row(&BINDINGS, binding), json!(["a", "x", shown, "42m"]));
        }
    }
}
