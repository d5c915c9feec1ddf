//! `HorizontalPodAutoscaler` between `autoscaling/v2`, in which it is stored, and `autoscaling/v1`.
//!
//! The older version has fields for the use of the CPU only. Everything else that it cannot say it shows
//! in four annotations, as the JSON of the newer version; they belong to this module, whoever sets them,
//! and are never stored.

use serde_json::{Map, Value as Json, json};

use crate::codec::{self, Identity};
use crate::http::objects::object::Object;
use crate::kinds::field::Type;

/// What v1 shows in annotations: (place in v2, annotation in v1).
const ANNOTATIONS: [(&str, &str, &str); 4] = [
    ("spec", "metrics", "autoscaling.alpha.kubernetes.io/metrics"),
    ("spec", "behavior", "autoscaling.alpha.kubernetes.io/behavior"),
    ("status", "currentMetrics", "autoscaling.alpha.kubernetes.io/current-metrics"),
    ("status", "conditions", "autoscaling.alpha.kubernetes.io/conditions"),
];

/// The target for the use of the CPU, in the spec of v1.
const TARGET: &str = "targetCPUUtilizationPercentage";

/// The use of the CPU, in the status of v1.
const CURRENT: &str = "currentCPUUtilizationPercentage";

/// Where a metric of the status has the use of its resource.
const CURRENT_UTILIZATION: &str = "/resource/current/averageUtilization";

/// From v2 to v1.
pub(super) fn to_v1(object: &mut Map<String, Json>) {
    for (.., annotation) in ANNOTATIONS {
        take_annotation(object, annotation);
    }
    let target = take_cpu_target(object);
    let current = take_cpu_current(object);
    for (place, field, annotation) in ANNOTATIONS {
        let value = part(object, place).and_then(|part| part.shift_remove(field));
        let value = value.filter(|value| !value.as_array().is_some_and(Vec::is_empty));
        if let (Some(value), Some(metadata)) = (value, part(object, "metadata")) {
            let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
            if let Some(annotations) = annotations.as_object_mut() {
                annotations.insert(annotation.to_owned(), Json::from(value.to_string()));
            }
        }
    }
    put(object, "spec", TARGET, target);
    put(object, "status", CURRENT, current);
}

/// From v1 to v2, whose schema is `schema`.
pub(super) fn to_v2(object: &mut Map<String, Json>, schema: &'static Type) {
    for (place, field, annotation) in ANNOTATIONS {
        let text = take_annotation(object, annotation);
        let value = text.as_ref().and_then(Json::as_str).and_then(|text| read(schema, place, field, text));
        put(object, place, field, value);
    }
    if let Some(target) = take(object, "spec", TARGET)
        && let Some(metrics) = list(object, "spec", "metrics")
    {
        metrics.insert(0, cpu_target_metric(&target));
    }
    if let Some(current) = take(object, "status", CURRENT)
        && let Some(metrics) = list(object, "status", "currentMetrics")
    {
        let known = metrics.iter_mut().find(|metric| cpu_current(metric).is_some());
        match known.and_then(|metric| metric.pointer_mut(CURRENT_UTILIZATION)) {
            Some(utilization) => *utilization = current,
            None => metrics.insert(0, cpu_current_metric(&current)),
        }
    }
}

/// Puts the CPU's target, which comes out of v1 as the first of the metrics, where the stored object has
/// its own. Both objects are in v2.
pub(super) fn keep_order(object: &mut Object, stored: &Object) {
    let is_cpu = |metric: &Json| cpu_target(metric).is_some();
    let before = stored.pointer("/spec/metrics").and_then(Json::as_array);
    let Some(position) = before.and_then(|metrics| metrics.iter().position(is_cpu)) else { return };
    let Some(metrics) = object.object_mut("spec").get_mut("metrics").and_then(Json::as_array_mut) else {
        return;
    };
    if metrics.first().is_some_and(is_cpu) {
        let metric = metrics.remove(0);
        metrics.insert(position.min(metrics.len()), metric);
    }
}

/// What an annotation says of a field, in canonical form; `None` if that is no value of the field.
fn read(schema: &'static Type, place: &str, field: &str, text: &str) -> Option<Json> {
    let value = codec::json::parse(text.as_bytes()).ok()?.value;
    let nowhere = Identity { api_version: "", kind: "" };
    let (mut tree, _) = codec::decode(schema, nowhere, json!({ place: { field: value } })).ok()?;
    tree.get_mut(place)?.get_mut(field).map(Json::take)
}

/// The metric of v2 that v1 has a field for.
fn cpu_target_metric(percent: &Json) -> Json {
    let target = json!({ "type": "Utilization", "averageUtilization": percent });
    json!({ "type": "Resource", "resource": { "name": "cpu", "target": target } })
}

/// The target of such a metric. One that says more than v1 can is none.
fn cpu_target(metric: &Json) -> Option<&Json> {
    let percent = metric.pointer("/resource/target/averageUtilization")?;
    (*metric == cpu_target_metric(percent)).then_some(percent)
}

fn take_cpu_target(object: &mut Map<String, Json>) -> Option<Json> {
    let metrics = part(object, "spec")?.get_mut("metrics")?.as_array_mut()?;
    let position = metrics.iter().position(|metric| cpu_target(metric).is_some())?;
    cpu_target(&metrics.remove(position)).cloned()
}

fn cpu_current_metric(percent: &Json) -> Json {
    json!({ "type": "Resource", "resource": { "name": "cpu", "current": { "averageUtilization": percent } } })
}

