//! The tables of what limits and ranks pods: disruption budgets, quotas, priority classes.

use super::Table;
use super::age;
use super::column::{AGE, Column, NAME};
use super::fields::Fields;

/// The bound that a budget does not have.
const NOT_APPLICABLE: &str = "N/A";

pub(super) static DISRUPTION_BUDGETS: Table = Table {
    columns: &[
        NAME,
        Column::text("Min Available", "Pods that must stay available."),
        Column::text("Max Unavailable", "Pods that may be missing."),
        Column::integer("Allowed Disruptions", "Pods that may be evicted at present."),
        AGE,
    ],
    cells: |budget, now| {
        cells![
            budget.name(),
            bound(budget.at("spec.minAvailable")),
            bound(budget.at("spec.maxUnavailable")),
            budget.at("status.disruptionsAllowed").number(),
            age::since(budget.created(), now),
        ]
    },
};

pub(super) static RESOURCE_QUOTAS: Table = Table {
    columns: &[
        NAME,
        Column::text("Request", "Requests and counts: used, of allowed."),
        Column::text("Limit", "Limits: used, of allowed."),
        AGE,
    ],
    cells: |quota, now| {
        cells![
            quota.name(),
            usage(quota, |resource| !resource.starts_with("limits")),
            usage(quota, |resource| resource.starts_with("limits")),
            age::since(quota.created(), now),
        ]
    },
};

pub(super) static PRIORITY_CLASSES: Table = Table {
    columns: &[
        NAME,
        Column::integer("Value", "Priority of its pods; the highest goes first."),
        Column::boolean("Global-Default", "Whether it applies to pods without a class."),
        AGE,
        Column::text("PreemptionPolicy", "Whether its pods displace others."),
    ],
    cells: |class, now| {
        cells![
            class.name(),
            class.get("value").number(),
            class.get("globalDefault").flag().unwrap_or(false),
            age::since(class.created(), now),
            class.get("preemptionPolicy").text_or("PreemptLowerPriority"),
        ]
    },
};

/// A number or a percentage.
fn bound(bound: Fields<'_>) -> String {
    bound.present().map_or_else(|| NOT_APPLICABLE.to_owned(), Fields::scalar)
}

/// `resource: used/allowed` for those resources, in the order of their names.
fn usage(quota: Fields<'_>, wanted: impl Fn(&str) -> bool) -> String {
    let used = |resource: &str| quota.at("status.used").get(resource).present();
    let hard = quota.at("status.hard").entries().filter(|(resource, _)| wanted(resource));
    let mut hard: Vec<_> = hard.collect();
    hard.sort_unstable_by_key(|(resource, _)| *resource);
    let parts = hard.into_iter().map(|(resource, allowed)| {
        let used = used(resource).map_or_else(|| "0".to_owned(), Fields::scalar);
        format!("{resource}: {used}/{}", allowed.scalar())
    });
    parts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::row;
    use super::*;

    #[test]
    fn a_budget_shows_the_bound_that_it_has() {
        let budget = json!({"spec": {"minAvailable": 2}, "status": {"disruptionsAllowed": 1}});
        assert_eq!(row(&DISRUPTION_BUDGETS, budget), json!(["a", "2", "N/A", 1, "42m"]));
        let budget = json!({"spec": {"maxUnavailable": "30%"}});
        assert_eq!(row(&DISRUPTION_BUDGETS, budget), json!(["a", "N/A", "30%", 0, "42m"]));
    }

    #[test]
    fn a_quota_shows_what_is_used_of_what_is_allowed() {
        let quota = json!({"status": {
            "hard": {"requests.cpu": "1", "limits.memory": "2Gi", "limits.cpu": "2", "pods": "10"},
            "used": {"requests.cpu": "500m", "limits.memory": "1Gi", "pods": "3"},
        }});
        assert_eq!(
            row(&RESOURCE_QUOTAS, quota),
            json!([
                "a",
                "pods: 3/10, requests.cpu: 500m/1",
                "limits.cpu: 0/2, limits.memory: 1Gi/2Gi",
                "42m"
            ])
        );
    }

    #[test]
    fn a_priority_class_shows_its_value() {
        let class = json!({"value": -5, "globalDefault": true, "preemptionPolicy": "Never"});
        assert_eq!(row(&PRIORITY_CLASSES, class), json!(["a", -5, true, "42m", "Never"]));
        assert_eq!(
            row(&PRIORITY_CLASSES, json!({"value": 1})),
            json!(["a", 1, false, "42m", "PreemptLowerPriority"])
        );
    }
}
