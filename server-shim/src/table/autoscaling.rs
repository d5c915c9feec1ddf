//! The table of horizontal pod autoscalers, in both versions of the kind.

use super::Table;
use super::age;
use super::column::{AGE, Column, NAME};
use super::fields::Fields;
use super::format::{NONE, Shortened, UNKNOWN, UNSET, kind_and_name};

/// How many metrics a cell has room for.
const SHOWN: usize = 2;

pub(super) static AUTOSCALERS: Table = Table {
    columns: &[
        NAME,
        Column::text("Reference", "Object that is scaled."),
        Column::text("Targets", "Metrics: present value, of the one aimed at."),
        Column::text("MinPods", "Fewest replicas."),
        Column::text("MaxPods", "Most replicas."),
        Column::text("Replicas", "Replicas at present."),
        AGE,
    ],
    cells: |autoscaler, now| {
        let spec = autoscaler.get("spec");
        cells![
            autoscaler.name(),
            kind_and_name(spec.get("scaleTargetRef")),
            targets(autoscaler),
            spec.get("minReplicas").present().map_or_else(|| UNSET.to_owned(), Fields::scalar),
            spec.get("maxReplicas").number(),
            autoscaler.at("status.currentReplicas").number(),
            age::since(autoscaler.created(), now),
        ]
    },
};

fn targets(autoscaler: Fields<'_>) -> String {
    let current = autoscaler.at("status.currentMetrics").items();
    // Where nothing is reported for a metric, its present value is unknown.
    let nothing = autoscaler.get("");
    let current = current.chain(std::iter::repeat(nothing));
    let metrics =
        autoscaler.at("spec.metrics").items().zip(current).map(|(metric, current)| target(metric, current));
    Shortened::new(SHOWN).extend(metrics.chain(first_version(autoscaler))).finish(", ", NONE)
}

/// The one metric that the first version of the kind knows.
fn first_version(autoscaler: Fields<'_>) -> Option<String> {
    let target = autoscaler.at("spec.targetCPUUtilizationPercentage").present()?;
    let current = percentage(autoscaler.at("status.currentCPUUtilizationPercentage"));
    Some(format!("cpu: {}/{}%", current.unwrap_or_else(|| UNKNOWN.to_owned()), target.number()))
}

/// `present/target` of a metric, with the name of a resource before it.
fn target(metric: Fields<'_>, current: Fields<'_>) -> String {
    let (field, is_resource) = match metric.get("type").text() {
        "Resource" => ("resource", true),
        "ContainerResource" => ("containerResource", true),
        "Pods" => ("pods", false),
        "Object" => ("object", false),
        "External" => ("external", false),
        _ => return "<unknown type>".to_owned(),
    };
    let (source, current) = (metric.get(field), current.get(field).get("current"));
    let target = source.get("target");
    if is_resource {
        return format!("{}: {}", source.get("name").text(), resource_target(target, current));
    }
    match target.get("averageValue").present() {
        // Pods have no value but the average.
        Some(average) if field == "pods" => ratio(current.get("averageValue"), average),
        Some(average) => format!("{} (avg)", ratio(current.get("averageValue"), average)),
        None => ratio(current.get("value"), target.get("value")),
    }
}

/// An average amount, or a share of what the containers request.
fn resource_target(target: Fields<'_>, current: Fields<'_>) -> String {
    if let Some(average) = target.get("averageValue").present() {
        return ratio(current.get("averageValue"), average);
    }
    let current = percentage(current.get("averageUtilization")).unwrap_or_else(|| UNKNOWN.to_owned());
    let target = percentage(target.get("averageUtilization")).unwrap_or_else(|| "<auto>".to_owned());
    format!("{current}/{target}")
}

fn ratio(current: Fields<'_>, target: Fields<'_>) -> String {
    let current = current.present().map_or_else(|| UNKNOWN.to_owned(), Fields::scalar);
    format!("{current}/{}", target.scalar())
}

fn percentage(share: Fields<'_>) -> Option<String> {
    share.present().map(|share| format!("{}%", share.number()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::row;
    use super::*;

    /// The targets of an autoscaler with these metrics.
    fn shown(metrics: &Value, current: &Value) -> Value {
        row(&AUTOSCALERS, json!({"spec": {"metrics": metrics}, "status": {"currentMetrics": current}}))[2]
            .clone()
    }

    #[test]
    fn an_autoscaler_shows_bounds_and_replicas() {
        let autoscaler = json!({
            "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "d"}, "minReplicas": 2, "maxReplicas": 9},
            "status": {"currentReplicas": 4},
        });
        assert_eq!(row(&AUTOSCALERS, autoscaler), json!(["a", "Deployment/d", "<none>", "2", 9, 4, "42m"]));
        assert_eq!(row(&AUTOSCALERS, json!({}))[3], "<unset>");
    }

    #[test]
    fn the_first_version_knows_the_share_of_the_processor() {
        let mut autoscaler = json!({"spec": {"targetCPUUtilizationPercentage": 80}});
        assert_eq!(row(&AUTOSCALERS, autoscaler.clone())[2], "cpu: <unknown>/80%");
        autoscaler["status"] = json!({"currentCPUUtilizationPercentage": 55});
        assert_eq!(row(&AUTOSCALERS, autoscaler)[2], "cpu: 55%/80%");
    }

    #[test]
    fn resources_are_shares_or_amounts() {
        let share =
            json!({"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 80}}});
        let amount = json!({"type": "ContainerResource", "containerResource": {
            "name": "memory", "target": {"averageValue": "100Mi"},
        }});
        assert_eq!(shown(&json!([share]), &Value::Null), "cpu: <unknown>/80%");
        let current = json!([
            {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 0}}},
            {"type": "ContainerResource", "containerResource": {"current": {"averageValue": "50Mi"}}},
        ]);
        assert_eq!(shown(&json!([share, amount]), &current), "cpu: 0%/80%, memory: 50Mi/100Mi");
        assert_eq!(
            shown(&json!([amount, amount, share]), &Value::Null),
            "memory: <unknown>/100Mi, memory: <unknown>/100Mi + 1 more..."
        );
        let open = json!([{"type": "Resource", "resource": {"name": "cpu"}}]);
        assert_eq!(shown(&open, &Value::Null), "cpu: <unknown>/<auto>");
    }

    #[test]
    fn other_metrics_are_values_or_averages() {
        for (metric, current, cell) in [
            (
                json!({"type": "Pods", "pods": {"target": {"averageValue": "10"}}}),
                json!({"pods": {"current": {"averageValue": "3"}}}),
                "3/10",
            ),
            (
                json!({"type": "Object", "object": {"target": {"value": "10"}}}),
                json!({"object": {"current": {"value": "500m"}}}),
                "500m/10",
            ),
            (
                json!({"type": "External", "external": {"target": {"averageValue": "10"}}}),
                json!({"external": {"current": {"averageValue": "7"}}}),
                "7/10 (avg)",
            ),
            (
                json!({"type": "Object", "object": {"target": {"averageValue": "9"}}}),
                json!({}),
                "<unknown>/9 (avg)",
            ),
            (json!({"type": "Strange"}), json!({}), "<unknown type>"),
        ] {
            assert_eq!(shown(&json!([metric]), &json!([current])), cell);
        }
    }
}