/// The use of the CPU that a metric of the status tells, with whatever else it tells.
fn cpu_current(metric: &Json) -> Option<&Json> {
    let is_cpu = metric.get("type")? == "Resource" && metric.pointer("/resource/name")? == "cpu";
    is_cpu.then(|| metric.pointer(CURRENT_UTILIZATION))?
}

/// The use of the CPU. The metrics stay where they are, unless this is all that they say.
fn take_cpu_current(object: &mut Map<String, Json>) -> Option<Json> {
    let metrics = part(object, "status")?.get_mut("currentMetrics")?.as_array_mut()?;
    let percent = metrics.iter().find_map(cpu_current).cloned()?;
    if metrics.as_slice() == [cpu_current_metric(&percent)] {
        metrics.clear();
    }
    Some(percent)
}

/// Takes an annotation off, and with the last one the map.
fn take_annotation(object: &mut Map<String, Json>, annotation: &str) -> Option<Json> {
    let metadata = part(object, "metadata")?;
    let annotations = part(metadata, "annotations")?;
    let value = annotations.shift_remove(annotation);
    if annotations.is_empty() {
        metadata.shift_remove("annotations");
    }
    value
}

fn part<'a>(object: &'a mut Map<String, Json>, field: &str) -> Option<&'a mut Map<String, Json>> {
    object.get_mut(field)?.as_object_mut()
}

/// The list at a field, made if there is none.
fn list<'a>(object: &'a mut Map<String, Json>, place: &str, field: &str) -> Option<&'a mut Vec<Json>> {
    part(object, place)?.entry(field).or_insert_with(|| json!([])).as_array_mut()
}

fn take(object: &mut Map<String, Json>, place: &str, field: &str) -> Option<Json> {
    part(object, place)?.shift_remove(field)
}

fn put(object: &mut Map<String, Json>, place: &str, field: &str, value: Option<Json>) {
    if let (Some(part), Some(value)) = (part(object, place), value) {
        part.insert(field.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{from_storage, keep_order, to_storage};
    use super::*;
    use crate::codec::specimen::{self, Random};
    use crate::kinds::resource::Resource;
    use crate::kinds::table::ResourceTable;

    fn version(version: &str) -> std::sync::Arc<Resource> {
        let table = ResourceTable::built_in();
        std::sync::Arc::clone(table.resource("autoscaling", version, "horizontalpodautoscalers").unwrap())
    }

    fn canonical(resource: &Resource, tree: Json) -> Json {
        let identity = Identity { api_version: resource.api_version, kind: resource.kind };
        codec::decode(resource.schema, identity, tree).unwrap().0
    }

    /// What becomes of a stored object that a client of v1 reads and writes back.
    fn there_and_back(stored: &Json) -> Json {
        let (v1, v2) = (version("v1"), version("v2"));
        let shown = canonical(&v1, from_storage(&v1, stored.clone()));
        let mut back = Object::new(to_storage(&v1, v2.schema, shown).unwrap());
        keep_order(&v1, &mut back, &Object::new(stored.clone()));
        back.into_tree()
    }

    #[test]
    fn any_stored_autoscaler_survives_the_older_version() {
        let v2 = version("v2");
        for (place_of_cpu, seed) in (0..3).cycle().zip(1..200) {
            let mut stored = canonical(&v2, specimen::object(v2.schema, &mut Random::new(seed)));
            for (place, field, metric) in [
                ("spec", "metrics", cpu_target_metric(&json!(80))),
                ("status", "currentMetrics", cpu_current_metric(&json!(40))),
            ] {
                let metrics = list(stored.as_object_mut().unwrap(), place, field).unwrap();
                metrics.insert(place_of_cpu.min(metrics.len()), metric);
            }
            let stored = canonical(&v2, stored);
            assert_eq!(there_and_back(&stored), stored, "{seed}");
        }
    }

    #[test]
    fn what_the_older_version_can_say_needs_no_annotation() {
        let v1 = version("v1");
        let sent = canonical(
            &v1,
            json!({
                "metadata": {"name": "h"},
                "spec": {"maxReplicas": 3, "targetCPUUtilizationPercentage": 80},
                "status": {"currentReplicas": 1, "currentCPUUtilizationPercentage": 40}
            }),
        );
        let stored = to_storage(&v1, version("v2").schema, sent.clone()).unwrap();
        assert_eq!(stored["spec"]["metrics"], json!([cpu_target_metric(&json!(80))]));
        assert_eq!(canonical(&v1, from_storage(&v1, stored)), sent);
    }

    #[test]
    fn a_cpu_metric_that_says_more_than_a_percentage_is_shown_and_kept() {
        let current = json!({"averageValue": "5m", "averageUtilization": 40});
        let metric = json!({"type": "Resource", "resource": {"name": "cpu", "current": current}});
        let stored = canonical(
            &version("v2"),
            json!({"metadata": {"name": "h"}, "status": {"currentMetrics": [metric]}}),
        );
        let shown = from_storage(&version("v1"), stored.clone());
        assert_eq!(shown["status"][CURRENT], 40);
        assert_eq!(there_and_back(&stored), stored);
    }

    #[test]
    fn annotations_that_were_stored_do_not_become_fields() {
        let mut stored = canonical(&version("v2"), json!({"metadata": {"name": "h"}}));
        let expected = stored.clone();
        let forged = json!({"autoscaling.alpha.kubernetes.io/metrics": "[{\"type\":\"Pods\"}]"});
        stored["metadata"]["annotations"] = forged;
        assert_eq!(there_and_back(&stored), expected);
    }
}
